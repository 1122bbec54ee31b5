import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { applySeries } from '../../../../harness/series/apply.ts'
import { loadSeries } from '../../../../harness/series/load.ts'
import { git } from '../../../../harness/tree/git.ts'
import type { Tree } from '../../../../harness/tree/provide.ts'
import { toyPatch, toyTree } from '../tree/toy-tree.ts'
import { diffOf, mail } from './mails.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
let tree: Tree
const at = (name: string) => join(directory, name)
const inTree = (name: string) => join(tree.git, name)
const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`)
const files = { 'dir/a.c': lines.join('\n'), 'b.c': 'b\n' }

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-refusal-'))
  vi.stubEnv('XDG_CACHE_HOME', at('cache'))
  // The series is made for this one, which the cache then has as 6.15.
  tree = await toyTree(directory, files)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

/** Changes lines 2 and 20 of a.c, then b.c. */
async function seriesFile() {
  const first = await toyPatch(tree, 'one', async () => {
    const text = files['dir/a.c'].replace('line 2\n', 'two\n').replace('line 20\n', 'twenty\n')
    await writeFile(inTree('dir/a.c'), text)
    await writeFile(inTree('new.c'), 'new\n')
  })
  const second = await toyPatch(tree, 'two', () => writeFile(inTree('b.c'), 'c\n'))
  await writeFile(
    at('copy.mbox'),
    second.replace('[PATCH]', '[PATCH 1/2]') + first.replace('[PATCH]', '[PATCH 2/2]'),
  )
}

/** Moves the tree to where the cache keeps the tree `label`. */
async function keepTree(label: string) {
  const place = at(`cache/copylab/trees/linux-source-${label}`)
  await mkdir(place, { recursive: true })
  await rename(tree.git, join(place, 'source'))
  const ready = { id: tree.id, version: `${label}.1-1`, base: tree.base }
  await writeFile(join(place, 'ready.json'), JSON.stringify(ready))
}

const trees = ['6.12', '6.15', '7.3', '6.1'].map((label) => ({ label, debian: `linux-source-${label}` }))

async function failure(file = 'copy.mbox') {
  const refusal = { rejects: at('results/rejects'), trees }
  const series = await loadSeries(at(file), '6.12', { refusal })
  return applySeries(tree, series).catch((error) => error)
}

test('names patch, file and hunk, keeps what was rejected, and finds the tree on which it does apply', async () => {
  await seriesFile()
  await keepTree('6.15')
  tree = await toyTree(directory, { 'b.c': 'no b\n' })
  await keepTree('7.3')
  tree = await toyTree(directory, { ...files, 'dir/a.c': files['dir/a.c'].replace('line 19', 'nineteen') })
  const error = await failure()
  expect(error).toMatchObject({ name: 'Failure', kind: 'usage', log: at('results/rejects/copy-on-6.12') })
  expect(error.message).toMatch(/0002-one\.patch \(2 of 2\) does not apply to 6\.12 \(6\.12\.1-1\)\n/)
  expect(error.message).toContain('  dir/a.c: hunk 2 of 2 does not apply: @@ -18,7 +18,7 @@ line 16\n')
  expect(error.message).toContain('  git: error: patch failed: dir/a.c:18\n')
  expect(error.message).toMatch(
    / {2}it applies to 6\.15 \(6\.15\.1-1\)\n {2}on 7\.3 \(7\.3\.1-1\) it stops at patch 1 of 2$/,
  )
  expect(error.remedy).toMatch(/^--tree 6\.15, to which it applies, or rebase the series/)
  const kept = await readdir(at('results/rejects/copy-on-6.12'), { recursive: true })
  expect(kept.sort()).toEqual(['0002-one.patch', 'dir', 'dir/a.c.rej'])
  const rejected = await readFile(at('results/rejects/copy-on-6.12/dir/a.c.rej'), 'utf8')
  expect(rejected).toContain('-line 20\n+twenty\n')
  expect(rejected).not.toContain('two')
  // The tree is as it was, and so is the one that was tried.
  for (const path of [tree.git, at('cache/copylab/trees/linux-source-6.15/source')])
    expect(await git(path, ['status', '--porcelain', '--ignored'])).toBe('')
})

test('says that a file is not there, and what base the series was made on', async () => {
  const base = `base-commit: ${'ab'.repeat(20)}\nprerequisite-patch-id: ${'0'.repeat(40)}\n`
  await writeFile(
    at('copy.mbox'),
    mail('[PATCH 0/1] c', { body: base }) + mail('[PATCH 1/1] a', { body: `---\n${diffOf('gone/away.c')}` }),
  )
  const { message, remedy } = await failure()
  expect(message).toContain('\n  gone/away.c: the tree has no such file\n')
  expect(message).toContain('made on commit abababababab and 1 other patch that must come before it')
  expect(remedy).toMatch(/^rebase the series/)
})

test('says that a file is there already', async () => {
  await seriesFile()
  await writeFile(inTree('new.c'), 'other\n')
  await git(tree.git, ['add', '.'])
  await git(tree.git, ['commit', '--quiet', '--message=new'])
  tree = { ...tree, base: await git(tree.git, ['rev-parse', 'HEAD']) }
  expect((await failure()).message).toContain('new.c: the tree has that file already')
})
