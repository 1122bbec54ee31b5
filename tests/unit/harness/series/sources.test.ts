import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { applySeries } from '../../../../harness/series/apply.ts'
import { patchFileName } from '../../../../harness/series/keep.ts'
import { loadSeries } from '../../../../harness/series/load.ts'
import { absoluteSeries } from '../../../../harness/series/source.ts'
import { git } from '../../../../harness/tree/git.ts'
import type { Tree } from '../../../../harness/tree/provide.ts'
import { toyPatch, toyTree } from '../tree/toy-tree.ts'
import { diffOf, mail, quotedPrintable } from './mails.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
let tree: Tree
const at = (name: string) => join(directory, name)
const inTree = (name: string) => join(tree.git, name)
const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-sources-'))
  vi.stubEnv('XDG_CACHE_HOME', at('cache'))
  tree = await toyTree(directory, { 'a.c': lines.join('\n'), x: 'a\ncontext\n' })
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const change = (line: number, text: string) =>
  toyPatch(tree, `change line ${line}`, () => writeChanged(inTree('a.c'), line, text))

async function writeChanged(file: string, line: number, text: string) {
  const old = (await readFile(file, 'utf8')).split('\n')
  await writeFile(file, old.map((one, index) => (index === line ? text : one)).join('\n'))
}

/** What a repository of the user's has: the tree, and two commits on it in a branch. */
async function repository() {
  const path = at('linux')
  await git(directory, ['clone', '--quiet', tree.git, path])
  await git(path, ['checkout', '--quiet', '-b', 'topic'])
  for (const [line, text] of [
    [3, 'three'],
    [12, 'twelve'],
  ] as const) {
    await writeChanged(join(path, 'a.c'), line, text)
    await git(path, ['commit', '--quiet', '--all', `--message=change line ${line}`])
  }
  return path
}

test('a mailbox applies: encoded, out of order, with an answer in between', async () => {
  const grün = quotedPrintable(`Grün.\n---\n${diffOf('x', 'b', 'grün')}`)
  const header = ['Content-Type: text/plain; charset=UTF-8', 'Content-Transfer-Encoding: quoted-printable']
  const text = [
    mail('[PATCH v2 2/2] =?UTF-8?q?gr=C3=BCn?=', { header, body: grün }),
    mail('Re: [PATCH v2 1/2] b', { body: diffOf('x', 'a', 'evil') }),
    mail('[PATCH v2 1/2] b'),
  ]
  await writeFile(at('copy.mbox.gz'), gzipSync(text.join('')))
  const series = await loadSeries(at('copy.mbox.gz'), '6.12')
  expect(series).toMatchObject({ name: 'copy v2', label: 'copy-v2', total: 2, profile: null })
  expect(series.patches.map(({ path }) => basename(path))).toEqual(['0001-b.patch', '0002-gr-n.patch'])
  await applySeries(tree, series)
  expect(await readFile(inTree('x'), 'utf8')).toBe('grün\ncontext\n')
  expect(await git(tree.git, ['log', '--format=%an %s %b', '-1'])).toBe('A U Thor grün Grün.\n')
  // The same mails are kept once.
  expect((await loadSeries(at('copy.mbox.gz'), '7.3')).patches).toEqual(series.patches)
  expect(await readdir(at('cache/copylab/series'))).toHaveLength(1)
})

test('a folder of patches without a file series is read in the order of numbers, then of names', async () => {
  await mkdir(at('outgoing'))
  const [one, two] = [await change(3, 'three'), await change(12, 'twelve')]
  await writeFile(at('outgoing/10.patch'), two)
  await writeFile(at('outgoing/9.patch'), one)
  await writeFile(at('outgoing/README'), 'not a patch')
  const series = await loadSeries(at('outgoing'), '6.12')
  expect(series.patches.map(({ subject }) => subject)).toEqual(['change line 3', 'change line 12'])
  await writeFile(at('outgoing/9.patch'), one.replace('[PATCH]', '[PATCH 2/2]'))
  await writeFile(at('outgoing/10.patch'), two.replace('[PATCH]', '[PATCH 1/2]'))
  const numbered = await loadSeries(at('outgoing'), '6.12')
  expect(numbered.patches.map(({ subject }) => subject)).toEqual(['change line 12', 'change line 3'])
})

