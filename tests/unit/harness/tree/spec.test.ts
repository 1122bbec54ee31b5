import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkSource, parseTree, placeName, treeName } from '../../../../harness/tree/spec.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-spec-'))
  await mkdir(join(directory, 'linux'))
})
afterEach(() => rm(directory, { recursive: true }))

test.each([
  ['linux-source-6.1', { label: 'linux-source-6.1', debian: 'linux-source-6.1' }],
  [
    'linux-source-6.1=6.1.190-1@bookworm',
    { label: 'linux-source-6.1-6.1.190-1-bookworm', debian: 'linux-source-6.1=6.1.190-1', suite: 'bookworm' },
  ],
  ['6.1=linux-source-6.1=6.1.190-1', { label: '6.1', debian: 'linux-source-6.1=6.1.190-1' }],
  ['./linux-6.12.57.tar.xz', { label: 'linux-6.12.57', tarball: 'D/linux-6.12.57.tar.xz' }],
  ['my.tgz', { label: 'my', tarball: 'D/my.tgz' }],
  ['./linux', { label: 'linux', directory: 'D/linux', dirty: 'refuse' }],
  ['x=./linux', { label: 'x', directory: 'D/linux', dirty: 'refuse' }],
  ['./a=b', { label: 'a-b', tarball: 'D/a=b' }],
  ['linux#v6.12', { label: 'linux-v6.12', git: 'D/linux', ref: 'v6.12' }],
  [
    'https://example.org/k/linux.git#for-next/block',
    { label: 'linux-for-next-block', git: 'https://example.org/k/linux.git', ref: 'for-next/block' },
  ],
  ['6.12=git@example.org:linux#main', { label: '6.12', git: 'git@example.org:linux', ref: 'main' }],
])('--tree %s', async (text, expected) => {
  const inside = (value: unknown) =>
    typeof value === 'string' ? value.replace(/^D\//, `${directory}/`) : value
  const wanted = Object.fromEntries(Object.entries(expected).map(([key, value]) => [key, inside(value)]))
  expect(await parseTree(text, directory)).toEqual(wanted)
})

test('a name without a / is no path', async () => {
  expect(await parseTree('linux', directory)).toBeUndefined()
  expect(await parseTree('', directory)).toBeUndefined()
})

test.each([
  ['https://example.org/linux.git', 'names no branch, tag or commit'],
  ['linux-source-x', 'expected linux-source-X.Y'],
  ['linux-source-6.1@../x', 'expected a suite'],
  ['./linux#', 'expected a branch'],
  ['./linux#--output=x', 'expected a branch'],
])('--tree %s is refused', async (text, words) => {
  await expect(parseTree(text, directory)).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining(words),
  })
})

test('a source has one place, whatever leads to it, and shares it with nothing else', async () => {
  await writeFile(join(directory, 'linux/Makefile'), 'VERSION = 6\nPATCHLEVEL = 12\n')
  await symlink('linux', join(directory, 'link'))
  const direct = await checkSource({ directory: join(directory, 'linux'), dirty: 'refuse' }, 'x')
  const linked = await checkSource({ directory: join(directory, 'link'), dirty: 'copy' }, 'x')
  expect(placeName(linked)).toBe(placeName(direct))
  expect(placeName({ git: join(directory, 'linux'), ref: 'v1' })).toBe(placeName(direct))
  expect(placeName({ tarball: '/other/linux' })).toMatch(/^linux-[0-9a-f]{12}$/)
  expect(placeName({ tarball: '/other/linux' })).not.toBe(placeName(direct))
  expect(placeName({ debian: 'linux-source-7.3', suite: 'trixie-backports' })).toBe(
    'linux-source-7.3@trixie-backports',
  )
  expect(treeName({ git: '/src/linux', ref: 'v1' })).toBe('/src/linux#v1')
})

test.each([
  [{ tarball: 'none.tar' }, 'x: there is no file D/none.tar'],
  [{ directory: 'none', dirty: 'refuse' }, 'x: there is no directory D/none'],
  [{ directory: 'file', dirty: 'refuse' }, 'x: D/file is no directory'],
  [
    { directory: 'linux', dirty: 'refuse' },
    'x: D/linux is no kernel source: it has no Makefile with VERSION',
  ],
  [{ directory: 'bare', dirty: 'refuse' }, 'x: D/bare is a git repository without files'],
  [{ git: 'none', ref: 'v1' }, 'x: there is no git repository D/none'],
] as const)('%j is refused before anything is fetched', async (source, words) => {
  await writeFile(join(directory, 'file'), '')
  await mkdir(join(directory, 'bare/objects'), { recursive: true })
  const absolute = Object.fromEntries(
    Object.entries(source).map(([key, value]) =>
      ['tarball', 'directory', 'git'].includes(key) ? [key, join(directory, value)] : [key, value],
    ),
  ) as Parameters<typeof checkSource>[0]
  await expect(checkSource(absolute, 'x')).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining(words.replace('D/', `${directory}/`)),
  })
})
