import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { Header, type HeaderData } from 'tar'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { provideTree } from '../../../../harness/tree/provide.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 })

let directory: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-archive-'))
  file = join(directory, 'a.tar')
  vi.stubEnv('XDG_CACHE_HOME', join(directory, 'cache'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const provide = () =>
  provideTree({ label: 'x', tarball: file }, { cache: join(directory, 'cache/copylab') }).then(
    () => expect.unreachable(),
    (failure) => failure,
  )

type Member = HeaderData & { text?: string }

/** A tar file with members that no tar would write. */
function tarOf(...members: Member[]): Buffer {
  const blocks = members.flatMap(({ text = '', ...member }) => {
    const header = new Header({ mode: 0o644, type: 'File', size: text.length, ...member })
    const block = Buffer.alloc(512)
    header.encode(block)
    return [block, Buffer.from(text), Buffer.alloc((512 - (text.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

const kernel: Member = { path: 'linux/Makefile', text: 'VERSION = 6\nPATCHLEVEL = 12\n' }

test.each<[string, Member[], string]>([
  ['a path that leads out', [{ path: 'linux/../../evil', text: 'x' }], 'leads out of the archive'],
  ['an absolute path', [{ path: '/tmp/evil', text: 'x' }], 'is an absolute path'],
  ['a hook for git', [{ path: 'linux/.git/hooks/post-checkout', text: 'x' }], "git's own directory"],
  ['the same in capitals', [{ path: 'linux/.GIT/config', text: 'x' }], "git's own directory"],
  [
    'an absolute link',
    [{ path: 'linux/a', type: 'SymbolicLink', linkpath: '/etc' }],
    'leads out of the source, to /etc',
  ],
  [
    'a link upwards',
    [{ path: 'linux/a', type: 'SymbolicLink', linkpath: '../../etc' }],
    'leads out of the source',
  ],
  [
    'a link out of its top folder, which is left out',
    [{ path: 'linux/a', type: 'SymbolicLink', linkpath: '../b' }],
    'leads out of the source',
  ],
  [
    'a file below a link',
    [
      { path: 'linux/a', type: 'SymbolicLink', linkpath: 'b' },
      { path: 'linux/a/evil', text: 'x' },
    ],
    'lies below linux/a, which is no folder',
  ],
  [
    'a link in the place of a folder',
    [
      { path: 'linux/a/b', text: 'x' },
      { path: 'linux/a', type: 'SymbolicLink', linkpath: '..' },
    ],
    'is in it twice',
  ],
  ['a file twice', [{ path: 'linux/Makefile', text: 'evil' }], 'is in it twice'],
  ['a hard link', [{ path: 'linux/a', type: 'Link', linkpath: '/etc/passwd' }], 'is a hard link'],
  ['a device', [{ path: 'linux/a', type: 'CharacterDevice' }], 'is a CharacterDevice'],
  ['a name of two lines', [{ path: 'linux/a\nM 120000 inline b', text: 'x' }], 'a control character'],
])('an archive with %s is refused', async (_what, members, words) => {
  await writeFile(file, tarOf(kernel, ...members))
  const failure = await provide()
  expect(failure).toMatchObject({ name: 'Failure', kind: 'usage', remedy: expect.any(String) })
  expect(failure.message).toContain(`${file}: `)
  expect(failure.message).toContain(words)
  expect(await readdir(directory)).toEqual(['a.tar', 'cache'])
  const [place = ''] = await readdir(join(directory, 'cache/copylab/trees'))
  expect(await readdir(join(directory, 'cache/copylab/trees', place))).toEqual([])
})

test.each(['xz', 'gzip', 'zstd', 'none'])('an archive (%s) that was cut short is refused', async (packed) => {
  await writeFile(file, tarOf(kernel, { path: 'linux/big', text: 'x'.repeat(100_000) }))
  if (packed !== 'none') {
    const { stdout } = await execa(packed, ['-c', file], { encoding: 'buffer' })
    await writeFile(file, stdout)
  }
  await truncate(file, packed === 'none' ? 60_000 : 100)
  const failure = await provide()
  expect(failure).toMatchObject({ kind: 'usage', remedy: expect.stringContaining('fetch it again') })
  expect(failure.message).toMatch(/^cannot import .*a\.tar into git: .*(unexpected end|truncated|premature)/i)
})

test.each([
  ['no tarball', 'just text', 'is no tarball'],
  ['empty', '', 'is empty'],
  ['not there', undefined, 'there is no file'],
  ['no kernel', tarOf({ path: 'a/Makefile', text: 'all:\n' }), 'is no kernel source'],
  ['a list of nothing', Buffer.concat([tarOf({ path: 'a/', type: 'Directory' })]), 'there is no file in it'],
])('a file that is %s is refused', async (_what, content, words) => {
  if (content !== undefined) await writeFile(file, content)
  const failure = await provide()
  expect(failure).toMatchObject({ name: 'Failure', kind: 'usage' })
  expect(failure.message).toContain(words)
  expect(failure.message).toContain(file)
})

test('a directory is no tarball', async () => {
  await mkdir(file)
  expect((await provide()).message).toContain('is a directory, no tarball')
})
