import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { chooseAccelerator, qemuVersion } from '../../qemu/accel.ts'
import { findProgram } from '../../qemu/cc.ts'
import { cacheDirectory } from '../cache/directory.ts'
import { type Config, loadConfig } from '../config/load.ts'
import type { QemuSpec, TreeSpec } from '../config/schema.ts'
import { availableVersion } from '../debian/download.ts'
import { type DebianSource, sourceName } from '../debian/source.ts'
import { describeFailure, Failure } from '../failure.ts'
import { compilerVersion } from '../kernel/toolchain.ts'
import { fetchedQemu } from '../qemu/provide.ts'
import { fetchedTree } from '../tree/provide.ts'
import { checkSource, treeName } from '../tree/spec.ts'
import type { CommandContext } from './run.ts'

const execute = promisify(execFile)

/** One line of the report. */
interface Finding {
  subject: string
  /** What is there, or what is wrong with it. */
  text: string
  works: boolean
  /** false: the main job can run without it. */
  needed?: boolean
}

/** Bytes that a first run writes to the cache: package, git objects, work tree, build and kernel of 6.12. */
const firstRunBytes = 3.5e9

/**
 * `copylab doctor`: what this machine can do, and the command that installs what is missing. It installs nothing.
 * @returns 0, or 3 when `copylab run` cannot work here.
 */
export async function doctor({ cwd, signal }: CommandContext): Promise<number> {
  const config = await loadConfig(cwd)
  const cache = cacheDirectory()
  const { trees, qemus, machine } = config
  const emulators = qemus.includes(machine.qemu) ? qemus : [machine.qemu, ...qemus]
  const findings = [
    { subject: 'configuration', text: config.file, works: true },
    {
      subject: 'processors',
      text: `${availableParallelism()}, ${gigabytes(totalmem())} of memory`,
      works: true,
    },
    await packages('required'),
    await find('compiler', compilerVersion),
    await find('ccache', ccache),
    ...(await Promise.all([
      ...trees.map((tree) => findTree(tree, config, { cache, signal })),
      ...emulators.map((qemu) => findQemu(qemu, config, { cache, signal })),
    ])),
    await find('accelerator', async () => {
      const { qemu: spec, accel } = machine
      const qemu = 'program' in spec ? spec.program : (await fetchedQemu(spec, cache))?.program
      if (!qemu) return `${accel}; whether kvm works is not known before QEMU ${spec.label} is fetched`
      const chosen = await chooseAccelerator({ wanted: accel, qemu, stateDir: cache, signal })
      return chosen.accel === 'kvm' ? `kvm: ${chosen.reason}` : chosen.reason
    }),
    await find('cache', () => cacheSize(cache, config)),
    await packages('useful'),
  ]
  const width = Math.max(...findings.map(({ subject }) => subject.length))
  for (const { subject, text, works, needed = true } of findings) {
    const [first, ...more] = text.split('\n')
    const state = works ? 'ok' : needed ? 'MISSING' : 'absent'
    process.stdout.write(`${state.padEnd(7)} ${subject.padEnd(width)}  ${first}\n`)
    for (const line of more) process.stdout.write(`${' '.repeat(width + 10)}${line}\n`)
  }
  return findings.every(({ works, needed = true }) => works || !needed) ? 0 : 3
}

async function find(subject: string, look: () => Promise<string>, needed = true): Promise<Finding> {
  try {
    return { subject, text: await look(), works: true }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { subject, text: describeFailure(error), works: false, needed }
  }
}

interface Place {
  cache: string
  signal: AbortSignal
}

function findTree(tree: TreeSpec, config: Config, { cache, signal }: Place): Promise<Finding> {
  const look = async () => {
    if (!('debian' in tree)) return treeName(await checkSource(tree, `the tree ${tree.label}`))
    const version = fetchedTree(tree, cache)
    return version
      ? `${sourceName(tree)} ${version}`
      : canBeFetched(tree, `--tree ${tree.label}`, { cache, signal })
  }
  return find(`tree ${tree.label}`, look, tree === config.tree)
}

function findQemu(qemu: QemuSpec, config: Config, { cache, signal }: Place): Promise<Finding> {
  const look = async () => {
    if ('program' in qemu) {
      return `${qemu.program} ${await qemuVersion({ qemu: qemu.program, stateDir: cache })}`
    }
    const fetched = await fetchedQemu(qemu, cache)
    return fetched
      ? `${sourceName(qemu)} ${fetched.version}`
      : canBeFetched(qemu, `--qemu ${qemu.label}`, { cache, signal })
  }
  return find(`QEMU ${qemu.label}`, look, qemu === config.machine.qemu)
}

async function canBeFetched(source: DebianSource, option: string, { cache, signal }: Place): Promise<string> {
  const o = { directory: cache, aptState: join(cache, 'apt'), step: 'look', signal }
  return `${sourceName(source)} ${await availableVersion(source, o)}, fetched by the first run with ${option}`
}

/** The required packages stop a run when they are missing; the useful ones only make `copylab shell` richer. */
async function packages(kind: 'required' | 'useful'): Promise<Finding> {
  const subject = `${kind} packages`
  const file = new URL('../packages.json', import.meta.url)
  const wanted: Record<string, string> = JSON.parse(readFileSync(file, 'utf8'))[kind]
  const states = await Promise.all(
    Object.keys(wanted).map(async (name) => ({ name, there: await installed(name) })),
  )
  const missing = states.filter(({ there }) => !there).map(({ name }) => name)
  if (missing.length === 0) return { subject, text: Object.keys(wanted).join(' '), works: true }
  const isRoot = process.getuid?.() === 0
  const hasSudo = !isRoot && (await findProgram('sudo')) !== undefined
  // The lists may never have been read, as in an image for containers.
  const command = ['apt-get update', `apt-get install --no-install-recommends ${missing.join(' ')}`]
    .map((step) => (hasSudo ? `sudo ${step}` : step))
    .join(' && ')
  const how = isRoot || hasSudo ? '' : ', as root'
  const text = [
    kind === 'required'
      ? `copylab run installs them as root or through sudo -n; by hand${how}:`
      : `not there, for copylab shell; to install them${how}:`,
    `  ${command}`,
    ...missing.map((name) => `  ${name}: ${wanted[name]}`),
  ]
  return { subject, text: text.join('\n'), works: false, needed: kind === 'required' }
}

async function installed(name: string): Promise<boolean> {
  return execute('dpkg-query', ['--show', '--showformat', '$' + '{db:Status-Status}', name]).then(
    ({ stdout }) => stdout === 'installed',
    () => false,
  )
}

async function ccache(): Promise<string> {
  return execute('ccache', ['--version']).then(
    ({ stdout }) => stdout.split('\n', 1)[0] ?? '',
    () => 'not there: kernels are built without it',
  )
}

async function cacheSize(cache: string, config: Config): Promise<string> {
  const { stdout } = await execute('du', ['--summarize', '--block-size=1', cache]).catch((error) => error)
  const used = Number.parseInt(stdout, 10)
  const { bavail, bsize } = await statfs(cache)
  const free = bavail * bsize
  const text = `${cache}: ${gigabytes(used)} used, ${gigabytes(free)} left on its disk; it may be deleted at any time`
  if (used + free >= firstRunBytes) return text
  throw new Failure('infra', text, {
    remedy: `a first run for ${config.tree.label} takes ${gigabytes(firstRunBytes)}; set XDG_CACHE_HOME to a larger disk`,
  })
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}
