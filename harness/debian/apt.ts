import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { Failure } from '../failure.ts'

export interface AptOptions {
  /** Which of apt's programs; apt-cache only looks into the lists. */
  program?: 'apt-get' | 'apt-cache' | undefined
  /** Where apt-get runs, and what `download` puts packages into. */
  directory: string
  signal?: AbortSignal | undefined
  /** Hears how far a download is, as in `37 %`. */
  note?: ((note: string) => void) | undefined
}

export interface AptResult {
  exitCode?: number | undefined
  stdout: string
  stderr: string
  escapedCommand: string
}

const noHooks = fileURLToPath(new URL('no-hooks.conf', import.meta.url))

/**
 * Runs apt-get, or another of apt's programs, as whoever copylab runs as, with the machine's settings but without its hooks, and returns what it
 * said, whatever its exit status.
 * @param settings `Name=value` each, as `-o` takes them
 */
export async function aptGet(
  args: string[],
  settings: string[],
  { directory, signal, note, program = 'apt-get' }: AptOptions,
): Promise<AptResult> {
  const always = ['APT::Status-Fd=1', 'Acquire::Retries=3']
  // As root, apt would otherwise download as a user who cannot enter a private directory.
  if (process.getuid?.() === 0) always.push('APT::Sandbox::User=root')
  signal?.throwIfAborted()
  const child = execa(
    program,
    [
      `--config-file=${noHooks}`,
      '--quiet',
      ...[...always, ...settings].flatMap((value) => ['-o', value]),
      ...args,
    ],
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
    if (percent) note?.(`${Math.round(Number(percent))} %`)
  })
  const result = await child
  signal?.throwIfAborted()
  if (result.code === 'ENOENT') {
    throw new Failure(
      'infra',
      'apt-get is not there: copylab fetches kernel sources and QEMU on Debian and its kin only',
    )
  }
  return result
}

/** apt's own reasons, each once and not too many of them. */
export function aptErrors(...results: AptResult[]): string {
  const lines = results.flatMap(({ stderr }) => stderr.split('\n').filter((line) => /^[EW]: /.test(line)))
  return [...new Set(lines)].slice(0, 4).join('; ') || 'apt-get gave no reason'
}
