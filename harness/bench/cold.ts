/** What a cold copylab build costs beyond make itself. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { cacheDirectory } from '../cache/directory.ts'
import { checkRoom } from '../cache/room.ts'
import type { Config } from '../config/load.ts'
import type { Emit } from '../events.ts'
import { imageOf } from '../kernel/build.ts'
import { runMake } from '../kernel/make.ts'
import { type Kernel, provideKernel } from '../kernel/provide.ts'
import { buildEnvironment } from '../kernel/toolchain.ts'
import { configuredSeries, type Series } from '../series/load.ts'
import { provideTree, type Tree } from '../tree/provide.ts'
import { runChild } from './child.ts'
import { type Figure, figure, quotients } from './figures.ts'

/** Begins the names of the directories in the cache that hold another, empty one. */
const prefix = 'bench-'

/** Bytes for a tree, its git objects and two build directories, rounded up. */
const roomNeeded = 6e9

export interface ColdOptions {
  config: Config
  /** argv of `copylab build` with the options that made `config`. */
  build: readonly string[]
  cwd: string
  rounds: number
  /** Descriptor of the lock for benches, which make keeps hold of. */
  lock: number
  signal: AbortSignal
  emit: Emit
}

export interface Cold {
  figures: Figure[]
  tree: Tree
  series: Series | null
  kernel: Kernel
}

/**
 * In turn, without ccache: `copylab build` with an empty cache of its own, packages of the archive and all; then
 * make alone, of the same source with the same .config in another directory.
 */
export async function measureCold(options: ColdOptions): Promise<Cold> {
  await removeLeftovers(options)
  const rounds = []
  for (let round = 0; round < options.rounds; round++) rounds.push(await coldRound(options))
  const last = rounds.at(-1)
  if (!last) throw new Error('a bench of no rounds')
  return { ...last, figures: coldFigures(rounds) }
}

/** @param rounds milliseconds */
export function coldFigures(rounds: readonly { copylabMs: number; makeMs: number }[]): Figure[] {
  const [copylab, make] = [rounds.map(({ copylabMs }) => copylabMs), rounds.map(({ makeMs }) => makeMs)]
  const beyond = rounds.map(({ copylabMs, makeMs }) => copylabMs - 1.15 * makeMs)
  const overhead = rounds.map(({ copylabMs, makeMs }) => copylabMs - makeMs)
  return [
    figure('cold.copylab', 'cold copylab build, from an empty cache', 'ms', copylab),
    figure('cold.make', 'make alone, same source and .config', 'ms', make),
    figure('cold.ratio', 'cold: copylab ÷ make', 'ratio', quotients(copylab, make)),
    figure('cold.overhead', 'cold: copylab − make', 'ms', overhead),
    figure('cold.beyond', 'cold: copylab − 1.15 × make', 'ms', beyond, 60_000),
  ]
}

/** What benches that were killed left in the cache, some GB each. No other one runs: we have the lock. */
async function removeLeftovers({ signal, emit }: ColdOptions): Promise<void> {
  const cache = cacheDirectory()
  for (const name of await readdir(cache)) {
    if (!name.startsWith(prefix)) continue
    signal.throwIfAborted()
    const left = join(cache, name)
    emit({ type: 'note', message: `bench: removing ${left}, which another one left` })
    await rm(left, { recursive: true, force: true })
  }
}

async function coldRound(options: ColdOptions) {
  const { config, build, cwd, signal, emit } = options
  // On the disk of the real cache, which a temporary directory in memory would flatter.
  const directory = await mkdtemp(join(cacheDirectory(), prefix))
  try {
    await checkRoom(directory, roomNeeded, 'a cold build beside the cache takes')
    const noCcache = { CCACHE_DISABLE: '1' }
    emit({ type: 'note', message: 'bench: copylab build, with an empty cache' })
    const environment = { ...process.env, ...noCcache, XDG_CACHE_HOME: directory, TMPDIR: directory }
    const log = join(directory, 'build.out')
    const cold = await runChild(build, { cwd, environment, log, showErrors: true, signal })
    if (cold.status !== 0) throw cold.child.failure(`a cold copylab build ended with status ${cold.status}`)

    const cache = join(directory, 'copylab')
    const [tree, series] = await Promise.all([
      provideTree(config.tree, { cache, signal, emit }),
      configuredSeries(config),
    ])
    const kernel = await provideKernel({ tree, series, fragments: config.kconfig, cache, signal, emit })
    const image = (await readFile(log, 'utf8')).trim()
    if (kernel.built || kernel.image !== image)
      throw new Error(`the cold build made ${image}, and not ${kernel.image}`)

    const bare = join(directory, 'bare')
    await mkdir(bare)
    await copyFile(join(dirname(image), 'config'), join(bare, '.config'))
    const makeMs = await bareMake(tree.git, bare, { ...buildEnvironment(directory), ...noCcache }, options)
    return { copylabMs: cold.ms, makeMs, tree, series, kernel }
  } finally {
    emit({ type: 'note', message: `bench: removing ${directory}` })
    await rm(directory, { recursive: true, force: true })
  }
}

/** @returns milliseconds */
async function bareMake(
  source: string,
  directory: string,
  environment: NodeJS.ProcessEnv,
  { lock, signal, emit }: ColdOptions,
): Promise<number> {
  const jobs = availableParallelism()
  const { target } = imageOf(await readFile(join(directory, '.config'), 'utf8'))
  const args = ['-C', source, `O=${directory}`, `-j${jobs}`, target]
  emit({ type: 'step-started', step: 'make', detail: `${target} with make -j${jobs} alone` })
  const started = performance.now()
  await runMake({ args, environment, log: join(directory, 'make.log'), lock, signal })
  const ms = performance.now() - started
  emit({ type: 'step-finished', step: 'make', cached: false, ms })
  return ms
}
