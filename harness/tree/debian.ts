import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'

export interface DownloadOptions {
  /** Empty directory that the package is put into. */
  directory: string
  /** Where private package lists may be kept when the machine's own do not know the package. */
  aptState: string
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

export interface DebianPackage {
  /** Path of the .deb. */
  file: string
  /** Debian version with its epoch, as in `6.12.57-1~deb12u1`. */
  version: string
}

/**
 * Downloads a Debian package without installing it, and without root. apt checks it against the signed lists of
 * the machine's own sources.
 * @param request `name` or `name=version`, as apt-get takes it.
 */
export async function downloadPackage(request: string, options: DownloadOptions): Promise<DebianPackage> {
  const { directory, aptState, signal, emit } = options
  let tried = await aptGet(['download', request], options)
  if (tried.exitCode !== 0) {
    // Lists that are missing or older than the archive. Private ones need no root and no apt lock.
    emit?.({ type: 'step-progress', step: 'fetch', note: 'reading the package lists' })
    const state = [`Dir::State::Lists=${join(aptState, 'lists')}`, `Dir::Cache=${join(aptState, 'cache')}`]
    await mkdir(join(aptState, 'lists', 'partial'), { recursive: true })
    await mkdir(join(aptState, 'cache', 'archives', 'partial'), { recursive: true })
    const update = await aptGet(['update'], options, state)
    tried = await aptGet(['download', request], options, state)
    if (tried.exitCode !== 0) {
      throw new Failure(
        'infra',
        `cannot download the Debian package ${request}: ${aptErrors(tried, update)}`,
        {
          command: tried.escapedCommand,
          remedy:
            'check the network and /etc/apt/sources.list (a pinned version must still be in the archive), then run it again',
        },
      )
    }
  }
  signal?.throwIfAborted()
  const name = (await readdir(directory)).find((entry) => entry.endsWith('.deb'))
  if (!name)
    throw new Failure('infra', `apt-get download ${request} left no .deb`, { command: tried.escapedCommand })
  const file = join(directory, 'package.deb')
  await rename(join(directory, name), file)
  const { stdout } = await execa('dpkg-deb', ['--field', file, 'Version'])
  return { file, version: stdout }
}

type AptResult = { exitCode?: number | undefined; stderr: string; escapedCommand: string }

async function aptGet(args: string[], options: DownloadOptions, settings: string[] = []): Promise<AptResult> {
  const { directory, signal, emit } = options
  const always = ['APT::Status-Fd=1', 'Acquire::Retries=3']
  // As root, apt would otherwise download as a user who cannot enter a private directory.
  if (process.getuid?.() === 0) always.push('APT::Sandbox::User=root')
  signal?.throwIfAborted()
  const child = execa(
    'apt-get',
    ['--quiet', ...[...always, ...settings].flatMap((value) => ['-o', value]), ...args],
    {
      cwd: directory,
      env: { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
      stdin: 'ignore',
      reject: false,
      ...(signal && { cancelSignal: signal }),
    },
  )
  child.stdout.on('data', (data: Buffer) => {
    const percent = /dlstatus:\d+:([\d.]+):/.exec(data.toString())?.[1]
    if (percent) emit?.({ type: 'step-progress', step: 'fetch', note: `${Math.round(Number(percent))} %` })
  })
  const result = await child
  signal?.throwIfAborted()
  if (result.code === 'ENOENT') {
    throw new Failure(
      'infra',
      'apt-get is not there: copylab fetches kernel sources on Debian and its kin only',
    )
  }
  return result
}

function aptErrors(...results: AptResult[]): string {
  const lines = results.flatMap(({ stderr }) => stderr.split('\n').filter((line) => /^[EW]: /.test(line)))
  return [...new Set(lines)].slice(0, 4).join('; ') || 'apt-get gave no reason'
}
