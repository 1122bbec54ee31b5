import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig, projectRoot } from '../../../../harness/config/load.ts'

let directory: string
const file = () => join(directory, 'copylab.yaml')
const good = `trees:
  "6.12": { debian: linux-source-6.12 }
  "6.1": { debian: linux-source-6.1=6.1.123-1, suite: bookworm-security }
  ball: { tarball: ../linux.tar.xz }
  mine: { directory: linux }
  next: { git: "https://example.org/next.git", ref: master }
qemus: { mine: { program: bin/q }, "10.0": { debian: qemu-system-x86, suite: bookworm-backports } }
tree: "6.12"
series: patches/x
kconfig: [boot, extra/mine.config]
`

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-config-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('a good file', () => {
  test('is found from a directory below it, and names become paths', async () => {
    await writeFile(file(), good)
    await mkdir(join(directory, 'a/b'), { recursive: true })
    expect(await loadConfig(join(directory, 'a/b'))).toMatchObject({
      file: file(),
      tree: { label: '6.12', debian: 'linux-source-6.12' },
      series: [join(directory, 'patches/x')],
      kconfig: [join(directory, 'kconfigs/boot.config'), join(directory, 'extra/mine.config')],
      machine: {
        ...{ accel: 'auto', cpus: 2, memory: 384 },
        qemu: { label: 'qemu-system-x86_64', program: 'qemu-system-x86_64' },
      },
      results: join(directory, 'results'),
      trees: [
        { label: '6.12' },
        { label: '6.1' },
        { label: 'ball', tarball: join(directory, '../linux.tar.xz') },
        { label: 'mine', directory: join(directory, 'linux'), dirty: 'refuse' },
        { label: 'next', git: 'https://example.org/next.git', ref: 'master' },
      ],
      qemus: [{ label: 'mine', program: join(directory, 'bin/q') }, { label: '10.0' }],
    })
  })

  test('gives way to the command line, whose paths are relative to the working directory', async () => {
    await writeFile(file(), good)
    const cwd = join(directory, 'a')
    await mkdir(cwd)
    const config = await loadConfig(cwd, {
      tree: '6.1',
      series: ['../mine'],
      kconfig: ['block', './x.config'],
      accel: 'tcg',
      qemu: '../q',
      memory: '1024',
      results: 'r',
    })
    expect(config).toMatchObject({
      tree: { label: '6.1', debian: 'linux-source-6.1=6.1.123-1', suite: 'bookworm-security' },
      series: [join(directory, 'mine')],
      kconfig: [join(directory, 'kconfigs/block.config'), join(cwd, 'x.config')],
      machine: { accel: 'tcg', qemu: { label: '../q', program: join(directory, 'q') }, memory: 1024 },
      results: join(cwd, 'r'),
    })
    expect((await loadConfig(cwd, { series: ['none'] })).series).toEqual([])
  })

  test('may stack series, with a profile of their own that another series on the command line leaves behind', async () => {
    const list = 'series: [patches/x, thread.mbox]\nprofile: p.yaml'
    await writeFile(file(), good.replace('series: patches/x', list))
    const own = await loadConfig(directory)
    expect(own).toMatchObject({ series: [join(directory, 'patches/x'), join(directory, 'thread.mbox')] })
    expect(own).toMatchObject({ profile: join(directory, 'p.yaml'), seriesVersion: undefined })
    const other = await loadConfig(directory, { series: ['../l:a..b', 'y'], seriesVersion: '3' })
    expect(other.series).toEqual([`${join(directory, '../l')}:a..b`, join(directory, 'y')])
    expect([other.profile, other.seriesVersion]).toEqual([undefined, 3])
    expect((await loadConfig(directory, { profile: 'q' })).profile).toBe(join(directory, 'q'))
    await writeFile(file(), good.replace('series: patches/x', 'series: [none, y]'))
    await expect(loadConfig(directory)).rejects.toThrow('series: none and y cannot both be the series')
  })

  test.each([
    ['10.0', { label: '10.0', debian: 'qemu-system-x86', suite: 'bookworm-backports' }],
    ['mine', { label: 'mine', program: expect.stringMatching(/^\/.*\/bin\/q$/) }],
    ['kvm', { label: 'kvm', program: 'kvm' }],
  ])('--qemu %s is a choice of the file, else a program', async (qemu, chosen) => {
    await writeFile(file(), good)
    expect((await loadConfig(directory, { qemu })).machine.qemu).toEqual(chosen)
  })

  test('is the one that copylab comes with where there is no other', async () => {
    expect((await loadConfig('/')).file).toBe(join(projectRoot, 'copylab.yaml'))
  })
})