test('lines that end in CR LF are taken as LF, in a listed patch too', async () => {
  await mkdir(at('windows'))
  await writeFile(at('windows/a.patch'), (await change(3, 'three')).replaceAll('\n', '\r\n'))
  await writeFile(at('windows/series'), 'a.patch -p1\n')
  const notes: string[] = []
  const series = await loadSeries(at('windows'), '6.12')
  await applySeries(tree, series, { emit: (event) => event.type === 'note' && notes.push(event.message) })
  expect(await readFile(inTree('a.c'), 'utf8')).toContain('line 2\nthree\nline 4')
  expect(notes[0]).toMatch(/1 of 1 patches end in CR LF/)
  await writeFile(at('windows/series'), 'a.patch -p0\n')
  await expect(loadSeries(at('windows'), '6.12')).rejects.toThrow(
    'series:1: a.patch -p0: only patches for -p1',
  )
})

test('CRs that belong to a file are kept', async () => {
  await writeFile(inTree('dos'), 'a\r\nb\r\n')
  await git(tree.git, ['add', 'dos'])
  await git(tree.git, ['commit', '--quiet', '--message=dos'])
  tree = { ...tree, base: await git(tree.git, ['rev-parse', 'HEAD']) }
  await mkdir(at('dos'))
  await writeFile(
    at('dos/a.patch'),
    await toyPatch(tree, 'dos', () => writeFile(inTree('dos'), 'a\r\nc\r\n')),
  )
  await writeFile(at('dos/series'), 'a.patch\n')
  await applySeries(tree, await loadSeries(at('dos'), '6.12'))
  expect(await readFile(inTree('dos'), 'utf8')).toBe('a\r\nc\r\n')
})

test('a range of commits is merged where the tree has drifted, by the blobs that it brings', async () => {
  const path = await repository()
  // The user's own configuration of git must not change what comes out.
  await git(path, ['config', 'diff.noprefix', 'true'])
  await git(path, ['config', 'format.attach', 'x'])
  // Another source of the same file, which never had the user's blob: the context differs beside the change.
  await rm(tree.git, { recursive: true })
  tree = await toyTree(directory, { 'a.c': lines.join('\n').replace('line 5\n', 'line five\n') })
  const series = await loadSeries(`${path}:base..topic`, '6.12')
  expect(series).toMatchObject({ name: 'linux:base..topic', label: 'linux-base..topic', total: 2 })
  await applySeries(tree, series)
  expect(await readFile(inTree('a.c'), 'utf8')).toMatch(/three\nline 4\nline five\n[\s\S]*twelve/)
  expect((await loadSeries(`${path}:base..`.replace(/$/, 'HEAD'), '6.12')).hash).toBe(series.hash)
})

test('a range that is no series is refused', async () => {
  const path = await repository()
  await expect(loadSeries(`${path}:topic..base`, '6.12')).rejects.toThrow('linux:topic..base is empty')
  await expect(loadSeries(`${path}:base..nowhere`, '6.12')).rejects.toThrow(
    /git cannot read the range: .*nowhere|Needed a single revision/,
  )
  await expect(loadSeries(`${at('no')}:a..b`, '6.12')).rejects.toThrow('there is no repository')
  await git(path, ['checkout', '--quiet', '-b', 'side', 'base'])
  await git(path, ['commit', '--quiet', '--allow-empty', '--message=side'])
  await git(path, ['merge', '--quiet', '--message=merge', 'topic'])
  await expect(loadSeries(`${path}:base..side`, '6.12')).rejects.toThrow(/has a merge, [0-9a-f]+ merge/)
})

