import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { listCache } from '../../../../harness/cache/inventory.ts'
import { buildLockFile, keepInUse, kernelLock, withLock } from '../../../../harness/cache/lock.ts'
import { cacheLimit, keepWithinLimit, pruneCache, setCacheLimit } from '../../../../harness/cache/prune.ts'
import type { Event } from '../../../../harness/events.ts'
import { keyOf, otherHolder, setAge, toyKernel } from './toy-cache.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 })

let directory: string
let cache: string
const children: ChildProcess[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-prune-'))
  cache = join(directory, 'copylab')
  vi.stubEnv('XDG_CACHE_HOME', directory)
  await mkdir(cache)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(directory, { recursive: true })
})

const [a, b, c] = [keyOf('a'), keyOf('b'), keyOf('c')]
const names = (entries: readonly { name: string }[]) => entries.map(({ name }) => name)
const there = () => readdir(join(cache, 'kernels')).then((all) => all.sort())

/** A tree with a source and a package, used so many hours ago. */
async function toyTreePlace(name: string, hours: number): Promise<string> {
  const place = join(cache, 'trees', name)
  for (const part of ['source', 'package']) {
    await mkdir(join(place, part), { recursive: true })
    await writeFile(join(place, part, 'big'), Buffer.alloc(1_000_000))
    await setAge(join(place, part), hours)
  }
  await writeFile(join(place, 'ready.json'), JSON.stringify({ id: 'i', version: '6.12.9-1', base: 'b' }))
  return place
}

test('what was used longest ago goes first, and only as much as must', async () => {
  await toyKernel(cache, a, 1)
  await toyKernel(cache, b, 3)
  await toyKernel(cache, c, 2)
  const { evicted, bytes } = await pruneCache(cache, { maxBytes: 1.5e6 })
  expect(names(evicted)).toEqual([b, c])
  expect(bytes).toBeLessThan(1.5e6)
  expect(await there()).toEqual([a])
})

test('use counts, not age', async () => {
  await toyKernel(cache, a, 3)
  await toyKernel(cache, b, 2)
  const other = await otherHolder(cache, `use-${kernelLock(a)}`, '--shared')
  other.kill('SIGKILL')
  await vi.waitFor(() => expect(other.signalCode).toBe('SIGKILL'))
  expect(names((await pruneCache(cache, { maxBytes: 1.5e6 })).evicted)).toEqual([b])
})

test('a dry run tells the same and takes nothing', async () => {
  await toyKernel(cache, a, 1)
  await toyKernel(cache, b, 2)
  expect(names((await pruneCache(cache, { maxBytes: 1.5e6, dryRun: true })).evicted)).toEqual([b])
  expect(await there()).toEqual([a, b])
})

test('what another process uses stays, and goes when that was killed', async () => {
  await toyKernel(cache, a, 1)
  const lock = `use-${kernelLock(a)}`
  children.push(await otherHolder(cache, lock, '--shared'))
  const pruned = await pruneCache(cache, { maxBytes: 0 })
  expect([names(pruned.evicted), names(pruned.inUse)]).toEqual([[], [a]])
  expect(await there()).toEqual([a])
  children.pop()?.kill('SIGKILL')
  await vi.waitFor(
    async () => expect(names((await pruneCache(cache, { maxBytes: 0 })).evicted)).toEqual([a]),
    20_000,
  )
  expect(await there()).toEqual([])
})

test('what this process uses stays, too, and more than one may use it', async () => {
  await toyKernel(cache, a, 1)
  children.push(await otherHolder(cache, `use-${kernelLock(a)}`, '--shared'))
  await Promise.all([keepInUse(kernelLock(a)), keepInUse(kernelLock(a))])
  children.pop()?.kill('SIGKILL')
  expect(names((await pruneCache(cache, { maxBytes: 0 })).inUse)).toEqual([a])
})