describe('a wrong file is refused with its line', () => {
  test.each([
    ['an unknown key', good.replace('series:', 'serie:'), 9, 'unknown key serie'],
    ['a tree that is no file name', good.replace('"6.1":', '"..":'), 3, 'a letter, digit or _ first'],
    ['an unknown key inside', `${good}machine: { cpus: 2,\n  mem: 3 }\n`, 12, 'unknown key machine.mem'],
    ['a wrong type', `${good}machine:\n  cpus: many\n`, 12, 'machine.cpus'],
    ['a bad item of a list', good.replace('extra/mine.config', '7'), 10, 'kconfig.1'],
    [
      'an unreadable package name',
      good.replace('linux-source-6.12 }', 'linux-image }'),
      2,
      'linux-source-X.Y',
    ],
    ['a tree of no form', good.replace('{ tarball: ../linux.tar.xz }', '{ tar: x }'), 4, '{ tarball: FILE }'],
    [
      'a tree of two forms',
      good.replace('directory: linux', 'directory: linux, ref: x'),
      5,
      'trees.mine.ref',
    ],
    ['a repository without a ref', good.replace(', ref: master', ''), 6, 'trees.next.ref'],
    ['a ref that is an option', good.replace('ref: master', 'ref: --upload-pack=x'), 6, 'expected a branch'],
    ['a tarball that is not there', good.replace('tree: "6.12"', 'tree: ball'), 8, 'there is no file'],
    ['a suite that is none', good.replace('bookworm-security', '../x'), 3, 'expected a suite of Debian'],
    ['a QEMU without its suite', good.replace(', suite: bookworm-backports', ''), 7, 'qemus.10.0: expected'],
    ['no YAML', `${good}  - : [\n`, 11, ''],
    [
      'a tree that is not listed',
      good.replace('tree: "6.12"', 'tree: "5.0"'),
      8,
      'expected one of: 6.12, 6.1, ball, mine, next',
    ],
  ])('%s', async (_what, text, line, words) => {
    await writeFile(file(), text)
    const error = await loadConfig(directory).catch((failure) => failure)
    expect(error).toMatchObject({ name: 'Failure', kind: 'usage' })
    expect(error.message).toContain(`${file()}:${line}: `)
    expect(error.message).toContain(words)
  })

  test('a tree named on the command line is blamed on the option', async () => {
    await writeFile(file(), good)
    await expect(loadConfig(directory, { tree: 'toString' })).rejects.toThrow(
      /^--tree: .*6\.12, 6\.1, ball, mine, next$/,
    )
  })

  test('--dirty is for directories', async () => {
    await writeFile(file(), good)
    await expect(loadConfig(directory, { dirty: 'copy' })).rejects.toThrow(
      /^--dirty copy: the tree 6\.12 is no/,
    )
    await mkdir(join(directory, 'linux'))
    await writeFile(join(directory, 'linux/Makefile'), 'VERSION = 6\nPATCHLEVEL = 12\n')
    const config = await loadConfig(directory, { tree: 'mine', dirty: 'copy' })
    expect(config.tree).toEqual({ label: 'mine', directory: join(directory, 'linux'), dirty: 'copy' })
  })

  test.each(['64', '1e3', 'lots', ''])('--memory %j is blamed on the option', async (memory) => {
    await writeFile(file(), good)
    await expect(loadConfig(directory, { memory })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^--memory: /),
    })
  })
})
