/** What the cache holds, how much room it takes and when it was last used. */
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { isLeftover } from './directory.ts'
import { buildLockFile, kernelLock, lastLocked, useLock } from './lock.ts'

/** `other` is small, or shared by all that runs, and is never evicted. */
export type Kind = 'kernel' | 'tree' | 'build' | 'leftover' | 'other'

export interface Entry {
  kind: Kind
  /** Its name in the directory of its kind. */
  name: string
  /** All that goes when it is evicted. What tells a tree's identity is small and stays. */
  paths: string[]
  /** On the disk. */
  bytes: number
  /** In ms since 1970. */
  usedAt: number
  /** Whoever has all of these alone may evict it. */
  locks: string[]
  /** Why it is kept whatever happens; undefined: it may be evicted. */
  kept: string | undefined
  /** For people: the release of a kernel, the version of a tree. */
  detail: string
}

type Found = Omit<Entry, 'bytes' | 'usedAt'>

/** A process that was killed may have children that still write; nothing that takes as long as this is left to do. */
const leftoverAgeMs = 3600_000

/**
 * Lists the cache.
 * @param cache copylab's cache directory
 */
export async function listCache(cache: string): Promise<Entry[]> {
  const found = (
    await Promise.all([
      kernels(cache),
      trees(cache),
      ...builtIn.map((kind) => builds(cache, kind)),
      others(cache),
    ])
  ).flat()
  const bytes = await sizes(found.flatMap(({ paths }) => paths))
  return Promise.all(
    found.map(async (entry) => ({
      ...entry,
      bytes: entry.paths.reduce((sum, path) => sum + (bytes.get(path) ?? 0), 0),
      usedAt: await lastUsed(entry),
    })),
  )
}

async function kernels(cache: string): Promise<Found[]> {
  const names = await namesIn(cache, 'kernels')
  return Promise.all(
    names.map(async (name): Promise<Found> => {
      const path = join(cache, 'kernels', name)
      if (isLeftover(path)) return leftover(path, [])
      const meta = await readJson(join(path, 'meta.json'))
      const series = meta.seriesHash ? `series ${String(meta.seriesHash).slice(0, 12)}` : 'no series'
      const detail = meta.release ? `${meta.release}, ${series}` : 'not whole'
      const kept = /\.new-\d+-/.test(name) ? 'being made' : undefined
      return { kind: 'kernel', name, paths: [path], locks: [useLock(kernelLock(name))], kept, detail }
    }),
  )
}

async function trees(cache: string): Promise<Found[]> {
  const names = await namesIn(cache, 'trees')
  const all = names.map(async (name): Promise<Found[]> => {
    const directory = join(cache, 'trees', name)
    const lock = `tree-${name}`
    const locks = [lock, useLock(lock)]
    const inside = (await readdir(directory)).map((one) => join(directory, one))
    const paths = ['source', 'package'].map((one) => join(directory, one)).filter((path) => existsSync(path))
    const left = inside.filter(isLeftover).map((path) => leftover(path, locks))
    if (paths.length === 0) return left
    const { version } = await readJson(join(directory, 'ready.json'))
    const detail = version ? String(version) : ''
    const kept = (await hasWorktrees(directory)) ? 'has worktrees of yours' : undefined
    return [{ kind: 'tree', name, paths, locks, kept, detail }, ...left]
  })
  return (await Promise.all(all)).flat()
}

/** People work on a series in worktrees of a cached tree: without its objects their commits would be lost. */
export async function hasWorktrees(treeDirectory: string): Promise<boolean> {
  const directory = join(treeDirectory, 'source', '.git', 'worktrees')
  const links = await readdir(directory).catch(() => [])
  const places = links.map((name) => readFile(join(directory, name, 'gitdir'), 'utf8').catch(() => ''))
  // One that was removed by hand stays on git's list.
  return (await Promise.all(places)).some((place) => existsSync(place.trim()))
}

/** Where builds leave their objects: those of kernels, and those of check-series. */
const builtIn = ['build', 'check']

async function builds(cache: string, place: string): Promise<Found[]> {
  const names = await namesIn(cache, place)
  const allTrees = (await namesIn(cache, 'trees')).map((name) => `tree-${name}`)
  return Promise.all(
    names.map(async (name): Promise<Found> => {
      const path = join(cache, place, name)
      if (isLeftover(path)) return leftover(path, [])
      // An older copylab did not write down whose it is.
      const lock = await readFile(join(path, buildLockFile), 'utf8').catch(() => undefined)
      const locks = lock === undefined ? allTrees : [lock]
      return { kind: 'build', name, paths: [path], locks, kept: undefined, detail: '' }
    }),
  )
}

function leftover(path: string, locks: string[]): Found {
  return {
    ...{ kind: 'leftover', name: path.split('/').slice(-2).join('/'), paths: [path], locks },
    ...{ kept: undefined, detail: 'of a process that was killed' },
  }
}

async function others(cache: string): Promise<Found[]> {
  const names = (await readdir(cache)).filter((name) => !['kernels', 'trees', ...builtIn].includes(name))
  return names.map((name): Found => {
    const path = join(cache, name)
    if (isLeftover(path)) return leftover(path, [])
    const paths = [path]
    return { kind: 'other', name, paths, locks: [], kept: 'small, or shared by all runs', detail: '' }
  })
}

async function namesIn(cache: string, kind: string): Promise<string[]> {
  return readdir(join(cache, kind)).catch(() => [])
}

async function readJson(file: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return {}
  }
}

/** Bytes on the disk; what vanishes meanwhile has none. */
async function sizes(paths: string[]): Promise<Map<string, number>> {
  if (paths.length === 0) return new Map()
  const input = paths.map((path) => `${path}\0`).join('')
  const { stdout } = await execa('du', ['--summarize', '--block-size=1', '--null', '--files0-from=-'], {
    ...{ input, reject: false, maxBuffer: 64 << 20 },
  })
  return new Map(
    stdout.split('\0').flatMap((line): [string, number][] => {
      const [, bytes, path] = /^(\d+)\t(.*)$/s.exec(line) ?? []
      return path === undefined ? [] : [[path, Number(bytes)]]
    }),
  )
}

/** Its locks say when it was used; where there are none yet, its own time says when it was made. */
async function lastUsed({ kind, paths, locks }: Found): Promise<number> {
  const times = await Promise.all([
    ...(kind === 'build' ? [] : locks.map(lastLocked)),
    ...paths.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  ])
  return Math.max(...times.map((time) => time ?? 0))
}

/** Whether a leftover is so old that nothing of its process can be at work. */
export function isOld({ usedAt }: Entry, now: number): boolean {
  return now - usedAt > leftoverAgeMs
}