test('a tree goes with its package, and its identity stays', async () => {
  const place = await toyTreePlace('linux-source-6.12', 2)
  expect(names((await pruneCache(cache, { maxBytes: 1e6 })).evicted)).toEqual(['linux-source-6.12'])
  expect(await readdir(place)).toEqual(['ready.json'])
  expect((await listCache(cache)).filter(({ kind }) => kind === 'tree')).toEqual([])
})

test('a tree in which somebody builds stays, with the directory that is built in', async () => {
  await toyTreePlace('t', 2)
  for (const build of [join(cache, 'build/x'), join(cache, 'check/y')]) {
    await mkdir(build, { recursive: true })
    await writeFile(join(build, buildLockFile), 'tree-t')
  }
  await withLock('tree-t', async () => {
    expect(names((await pruneCache(cache, { maxBytes: 0 })).inUse).sort()).toEqual(['t', 'x', 'y'])
  })
  expect(names((await pruneCache(cache, { maxBytes: 0 })).evicted).sort()).toEqual(['t', 'x', 'y'])
})

test("a tree with worktrees of the user's stays", async () => {
  const place = await toyTreePlace('t', 2)
  const [list, mine] = [join(place, 'source/.git/worktrees/mine'), join(directory, 'mine')]
  for (const path of [list, mine]) await mkdir(path, { recursive: true })
  await writeFile(join(mine, '.git'), `gitdir: ${list}\n`)
  await writeFile(join(list, 'gitdir'), `${join(mine, '.git')}\n`)
  const { evicted, inUse } = await pruneCache(cache, { maxBytes: 0 })
  expect([evicted, inUse]).toEqual([[], []])
  expect((await listCache(cache)).find(({ name }) => name === 't')?.kept).toContain('worktrees')
  await rm(mine, { recursive: true })
  expect(names((await pruneCache(cache, { maxBytes: 0 })).evicted)).toEqual(['t'])
})

test('what killed processes left goes, whatever the limit; what a living one makes stays', async () => {
  const [dead, young, own] = [`${a}.new-999999999-x`, `${b}.new-999999998-x`, `${c}.new-${process.ppid}-x`]
  for (const name of [dead, young, own]) {
    await mkdir(join(cache, 'kernels', name), { recursive: true })
    await setAge(join(cache, 'kernels', name), name === young ? 0 : 2)
  }
  await pruneCache(cache, { maxBytes: 1e12 })
  expect(await there()).toEqual([young, own])
})

test('two at once take each thing once', async () => {
  const keys = ['0', '1', '2', '3', '4', '5'].map(keyOf)
  for (const key of keys) await toyKernel(cache, key, 1, 10_000)
  const both = await Promise.all([pruneCache(cache, { maxBytes: 0 }), pruneCache(cache, { maxBytes: 0 })])
  expect(await there()).toEqual([])
  expect(new Set(both.flatMap(({ evicted }) => names(evicted)))).toEqual(new Set(keys))
})

test('the limit is kept by whoever puts something in, and says what went', async () => {
  await toyKernel(cache, a, 1)
  await toyKernel(cache, b, 2)
  const notes: Event[] = []
  await keepWithinLimit(cache, { emit: (event) => notes.push(event) })
  expect(await there()).toEqual([a, b])
  await setCacheLimit(cache, 1.5e6)
  await keepWithinLimit(cache, { emit: (event) => notes.push(event) })
  expect(await there()).toEqual([a])
  expect(notes).toEqual([{ type: 'note', message: expect.stringContaining(`kernel ${b}`) }])
  await setCacheLimit(cache, undefined)
  expect(await cacheLimit(cache)).toBeUndefined()
})

const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0

test.skipIf(!canMount)('a cache that cannot be written to is used as it is', () => {
  const program = `
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
    register()
    const { keepInUse } = await import(${JSON.stringify(new URL('../../../../harness/cache/lock.ts', import.meta.url).href)})
    await keepInUse('kernel-x')
    console.log('used')`
  const mounted = `mount --bind -o ro ${cache} ${cache} && exec "$@"`
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', mounted, 'sh', process.execPath, '--input-type=module', '--eval', program],
    { encoding: 'utf8' },
  )
  expect([stdout, stderr]).toEqual(['used\n', ''])
})
