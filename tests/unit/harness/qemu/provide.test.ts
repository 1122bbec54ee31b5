import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fetchedQemu, provideQemu } from '../../../../harness/qemu/provide.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

const spec = { label: '10.0', debian: 'qemu-system-x86', suite: 'bookworm-backports' }
let directory: string
let cache: string
const place = () => join(cache, 'qemu')
const calls = () => readFile(join(directory, 'calls'), 'utf8').catch(() => '')

async function program(path: string, script: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
}

/** A Debian package with one file. */
async function packageOf(name: string, version: string, file: string, script: string): Promise<void> {
  const root = join(directory, name)
  await program(join(root, file), script)
  await mkdir(join(root, 'DEBIAN'), { recursive: true })
  const fields = [
    `Package: ${name}`,
    `Version: ${version}`,
    'Architecture: all',
    'Maintainer: x',
    'Description: x',
  ]
  await writeFile(join(root, 'DEBIAN/control'), `${fields.join('\n')}\n`)
  const deb = `${name}_${version.replace(':', '%3a')}_amd64.deb`
  await mkdir(join(directory, 'archive'), { recursive: true })
  await execa('dpkg-deb', ['--build', '-Znone', root, join(directory, 'archive', deb)])
}

/** An apt-get that has everything; `install` may do something else. */
async function archive(install = `cp ${join(directory, 'archive')}/*.deb "$to"`): Promise<void> {
  await program(
    join(directory, 'bin/apt-get'),
    `echo "$*" >> ${join(directory, 'calls')}
    for word; do case $word in Dir::Cache::Archives=*) to=\${word#*=};; esac; done
    case "$*" in
      *indextargets*) echo 'mirror http://mine/debian/ Debian Debian';;
      *install*) ${install};;
    esac`,
  )
}

/** What the toy QEMU says of how it was started. */
const emulator = `printf '%s\\n' "$LD_LIBRARY_PATH" "$QEMU_MODULE_DIR" "$@"`

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-qemu-'))
  cache = join(directory, 'copylab')
  vi.stubEnv('XDG_CACHE_HOME', directory)
  vi.stubEnv('PATH', [join(directory, 'bin'), process.env.PATH].join(delimiter))
  await packageOf('qemu-system-x86', '1:10.0.2-1', 'usr/bin/qemu-system-x86_64', emulator)
  await packageOf('libfdt1', '1.6-1', 'usr/lib/x86_64-linux-gnu/libfdt.so.1', '')
  await packageOf('libc6', '2.36-9', 'lib/x86_64-linux-gnu/libc.so.6', '')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

test('a package is opened with what it depends on, and runs with its own libraries and data', async () => {
  await archive()
  const path = await provideQemu(spec, { cache })
  const { stdout } = await execa(path, ['-m', '64M, it said'])
  const root = join(path, '../root')
  expect(stdout.split('\n')).toEqual([
    `${root}/usr/lib/x86_64-linux-gnu:${root}/lib/x86_64-linux-gnu`,
    `${root}/usr/lib/x86_64-linux-gnu/qemu`,
    ...['-L', `${root}/usr/share/qemu`, '-L', `${root}/usr/share/seabios`, '-L', `${root}/usr/lib/ipxe/qemu`],
    ...['-m', '64M, it said'],
  ])
  expect(await readdir(join(root, 'usr/lib/x86_64-linux-gnu'))).toEqual(['libfdt.so.1'])
  // The C library is the machine's.
  expect(await readdir(root)).toEqual(['usr'])
  expect(await fetchedQemu(spec, cache)).toEqual({ program: path, version: '1:10.0.2-1' })
})

test('a pinned version has a place of its own, without the colon of its epoch', async () => {
  await archive()
  const path = await provideQemu({ ...spec, debian: 'qemu-system-x86=1:10.0.2-1' }, { cache })
  const [libraries = '', modules] = (await execa(path, ['-m', '64M'])).stdout.split('\n')
  const root = join(path, '../root')
  expect(libraries.split(':')).toEqual([`${root}/usr/lib/x86_64-linux-gnu`, `${root}/lib/x86_64-linux-gnu`])
  expect(modules).toBe(`${root}/usr/lib/x86_64-linux-gnu/qemu`)
  expect(await fetchedQemu(spec, cache)).toBeUndefined()
})

test('nothing of it lies there with the right to become somebody else', async () => {
  await chmod(join(directory, 'libfdt1/usr/lib/x86_64-linux-gnu/libfdt.so.1'), 0o6755)
  const deb = join(directory, 'archive/libfdt1_1.6-1_amd64.deb')
  await execa('dpkg-deb', ['--build', '-Znone', join(directory, 'libfdt1'), deb])
  await archive()
  const path = await provideQemu(spec, { cache })
  const { mode } = await stat(join(path, '../root/usr/lib/x86_64-linux-gnu/libfdt.so.1'))
  expect(mode & 0o7777).toBe(0o755)
})

