import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { withLock } from '../cache/lock.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { type AptOptions, type AptResult, aptErrors, aptGet } from './apt.ts'
import { openSuites, readOwnLists } from './lists.ts'
import { type DebianSource, sourceName } from './source.ts'

export interface DownloadOptions {
  /** Empty directory that packages are put into. */
  directory: string
  /** Where private package lists may be kept. */
  aptState: string
  /** The step that progress belongs to. */
  step: string
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

export interface DebianPackage {
  /** Path of the .deb. */
  file: string
  /** Debian version, with its epoch if there is one: `6.12.57-1~deb12u1`, `1:10.0.2+ds-2`. */
  version: string
}

/**
 * Downloads a Debian package without installing it, and without root. apt checks it against signed lists: those of
 * the machine's own sources, or the suite's.
 * @throws Failure('infra')
 */
export async function downloadPackage(
  source: DebianSource,
  options: DownloadOptions,
): Promise<DebianPackage> {
  const { directory } = options
  const tried = await askFor(source, ['download', source.debian], options)
  const [name] = await packagesIn(directory)
  if (!name) throw nothingCame(tried)
  const file = join(directory, 'package.deb')
  await rename(join(directory, name), file)
  return { file, version: await versionOf(file, options.signal) }
}

/**
 * The version that `downloadPackage` would get now. Lists are read for it, packages are not.
 * @param options `directory` stays empty
 * @throws Failure('infra') when there is none, or no network to ask
 */
export async function availableVersion(source: DebianSource, options: DownloadOptions): Promise<string> {
  const tried = await askFor(source, ['download', '--print-uris', source.debian], options)
  // 'ADDRESS' NAME_VERSION_ARCHITECTURE.deb SIZE HASH; %3a stands for the colon of an epoch.
  const version = /^'\S+' [^_\s]+_([^_\s]+)_/m.exec(tried.stdout)?.[1]
  if (version) return decodeURIComponent(version)
  throw nothingCame(tried)
}

/**
 * All versions of a package that the archive has, the newest first.
 * @param options `directory` stays empty
 * @throws Failure('infra') when there is none, or no network to ask
 */
export async function availableVersions(source: DebianSource, options: DownloadOptions): Promise<string[]> {
  const { stdout } = await askFor(source, ['madison', source.debian], { ...options, program: 'apt-cache' })
  // linux-source-7.2 | 7.2.12-1~bpo13+1 | ADDRESS trixie-backports/main amd64 Packages
  return [...new Set([...stdout.matchAll(/^ *[^ |]+ \| +([^ |]+) \|/gm)].map(([, version = '']) => version))]
}

/**
 * Downloads a package of a suite and everything that it depends on, as if nothing at all were installed: what comes
 * depends on the archive alone, not on this machine.
 * @throws Failure('infra')
 */
export async function downloadWithDependencies(
  source: DebianSource & { suite: string },
  options: DownloadOptions,
): Promise<DebianPackage & { dependencies: string[] }> {
  const { directory } = options
  const { debian, suite } = source
  await mkdir(join(directory, 'partial'))
  const nothing = join(directory, 'status')
  await writeFile(nothing, '')
  const tried = await askFor(
    source,
    ['install', '--download-only', '--yes', '--no-install-recommends', debian],
    options,
    // Backports are built on their release, and not whole without it.
    [suite, suite.replace(/-backports(-sloppy)?$/, '')],
    [
      `Dir::State::status=${nothing}`,
      `Dir::Cache::Archives=${directory}/`,
      // Of dpkg, which has no part in this; its lock is root's.
      'Debug::NoLocking=1',
    ],
  )
  const [name] = debian.split('=')
  const files = await packagesIn(directory)
  const first = files.find((file) => file.startsWith(`${name}_`))
  if (!first) throw nothingCame(tried)
  const file = join(directory, first)
  const dependencies = files.filter((other) => other !== first).map((other) => join(directory, other))
  return { file, version: await versionOf(file, options.signal), dependencies }
}

/**
 * Asks apt with the lists of the source, which are read first if need be.
 * @param suites what to read when the source names a suite
 */
async function askFor(
  source: DebianSource,
  args: string[],
  options: DownloadOptions & Pick<AptOptions, 'program'>,
  suites: string[] = [],
  extra: string[] = [],
): Promise<AptResult> {
  const { aptState, directory, step, signal, emit, program } = options
  const note = (note: string) => emit?.({ type: 'step-progress', step, note })
  const apt: AptOptions = { directory, signal, note }
  const ask = (settings: string[]) => aptGet(args, [...settings, ...extra], { ...apt, program })
  const wanted = source.suite === undefined ? undefined : [...new Set([source.suite, ...suites])]
  if (!wanted) {
    const tried = await ask([])
    if (tried.exitCode === 0) return tried
  }
  // apt locks its lists too, but fails where it should wait.
  return withLock(
    ['apt', ...(wanted ?? [])].join('-'),
    async () => {
      note('reading the package lists')
      // Lists of the machine's own may be missing, or older than the archive. Private ones need no root.
      const { settings, update } = wanted
        ? {
            settings: await openSuites(wanted, { ...apt, aptState: join(aptState, wanted.join('+')) }),
            update: [],
          }
        : await readOwnLists({ ...apt, aptState })
      const tried = await ask(settings)
      if (tried.exitCode === 0) return tried
      const words = aptErrors(tried, ...[update].flat())
      throw new Failure('infra', `cannot download the Debian package ${sourceName(source)}: ${words}`, {
        command: tried.escapedCommand,
        remedy: remedyFor(source, words),
      })
    },
    { signal, emit },
  )
}

/** @param words apt's own, which may have several reasons */
function remedyFor({ debian, suite }: DebianSource, words: string): string {
  const [name, version] = debian.split('=')
  const place = suite ?? "this machine's apt sources"
  const remedies: string[] = []
  if (/free space|No space left/.test(words))
    remedies.push('make room on the disk, or set XDG_CACHE_HOME to a larger one')
  if (/Failed to fetch|resolv|connect|timed out/i.test(words))
    remedies.push("check that apt's mirror can be reached, by its proxy if it has one")
  // What apt says of a package, and of a version, that the lists do not have.
  if (/Unable to locate|was not found|no installation candidate/.test(words)) {
    const lost = `version ${version} may have left ${place}: name another in copylab.yaml, or none`
    const never = `look whether ${name} is in ${place}; copylab.yaml can name ${suite ? 'another' : 'a'} suite for it`
    remedies.push(version === undefined ? never : lost)
  }
  return remedies.join('; ') || 'the command, run by hand, shows all that apt says'
}

async function packagesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((entry) => entry.endsWith('.deb')).sort()
}

function nothingCame({ escapedCommand }: AptResult): Failure {
  return new Failure('infra', 'apt-get ended well and gave no package', { command: escapedCommand })
}

/** @throws Failure('infra') when it is no package */
async function versionOf(file: string, signal: AbortSignal | undefined): Promise<string> {
  const { failed, stdout, stderr, escapedCommand } = await execa('dpkg-deb', ['--field', file, 'Version'], {
    reject: false,
    ...(signal && { cancelSignal: signal }),
  })
  signal?.throwIfAborted()
  if (!failed && stdout) return stdout
  throw new Failure('infra', `what apt-get gave as ${file} is no Debian package: ${stderr.trim()}`, {
    command: escapedCommand,
    remedy: 'make room on the disk if it is full, then run it again: the package is fetched anew',
  })
}
