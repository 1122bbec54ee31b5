import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { chmod, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findProgram } from '../../../qemu/cc.ts'
import { mail } from '../harness/series/mails.ts'
import { useLab } from './lab.ts'

const lab = useLab()

const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0
/** Runs a command with something else mounted; nobody else sees it. */
const mounting = (...mount: string[]) => [
  ...['unshare', '--mount', 'sh', '-c', `${mount.join(' ')} && exec "$@"`, 'sh'],
]
/** The modes of files bind root, too, when it has no capabilities. */
const bound = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : []

/** Another kernel than the one in the cache. */
async function otherKernel(): Promise<string[]> {
  await lab.write('other.config', `CONFIG_OTHER="${Math.random()}"\n`)
  return ['build', '--kconfig', './other.config']
}

describe('a program that is not there', () => {
  const all = ['git', 'setpriv', 'flock', 'make', 'gcc', 'ld', 'strip', 'flex', 'bison', 'bc', 'find', 'tar']

  /** A PATH that has what copylab needs but these. */
  async function without(...missing: string[]): Promise<{ environment: NodeJS.ProcessEnv }> {
    await mkdir(lab.at('bin'))
    for (const name of ['sh', ...all])
      if (!missing.includes(name)) await symlink((await findProgram(name)) ?? '', lab.at('bin', name))
    return { environment: { PATH: lab.at('bin') } }
  }
  const more = 'copylab doctor shows what else is missing'

  test.each([
    ['git', ['git'], `not on the PATH: git\n  remedy:  apt-get install git; ${more}`],
    [
      'a C compiler',
      ['gcc', 'ld'],
      `not on the PATH: gcc, ld\n  remedy:  apt-get install gcc binutils; ${more}`,
    ],
    ['make', ['make'], `not on the PATH: make\n  remedy:  apt-get install make; ${more}`],
    [
      'what kconfig is made with',
      ['flex', 'bison'],
      `not on the PATH: flex, bison\n  remedy:  apt-get install flex bison; ${more}`,
    ],
    ['flock', ['flock'], 'flock(1) is not installed\n  remedy:  apt-get install util-linux'],
  ])('%s', async (_what, missing, message) => {
    const options = await without(...missing)
    await lab.write('a.mbox', mail('[PATCH] a'))
    expect(await lab.refused(3, [...(await otherKernel()), '--series', 'a.mbox'], options)).toBe(message)
  })

  test('tar, for a directory', async () => {
    await lab.write('other/Makefile', 'VERSION = 6\nPATCHLEVEL = 12\n')
    expect(await lab.refused(3, ['build', '--tree', './other'], await without('tar'))).toBe(
      `not on the PATH: tar\n  remedy:  apt-get install tar; ${more}`,
    )
  })

  test('what unpacks a tarball', async () => {
    await lab.write('a.tar.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]))
    expect(await lab.refused(3, ['build', '--tree', './a.tar.zst'], await without())).toBe(
      '$/a.tar.zst is packed by zstd, which is not installed\n  remedy:  apt-get install zstd',
    )
  })

  test('QEMU', async () => {
    const told = ['run', '--reporter', 'junit']
    expect(await lab.refused(3, told, { ...(await without()), leaves: ['results'] })).toBe(
      `there is no QEMU called qemu-system-x86_64
  remedy:  install qemu-system-x86, or choose another with --qemu; copylab doctor lists the choices`,
    )
    // Whoever reads that alone must not take it for a run without failures.
    expect(await readFile(lab.at('results/junit.xml'), 'utf8')).toContain('there is no QEMU called')
  })

  test('sparse', async () => {
    await lab.write('a.mbox', mail('[PATCH] a'))
    expect(await lab.refused(3, ['check-series', '--series', 'a.mbox', '--sparse'], await without())).toBe(
      'cannot run sparse\n  remedy:  apt-get install sparse',
    )
  })
})

describe('a file that cannot be read', () => {
  const readable = /^cannot read \$\/\S+: EACCES: .*\n {2}remedy: {2}make it readable/

  test.each([
    ['a.mbox', 'a.mbox'],
    ['s/a.patch', 's'],
    ['s/series', 's'],
  ])('%s of a series', async (file, series) => {
    await lab.write('a.mbox', mail('[PATCH] a'))
    await lab.write('s/a.patch', mail('[PATCH] a'))
    await lab.write('s/series', 'a.patch\n')
    await chmod(lab.at(file), 0)
    const message = await lab.refused(2, ['build', '--series', series], { through: bound })
    expect(message).toMatch(readable)
    expect(message).toContain(`$/${file}: `)
  })

  test.each(['copylab.yaml', 'kconfigs/base.config'])('%s', async (file) => {
    await chmod(lab.at(file), 0)
    const message = await lab.refused(2, ['run', '--dry-run'], { through: bound })
    expect(message).toMatch(readable)
    expect(message).toContain(`$/${file}: `)
  })

  test('a file of the tree', async () => {
    await lab.write('other/Makefile', 'VERSION = 6\nPATCHLEVEL = 12\n')
    await chmod(await lab.write('other/x', 'x\n'), 0)
    expect(await lab.refused(2, ['build', '--tree', './other'], { through: bound })).toBe(
      `cannot import $/other into git: tar: ./x: Cannot open: Permission denied
  remedy:  make all of the directory readable, and let nobody change it meanwhile`,
    )
  })
})

describe('a cache', () => {
  test('below a file', async () => {
    const environment = { XDG_CACHE_HOME: lab.at('linux/x') }
    expect(await lab.refused(3, ['build'], { environment })).toBe(
      `cannot create the cache directory $/linux/x/copylab: ENOTDIR: not a directory, mkdir '$/linux/x/copylab'
  remedy:  set XDG_CACHE_HOME to a directory that you can write to`,
    )
  })

  test('of somebody else', async () => {
    await mkdir(lab.at('theirs/copylab'), { recursive: true })
    await chmod(lab.at('theirs/copylab'), 0o500)
    const environment = { XDG_CACHE_HOME: lab.at('theirs') }
    expect(await lab.refused(3, ['build'], { environment, through: bound })).toMatch(
      /^EACCES: permission denied, mkdir '\$\/theirs\/copylab\/\w+'\n {2}remedy: {2}make it writable, or set XDG_CACHE_HOME, /,
    )
  })

  test.skipIf(!canMount)(
    'that is read only: what it has is used, and what it has not is refused',
    async () => {
      const cache = lab.at('cache')
      const through = mounting('mount', '--bind', '-o', 'ro', cache, cache)
      expect(await lab.copylab(['build'])).toMatchObject({ status: 0 })
      expect(await lab.copylab(['build'], { through })).toMatchObject({ status: 0, stderr: '' })
      expect(await lab.refused(3, await otherKernel(), { through })).toMatch(
        /^EROFS: read-only file system, open '\$\/cache\/copylab\/locks\/\S+\.lock'\n {2}remedy: {2}make it writable, or set XDG/,
      )
      await lab.write('a.mbox', mail('[PATCH] a'))
      expect(await lab.refused(3, ['build', '--series', 'a.mbox'], { through })).toMatch(
        /^EROFS: read-only file system, mkdir '\$\/cache\/copylab\/series.*'\n {2}remedy: {2}make it writable, or set XDG/,
      )
    },
  )

  test.skipIf(!canMount)('on a disk that is full', async () => {
    const cache = lab.at('small')
    await mkdir(cache)
    const through = mounting('mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', cache)
    expect(await lab.refused(3, ['build'], { through, environment: { XDG_CACHE_HOME: cache } })).toMatch(
      /^a kernel tree needs 2\.5 GB; \$\/small\/copylab\/trees\/\S+ has 1\.0 MB left\n {2}remedy: {2}make room there, with copylab cache prune/,
    )
    const full = mounting('mount', '-t', 'tmpfs', '-o', 'size=4k', 'none', lab.at('cache/copylab/kernels'))
    expect(await lab.refused(3, await otherKernel(), { through: full })).toMatch(
      /no space left on device[\s\S]*\n {2}remedy: {2}make room there/i,
    )
    expect(await lab.copylab(['cache', 'verify'])).toMatchObject({ status: 0 })
  })

  test('with a kernel that was damaged: verify finds it, and the next build makes it again', async () => {
    const built = await lab.copylab(['build'])
    await truncate(built.stdout, 100)
    const verified = await lab.copylab(['cache', 'verify'])
    expect(verified).toMatchObject({ status: 3, stderr: '' })
    expect(verified.stdout).toMatch(
      /^damaged {2}kernel [0-9a-f]{64}: its image has 100 bytes, and had \d+ when/,
    )
    expect(await lab.copylab(['build'])).toMatchObject({ status: 0, stdout: built.stdout })
    expect(await lab.copylab(['cache', 'verify'])).toMatchObject({ status: 0 })
  })

  test('that two processes fill at once', async () => {
    const words = await otherKernel()
    const [one, two] = await Promise.all([lab.copylab(words), lab.copylab(words)])
    expect([one.status, two.status, one.stdout]).toEqual([0, 0, two.stdout])
    expect([one, two].filter(({ stderr }) => /^build: .* s$/m.test(stderr))).toHaveLength(1)
  })
})

describe('an export of kernels', () => {
  const again = 'make it again with copylab cache export'

  test.each([
    [
      'that is not there',
      undefined,
      'there is no file $/e.tar\n  remedy:  make it with copylab cache export',
    ],
    [
      'that was cut off',
      (whole: Buffer) => whole.subarray(0, whole.length / 2),
      new RegExp(`^\\$/e\\.tar is no whole export of kernels: .*\n {2}remedy: {2}${again}$`),
    ],
    [
      'that was changed',
      // The image is the file /bin/true.
      (whole: Buffer) => Buffer.from(whole.toString('latin1').replace('ELF', 'elf'), 'latin1'),
      /^\$\/e\.tar is no whole export of kernels: kernels\/[0-9a-f]{64}\/image was changed\n {2}remedy: /,
    ],
    [
      'that is another thing',
      () => Buffer.from('hello\n'),
      new RegExp(`^\\$/e\\.tar is no whole export of kernels: .*\n {2}remedy: {2}${again}$`),
    ],
  ])('%s', async (_what, damage, message) => {
    if (damage) {
      expect(await lab.copylab(['cache', 'export', 'e.tar'])).toMatchObject({ status: 0 })
      await writeFile(lab.at('e.tar'), damage(await readFile(lab.at('e.tar'))))
    }
    await mkdir(lab.at('other'))
    const environment = { XDG_CACHE_HOME: lab.at('other') }
    const options = { environment, leaves: ['other/copylab'] }
    const said = await lab.refused(2, ['cache', 'import', 'e.tar'], options)
    if (typeof message === 'string') expect(said).toBe(message)
    else expect(said).toMatch(message)
    expect(readdirSync(join(lab.at('other'), 'copylab'))).not.toContain('kernels')
  })

  test('that is a directory', async () => {
    expect(await lab.refused(2, ['cache', 'import', 'linux'])).toMatch(
      /^there is no file \$\/linux\n {2}remedy: /,
    )
  })

  test('of a kernel that is not there', async () => {
    expect(await lab.refused(2, ['cache', 'export', 'e.tar', 'ffff'])).toBe(
      'no kernel begins with ffff\n  remedy:  copylab cache ls shows the kernels',
    )
  })
})