test('series are stacked, with the profile of the last one that has one', async () => {
  await mkdir(at('one'))
  await writeFile(at('one/a.patch'), await change(3, 'three'))
  await writeFile(at('one/series'), 'a.patch\n')
  await writeFile(at('one/profile.yaml'), 'name: mine\nabi: { BLKCOPY: b }\noffloads: {}\n')
  await writeFile(at('two.mbox'), mail('[PATCH] b'))
  const series = await loadSeries([at('one'), at('two.mbox')], '6.12')
  expect(series).toMatchObject({ name: 'mine', label: 'one+two', total: 2 })
  expect(series.specs).toEqual([at('one'), at('two.mbox')])
  expect(series.profile?.lacks).not.toHaveProperty('BLKCOPY')
  await applySeries(tree, series)
  expect(await git(tree.git, ['log', '--format=%s', `${tree.base}..`])).toBe('b\nchange line 3')
  const cut = await loadSeries([at('one'), at('two.mbox')], '6.12', { applied: 1 })
  expect(cut.profile?.lacks.BLKCOPY).toContain('patch 2 brings it')
})

test('a profile lies beside a mailbox, or is named', async () => {
  await writeFile(at('two.mbox'), mail('[PATCH] b'))
  expect((await loadSeries(at('two.mbox'), '6.12')).profile).toBeNull()
  await writeFile(at('two.profile.yaml'), 'name: beside\nabi: {}\noffloads: {}\n')
  expect((await loadSeries(at('two.mbox'), '6.12')).name).toBe('beside')
  await writeFile(at('other.yaml'), 'name: named\nabi: { BLKCOPY: yes }\noffloads: {}\n')
  const profile = at('other.yaml')
  await expect(loadSeries(at('two.mbox'), '6.12', { profile })).rejects.toThrow(
    `${profile}:2: abi.BLKCOPY: no folder of the series has a patch 'yes'`,
  )
  await expect(loadSeries(at('two.mbox'), '6.12', { profile: at('none') })).rejects.toThrow(
    'there is no file',
  )
})

test('a patch that reaches out of the tree is refused, wherever it comes from', async () => {
  await writeFile(at('evil.mbox'), mail('[PATCH] e', { body: `---\n${diffOf('../x')}` }))
  await expect(loadSeries(at('evil.mbox'), '6.12')).rejects.toThrow(
    `${at('evil.mbox')}: 'e' writes to "../x", outside of the tree: it is not applied`,
  )
  // git itself refuses what goes through a link of the tree's own.
  await writeFile(at('link.mbox'), mail('[PATCH] l', { body: `---\n${diffOf('link/victim')}` }))
  await mkdir(inTree('sub'))
  await writeFile(inTree('sub/victim'), 'a\ncontext\n')
  await symlink('sub', inTree('link'))
  await git(tree.git, ['add', '.'])
  await git(tree.git, ['commit', '--quiet', '--message=link'])
  const linked = { ...tree, base: await git(tree.git, ['rev-parse', 'HEAD']) }
  await expect(applySeries(linked, await loadSeries(at('link.mbox'), '6.12'))).rejects.toThrow(
    /symbolic link/,
  )
  expect(await readFile(inTree('sub/victim'), 'utf8')).toBe('a\ncontext\n')
})

test.each([
  ['block: add blkcopy()', '0001-block-add-blkcopy.patch'],
  ['../../../etc/passwd', '0001-.-.-.-etc-passwd.patch'],
  ['x'.repeat(80), `0001-${'x'.repeat(52)}.patch`],
  ['', '0001.patch'],
])('the subject %j gives the file %s', (title, name) => {
  expect(patchFileName(1, title)).toBe(name)
})

test.each([
  ['mine', '/w/mine'],
  ['../mine', '/mine'],
  ['a/../b..c', '/w/b..c'],
  ['v6.12..HEAD', '/w:v6.12..HEAD'],
  ['v6.12..', '/w:v6.12..HEAD'],
  ['~/linux:origin/main..topic~2', '/w/~/linux:origin/main..topic~2'],
  ['../linux:a..b', '/linux:a..b'],
  ['/src/linux:a..b', '/src/linux:a..b'],
  ['a...b', '/w/a...b'],
  ['--output=x..y', '/w/--output=x..y'],
])('%s is the series %s', (text, series) => {
  expect(absoluteSeries(text, '/w')).toBe(series)
})
