import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { compileStatic } from '../../../qemu/cc.ts'
import { writeCpio } from '../../../qemu/cpio.ts'
import { provideInitrd } from '../../../qemu/image.ts'
import { putFiles } from '../../../qemu/shell.ts'
import { agentProgram, temporaryDirectory } from './support.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

/** A cache that has the compiled agent already. */
async function cache(): Promise<string> {
  const directory = temporaryDirectory()
  const agent = await agentProgram()
  symlinkSync(agent, join(directory, agent.split('/').at(-1) as string))
  return directory
}

const listing = (archive: string) =>
  execFileSync('busybox', ['cpio', '-tv'], {
    input: readFileSync(archive),
    stdio: ['pipe', 'pipe', 'ignore'],
  }).toString()

test('an archive holds files, links and the directories above them', async () => {
  const directory = temporaryDirectory()
  const [file, archive] = [join(directory, 'file'), join(directory, 'a.cpio')]
  writeFileSync(file, 'contents')
  await writeCpio(archive, [
    { path: '/a/b/file', kind: 'file', source: file, mode: 0o640 },
    { path: '/a/link', kind: 'link', target: 'b/file' },
    { path: '/a/b/text', kind: 'text', text: 'odd', mode: 0o600 },
  ])
  const out = join(directory, 'out')
  execFileSync('mkdir', [out])
  execFileSync('busybox', ['cpio', '-id'], {
    cwd: out,
    input: readFileSync(archive),
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  expect(readFileSync(join(out, 'a/link'), 'utf8')).toBe('contents')
  expect(readFileSync(join(out, 'a/b/text'), 'utf8')).toBe('odd')
  expect(statSync(join(out, 'a/b/file')).mode & 0o777).toBe(0o640)
})

test('an image has the agent, the applets, the tools and their libraries, and lists what is missing', async () => {
  const { path, missing } = await provideInitrd({ cacheDir: await cache(), tools: ['bash', 'no-such-tool'] })
  expect(missing).toEqual(['no-such-tool'])
  const members = listing(path)
  expect(members).toMatch(/-rwxr-xr-x .* init$/m)
  expect(members).toMatch(/ bin\/sh -> busybox$/m)
  expect(members).toMatch(/bin\/bash$/m)
  expect(members).toMatch(/ld-linux-x86-64\.so\.2$/m)
  expect(members).toMatch(/libc\.so\.6$/m)
})

test('the same inputs give the same image without work, another file another image', async () => {
  const cacheDir = await cache()
  const host = join(cacheDir, 'test-program')
  const files = [{ host, guest: '/put/test-program' }]
  writeFileSync(host, '#!/bin/sh\n', { mode: 0o755 })
  const first = await provideInitrd({ cacheDir, tools: [], files })
  const written = statSync(first.path).mtimeMs
  expect(await provideInitrd({ cacheDir, tools: [], files })).toEqual(first)
  expect(statSync(first.path).mtimeMs).toBe(written)
  writeFileSync(host, '#!/bin/sh\nexit 1\n')
  const second = await provideInitrd({ cacheDir, tools: [], files })
  expect(second.path).not.toBe(first.path)
  expect(listing(second.path)).toMatch(/-rwxr-xr-x .* put\/test-program$/m)
})

test('an image with files for once leaves nothing in the cache', async () => {
  const [cacheDir, imageDir] = [await cache(), temporaryDirectory()]
  await provideInitrd({ cacheDir, tools: [] })
  const before = readdirSync(cacheDir)
  const host = join(imageDir, 'test-program')
  writeFileSync(host, '#!/bin/sh\n', { mode: 0o755 })
  const files = putFiles([host])
  const { path } = await provideInitrd({ cacheDir, imageDir, tools: [], files })
  expect(dirname(path)).toBe(imageDir)
  expect(listing(path)).toMatch(/put\/test-program$/m)
  expect(readdirSync(cacheDir)).toEqual(before)
})

test('two files of one name cannot both be put', () => {
  expect(() => putFiles(['/a/test', '/b/test'])).toThrow(
    expect.objectContaining({ kind: 'usage', message: '--put: /a/test and /b/test would both be /put/test' }),
  )
})

test('an image that was deleted is made again', async () => {
  const cacheDir = await cache()
  const { path } = await provideInitrd({ cacheDir, tools: [] })
  rmSync(path)
  await provideInitrd({ cacheDir, tools: [] })
  expect(existsSync(path)).toBe(true)
})

test('a file that is not there is the user’s error', async () => {
  const files = [{ host: '/no/such/file', guest: '/put/file' }]
  await expect(provideInitrd({ cacheDir: await cache(), tools: [], files })).rejects.toMatchObject({
    kind: 'usage',
    message: 'cannot put /no/such/file into the guest: no such file',
  })
})

test('a compile error is reported with its first line and leaves nothing', async () => {
  const directory = temporaryDirectory()
  const source = join(directory, 'wrong.c')
  writeFileSync(source, 'int main(void) { return nothing; }\n')
  await expect(compileStatic(source, join(directory, 'out'))).rejects.toMatchObject({
    kind: 'infra',
    message: expect.stringMatching(/wrong\.c:1:25: error: .nothing. undeclared/),
  })
  expect(execFileSync('ls', [join(directory, 'out')]).toString()).toBe('')
})

test('a program is compiled anew when a header of its own changes', async () => {
  const directory = temporaryDirectory()
  const source = join(directory, 'main.c')
  writeFileSync(source, '#include "value.h"\nint main(void) { return VALUE; }\n')
  const compiled = async (value: number) => {
    writeFileSync(join(directory, 'value.h'), `#define VALUE ${value}\n`)
    return compileStatic(source, join(directory, 'out'))
  }
  const first = await compiled(0)
  expect(await compiled(1)).not.toBe(first)
  expect(await compiled(0)).toBe(first)
})

test('a source, or a header of its own, that is not there is told by the compiler, with the place', async () => {
  const directory = temporaryDirectory()
  const [source, header] = [join(directory, 'x.c'), join(directory, 'own.h')]
  const compile = () => compileStatic(source, join(directory, 'out'))
  await expect(compile()).rejects.toMatchObject({
    kind: 'infra',
    message: expect.stringMatching(/^cannot compile \S+x\.c: .*No such file/),
    command: expect.stringContaining(source),
  })
  writeFileSync(source, '#include "own.h"\nint main(void) { return VALUE; }\n')
  await expect(compile()).rejects.toThrow(/x\.c:1:\d+: fatal error: own\.h: No such file/)
  writeFileSync(header, '#include "stdio.h"\n#define VALUE 3\n')
  const program = await compile()
  expect(await compile()).toBe(program)
  rmSync(header)
  await expect(compile()).rejects.toThrow('own.h')
})
