import { chmod } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { execa } from 'execa'
import { Header, type HeaderData } from 'tar'
import { expect, test } from 'vitest'
import { makefile, useLab } from './lab.ts'

const lab = useLab()

/** A tar of these files, each by its path; `size` says more than there is. */
function tarOf(...members: (HeaderData & { path: string; text?: string })[]): Buffer {
  const blocks = members.map(({ text = '', ...data }) => {
    const header = new Header({ type: 'File', mode: 0o644, size: Buffer.byteLength(text), ...data })
    header.encode()
    const content = Buffer.alloc(Math.ceil(Buffer.byteLength(text) / 512) * 512)
    content.write(text)
    return Buffer.concat([header.block as Buffer, content])
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

const kernel = { path: 'linux/Makefile', text: makefile }
const packed = gzipSync(tarOf(kernel, { path: 'linux/big', text: 'a long file\n'.repeat(9000) }))
const unknown = 'do not use it, unless you know who made it'
const again = 'check it against its signature or checksum, and fetch it again'

/** What is wrong, the file's content, and all that is said of it. */
const tarballs: [string, string | Uint8Array, string | RegExp][] = [
  [
    'that is cut off',
    packed.subarray(0, packed.length / 2),
    `cannot import $/a.tar into git: gzip: $/a.tar: unexpected end of file\n  remedy:  ${again}`,
  ],
  [
    'that is damaged',
    Buffer.from(packed.map((byte, index) => (index > packed.length - 8 ? ~byte : byte))),
    /^cannot import \$\/a\.tar into git: gzip: \$\/a\.tar: invalid compressed data.*\n {2}remedy: {2}check it/,
  ],
  [
    'of no kernel',
    tarOf({ path: 'a/README', text: 'hello\n' }),
    `$/a.tar is no kernel source: it has no Makefile with VERSION and PATCHLEVEL at its top
  remedy:  name what holds a whole kernel source, whose top has the files Makefile and Kconfig`,
  ],
  [
    'with a path out of it',
    tarOf(kernel, { path: 'linux/../../evil', text: 'x' }),
    `$/a.tar: "linux/../../evil" leads out of the archive\n  remedy:  ${unknown}`,
  ],
  [
    'with a link out of it',
    tarOf(kernel, { path: 'linux/l', type: 'SymbolicLink', linkpath: '/etc' }),
    `$/a.tar: the symbolic link l leads out of the source, to /etc
  remedy:  remove the link: what is built must lie in the source`,
  ],
  [
    "with git's own files",
    tarOf(kernel, { path: 'linux/.git/hooks/post-checkout', text: 'x' }),
    `$/a.tar: "linux/.git/hooks/post-checkout" would be a part of git's own directory\n  remedy:  ${unknown}`,
  ],
  [
    'that would never end',
    gzipSync(tarOf(kernel, { path: 'linux/zeros', size: 8e9 })),
    `$/a.tar: "linux/zeros" is larger than a kernel's file can be: 8.0 GB\n  remedy:  ${unknown}`,
  ],
  [
    'that is none',
    'PK\u0003\u0004 a zip\n',
    '--tree: $/a.tar is no tarball: expected a .tar, packed by xz, gzip or zstd or not at all',
  ],
  ['that is empty', '', '--tree: $/a.tar is empty\n  remedy:  fetch it again'],
]

test.each(tarballs)('a tarball %s', async (_what, content, message) => {
  await lab.write('a.tar', content)
  const said = await lab.refused(2, ['build', '--tree', './a.tar'])
  if (typeof message === 'string') expect(said).toBe(message)
  else expect(said).toMatch(message)
})

test.each([
  ['./gone.tar.xz', '--tree: there is no file $/gone.tar.xz\n  remedy:  name one that is there'],
  [
    './kconfigs',
    `--tree: $/kconfigs is no kernel source: it has no Makefile with VERSION and PATCHLEVEL
  remedy:  name the top directory of a kernel source`,
  ],
  ['./gone#v6.12', '--tree: there is no git repository $/gone\n  remedy:  name one that is there'],
  [
    './linux#v6.12',
    /^\$\/linux is no git repository that can be read: fatal: not a git repository.*\n {2}remedy: {2}name the top directory of a git repository$/,
  ],
  ['./linux#--upload-pack=x', '--tree "./linux#--upload-pack=x": expected a branch, a tag or a commit'],
  [
    'https://example.org/linux.git',
    `--tree: https://example.org/linux.git names no branch, tag or commit; expected https://example.org/linux.git#REF
  remedy:  for instance --tree https://example.org/linux.git#v6.12; a tarball has to be downloaded first`,
  ],
])('the tree %s', async (tree, message) => {
  const said = await lab.refused(2, ['build', '--tree', tree])
  if (typeof message === 'string') expect(said).toBe(message)
  else expect(said).toMatch(message)
})

async function repository(): Promise<void> {
  const git = (...args: string[]) =>
    execa('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: lab.at('linux') })
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '--all', '--force', '.')
  await git('commit', '--quiet', '--message=base')
  await git('tag', 'v6.12')
}

test('a ref that the repository has not', async () => {
  await repository()
  expect(await lab.refused(2, ['build', '--tree', './linux#v6.13'])).toBe(
    `$/linux has no branch, tag or commit "v6.13"; it has v6.12
  remedy:  git ls-remote $/linux shows what it has`,
  )
})

test('a work tree with changes that are not committed', async () => {
  await repository()
  await lab.write('linux/x', 'b\n')
  expect(await lab.refused(2, ['build'])).toBe(
    `$/linux has changes that are not committed: M x
  remedy:  commit them, or take them as they are with --dirty copy (dirty: copy in copylab.yaml)`,
  )
})

test('a directory in which a kernel was built', async () => {
  await lab.write('linux/.config', 'CONFIG_A=y\n')
  expect(await lab.refused(2, ['build'])).toBe(
    `a kernel was built in $/linux: it has .config\n  remedy:  make -C $/linux mrproper`,
  )
})

test('a repository that cannot be reached', async () => {
  // Nothing listens there.
  const message = await lab.refused(3, ['build', '--tree', 'http://127.0.0.1:1/linux.git#v6.12'])
  expect(message).toMatch(/^cannot fetch http:\/\/127\.0\.0\.1:1\/linux\.git: fatal: /)
  expect(message).toMatch(/\n {2}remedy: {2}check the address, the network and your credentials; /)
})

test.each([
  [
    'linux-source-9.9',
    'E: Unable to locate package linux-source-9.9',
    /look whether linux-source-9\.9 is in this machine's apt sources/,
  ],
  [
    'linux-source-6.12=6.12.1-1',
    "E: Version '6.12.1-1' for 'linux-source-6.12' was not found",
    /version 6\.12\.1-1 may have left this machine's apt sources: name another in copylab\.yaml, or none/,
  ],
  [
    'linux-source-6.12',
    'E: Failed to fetch linux-source-6.12.deb  Could not connect',
    /check that apt's mirror can be reached, by its proxy if it has one/,
  ],
])('the Debian package %s, of which apt says: %s', async (tree, words, remedy) => {
  await lab.write('bin/apt-get', `#!/bin/sh\necho "${words}" >&2\nexit 100\n`)
  await chmod(lab.at('bin/apt-get'), 0o755)
  const environment = { PATH: `${lab.at('bin')}:${process.env.PATH}` }
  const message = await lab.refused(3, ['build', '--tree', tree], { environment })
  expect(message).toContain(`cannot download the Debian package ${tree}: ${words}\n  command: apt-get `)
  expect(message).toMatch(remedy)
})