test('apt resolves it as if nothing were installed, from the suite and the release that it is built on', async () => {
  await archive()
  await provideQemu(spec, { cache })
  const install = (await calls()).split('\n').find((line) => line.includes('install')) ?? ''
  expect(install).toMatch(/ install --download-only --yes --no-install-recommends qemu-system-x86$/)
  expect(install).toContain('-o APT::Default-Release=bookworm-backports ')
  expect(install).toContain('-o APT::Get::AllowUnauthenticated=false ')
  expect(/Dir::State::status=\S*\/qemu\/\S*\/packages\/status /.test(install)).toBe(true)
  const sources = await readFile(join(cache, 'apt/bookworm-backports+bookworm/sources.list'), 'utf8')
  expect(sources.split('\n').map((line) => line.split(' ').slice(3))).toEqual([
    ['http://mine/debian/', 'bookworm-backports', 'main'],
    ['http://mine/debian/', 'bookworm', 'main'],
    [],
  ])
})

test('one that was fetched is taken without asking apt', async () => {
  await archive()
  const path = await provideQemu(spec, { cache })
  const before = await calls()
  expect(await provideQemu(spec, { cache })).toBe(path)
  expect(await calls()).toBe(before)
})

test('one that does not run is a Failure with its words, and nothing is left', async () => {
  await packageOf(
    'qemu-system-x86',
    '1:10.0.2-1',
    'usr/bin/qemu-system-x86_64',
    'echo "libx.so: no such file" >&2; exit 127',
  )
  await archive()
  const error = await provideQemu(spec, { cache }).catch((failure) => failure)
  expect(error).toMatchObject({ kind: 'infra', remedy: expect.stringContaining('suite') })
  expect(error.message).toBe('qemu-system-x86@bookworm-backports does not run here: libx.so: no such file')
  expect(await readdir(place())).toEqual([])
})

test('one that tells its version and finds no firmware does not run', async () => {
  await packageOf(
    'qemu-system-x86',
    '1:10.0.2-1',
    'usr/bin/qemu-system-x86_64',
    `case "$*" in
      *--version*) echo "QEMU emulator version 10.0.2";;
      *-bios*) echo "qemu: could not load PC BIOS" >&2; exit 1;;
    esac`,
  )
  await archive()
  await expect(provideQemu(spec, { cache })).rejects.toThrow(': qemu: could not load PC BIOS')
  expect(await readdir(place())).toEqual([])
})

test('one that was opened in another way is opened again', async () => {
  await archive()
  const path = await provideQemu(spec, { cache })
  const file = join(path, '../ready.json')
  const { recipe, ...ready } = JSON.parse(await readFile(file, 'utf8'))
  for (const other of [ready, { recipe: recipe - 1, ...ready }]) {
    await writeFile(file, JSON.stringify(other))
    await writeFile(path, 'an old launcher')
    expect(await fetchedQemu(spec, cache)).toBeUndefined()
    expect(await provideQemu(spec, { cache })).toBe(path)
    expect(await readFile(path, 'utf8')).toMatch(/^#!/)
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ recipe, ...ready })
  }
})

test("one that is not to be had is a Failure with apt's words", async () => {
  await archive("echo 'E: Unable to locate package' >&2; exit 100")
  await expect(provideQemu(spec, { cache })).rejects.toThrow('E: Unable to locate package')
  expect(await readdir(place())).toEqual([])
})

test('an aborted download leaves nothing, and the next run works', async () => {
  await archive('exec sleep 60')
  const controller = new AbortController()
  const running = provideQemu(spec, { cache, signal: controller.signal })
  await vi.waitFor(async () => expect(await calls()).toContain('install'), 5000)
  controller.abort(new Error('interrupted'))
  await expect(running).rejects.toThrow('interrupted')
  expect(await readdir(place())).toEqual([])
  await archive()
  await provideQemu(spec, { cache })
})

test('a program of the machine is found, or a Failure names it and the choices', async () => {
  await program(join(directory, 'bin/qemu-mine'), '')
  const label = 'mine'
  expect(await provideQemu({ label, program: 'qemu-mine' }, { cache })).toBe(join(directory, 'bin/qemu-mine'))
  await expect(provideQemu({ label, program: '10.1' }, { cache })).rejects.toMatchObject({
    kind: 'infra',
    message: 'there is no QEMU called 10.1',
    remedy: expect.stringContaining('copylab doctor'),
  })
})
