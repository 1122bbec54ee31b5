import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { applySeries } from '../../../../harness/series/apply.ts'
import { loadSeries, type Series } from '../../../../harness/series/load.ts'
import { git, gitEnvironment } from '../../../../harness/tree/git.ts'
import type { Tree } from '../../../../harness/tree/provide.ts'
import { toyPatch, toyTree } from '../tree/toy-tree.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
let tree: Tree
const inTree = (name: string) => join(tree.git, name)
const lines = Array.from({ length: 20 }, (_, index) => `line ${index}`)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-apply-'))
  // As in the kernel's own .gitignore, everything at the top is ignored.
  tree = await toyTree(directory, {
    'block/bio.c': lines.join('\n'),
    'block/old.c': 'old\n'.repeat(9),
    '.gitignore': '/*\n',
  })
})
afterEach(() => rm(directory, { recursive: true }))

async function seriesOf(name: string, ...patches: string[]): Promise<Series> {
  const path = join(directory, name)
  await mkdir(path)
  for (const [index, text] of patches.entries()) await writeFile(join(path, `${index}.patch`), text)
  await writeFile(join(path, 'series'), patches.map((_, index) => `${index}.patch\n`).join(''))
  return loadSeries(path, tree.label)
}

const change = (line: number, text: string) =>
  toyPatch(tree, `change line ${line}`, async () => {
    await writeFile(
      inTree('block/bio.c'),
      lines.map((old, index) => (index === line ? text : old)).join('\n'),
    )
  })

const addAndRename = () =>
  toyPatch(tree, 'add and rename', async () => {
    await writeFile(inTree('copy.c'), 'new\n')
    await rename(inTree('block/old.c'), inTree('block/new.c'))
  })

test('patches apply in order, with files added and renamed, and commits are the same every time', async () => {
  const series = await seriesOf(
    'a',
    await change(3, 'three'),
    await change(12, 'twelve'),
    await addAndRename(),
  )
  const commit = await applySeries(tree, series)
  expect(await readFile(inTree('block/bio.c'), 'utf8')).toMatch(/three[\s\S]*twelve/)
  expect(await readFile(inTree('copy.c'), 'utf8')).toBe('new\n')
  expect(await git(tree.git, ['log', '--format=%s', `${tree.base}..`])).toBe(
    'add and rename\nchange line 12\nchange line 3',
  )
  await applySeries(tree, null)
  await git(tree.git, ['update-ref', '-d', `refs/copylab/series/${tree.base}/${series.hash}`])
  expect(await applySeries(tree, series)).toBe(commit)
})

test('a series that was applied once is cut off by a checkout', async () => {
  const series = await seriesOf(
    'a',
    await change(3, 'three'),
    await addAndRename(),
    await change(12, 'twelve'),
  )
  await applySeries(tree, series)
  const before = await stat(inTree('copy.c'), { bigint: true })
  const cut = await loadSeries(series.specs, tree.label, { applied: 2 })
  await rm(join(directory, 'a'), { recursive: true })
  await applySeries(tree, cut)
  expect(await readFile(inTree('block/bio.c'), 'utf8')).not.toContain('twelve')
  expect((await stat(inTree('copy.c'), { bigint: true })).mtimeNs).toBe(before.mtimeNs)
})

test('going back to a series touches only the files that differ', async () => {
  const one = await seriesOf('a', await change(3, 'three'))
  const two = await seriesOf('b', await change(3, 'drei'), await addAndRename())
  const first = await applySeries(tree, one)
  const before = await stat(inTree('.gitignore'), { bigint: true })
  await applySeries(tree, two)
  const added = await stat(inTree('copy.c'))
  expect(added.size).toBe(4)
  await rm(join(directory, 'a'), { recursive: true })
  expect(await applySeries(tree, one)).toBe(first)
  expect(await readFile(inTree('block/bio.c'), 'utf8')).toContain('three')
  await expect(stat(inTree('copy.c'))).rejects.toThrow('ENOENT')
  expect((await stat(inTree('.gitignore'), { bigint: true })).mtimeNs).toBe(before.mtimeNs)
})

test('a base that drifted elsewhere in the file is merged', async () => {
  const patch = await change(3, 'three')
  await writeFile(
    inTree('block/bio.c'),
    ['inserted', ...lines.slice(0, 5), 'changed', ...lines.slice(6)].join('\n'),
  )
  await git(tree.git, ['commit', '--quiet', '--all', '--message=drift'])
  const drifted = { ...tree, base: await git(tree.git, ['rev-parse', 'HEAD']) }
  await applySeries(drifted, await seriesOf('a', patch))
  expect(await readFile(inTree('block/bio.c'), 'utf8')).toMatch(/^inserted\n[\s\S]*three[\s\S]*changed/)
})

test("a patch that does not apply is named, with git's words, and the tree is left clean", async () => {
  const good = await change(3, 'three')
  const bad = await change(3, 'drei')
  const series = await seriesOf('a', good, await addAndRename(), bad)
  const error = await applySeries(tree, series).catch((failure) => failure)
  expect(error.kind).toBe('usage')
  // The command, carried out, stops at the same patch.
  const place = join(directory, 'rebase')
  const command = error.command.replaceAll(join(process.cwd(), 'rebase'), place)
  const again = await execa('sh', ['-c', command], { env: gitEnvironment(), reject: false })
  expect(again.stdout).toMatch(/Applying: change line 3\nApplying: add and rename\nApplying: change line 3\n/)
  expect(again.exitCode).not.toBe(0)
  expect(error.message).toContain(
    `${join(directory, 'a/2.patch')} (3 of 3) does not apply to 6.12 (6.12.1-1)`,
  )
  expect(error.message).toContain('git: CONFLICT (content): Merge conflict in block/bio.c')
  expect(await git(tree.git, ['status', '--porcelain', '--ignored'])).toBe('')
  expect(await git(tree.git, ['rev-parse', 'HEAD'])).toBe(tree.base)
  // And the next series is not disturbed by it.
  await applySeries(tree, await seriesOf('b', good))
  expect(await readFile(inTree('block/bio.c'), 'utf8')).toContain('three')
})

test('what a killed git left is cleared away', async () => {
  const series = await seriesOf('a', await change(3, 'three'))
  await writeFile(inTree('.git/index.lock'), '')
  await mkdir(inTree('.git/rebase-apply'))
  await writeFile(inTree('half-written.c'), 'never committed')
  await writeFile(inTree('block/bio.c'), 'half')
  await applySeries(tree, series)
  expect(await readFile(inTree('block/bio.c'), 'utf8')).toContain('three')
  expect(await git(tree.git, ['status', '--porcelain', '--ignored'])).toBe('')
})

test('an aborted signal stops it, and the series applies the next time', async () => {
  const series = await seriesOf('a', await change(3, 'three'))
  const signal = AbortSignal.abort(new Error('interrupted'))
  await expect(applySeries(tree, series, { signal })).rejects.toThrow('interrupted')
  await applySeries(tree, series)
  expect(await readFile(inTree('block/bio.c'), 'utf8')).toContain('three')
})
