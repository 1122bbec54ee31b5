import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Event } from '../../../../harness/events.ts'
import { Failure } from '../../../../harness/failure.ts'
import { BuildRefused, firstErrorIn } from '../../../../harness/kernel/errors.ts'
import { runMake } from '../../../../harness/kernel/make.ts'
import { type Kernel, lookUpKernel, provideKernel } from '../../../../harness/kernel/provide.ts'
import { buildEnvironment } from '../../../../harness/kernel/toolchain.ts'
import { loadSeries, type Series } from '../../../../harness/series/load.ts'
import type { Tree } from '../../../../harness/tree/provide.ts'
import { toyPatch, toyTree } from '../tree/toy-tree.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

/** What copylab asks of a kernel's build system, in a few lines; the image is a program that is there anyway. */
const makefile = `
allnoconfig:
	@cp $(KCONFIG_ALLCONFIG) $(O)/.config
	@sed -i /NEVER/d $(O)/.config
vmlinux:
	@echo "  CC      a.o"
	@echo "  CC      b.o"
	@sh ./build.sh "$(O)"
	@cp /bin/true $(O)/vmlinux
	@mkdir -p $(O)/include/config && echo 6.12.1 > $(O)/include/config/kernel.release
`
let directory: string
let cache: string
let fragment: string
let tree: Tree

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-kernel-'))
  cache = join(directory, 'copylab')
  fragment = join(directory, 'a.config')
  await writeFile(fragment, 'CONFIG_A=y\n')
  tree = await toyTree(directory, {
    Makefile: makefile,
    'build.sh': 'echo "$KCFLAGS" > $1/kcflags\n',
    Kconfig: 'config NEVER\n\tbool "never"\n\tdepends on NET\n',
  })
  await mkdir(join(directory, 'bin'))
  vi.stubEnv('PATH', [join(directory, 'bin'), process.env.PATH].join(delimiter))
  vi.stubEnv('XDG_CACHE_HOME', directory)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const provide = (more: Partial<Parameters<typeof provideKernel>[0]> = {}): Promise<Kernel> =>
  provideKernel({ tree, series: null, fragments: [fragment], cache, ...more })

/** A series of one patch that replaces what the build does. */
async function seriesThatRuns(script: string): Promise<Series> {
  const path = join(directory, 'series')
  await mkdir(path)
  const patch = await toyPatch(tree, 'x', () => writeFile(join(tree.git, 'build.sh'), script))
  await writeFile(join(path, '1.patch'), patch)
  await writeFile(join(path, 'series'), '1.patch\n')
  return loadSeries(path, tree.label)
}

test('a kernel is published with its configuration, log and facts', async () => {
  vi.stubEnv('KCFLAGS', '-DUSER')
  const kernel = await provide()
  expect(kernel).toMatchObject({ release: '6.12.1', treeVersion: '6.12.1-1', seriesHash: null, built: true })
  expect(kernel.compiler).toMatch(/^gcc .*; GNU ld/)
  expect((await readFile(kernel.image)).subarray(1, 4).toString()).toBe('ELF')
  expect(await readFile(kernel.config, 'utf8')).toBe('CONFIG_A=y\n')
  expect(await readFile(kernel.buildLog, 'utf8')).toContain('CC      b.o')
  const [build] = await readdir(join(cache, 'build'))
  expect(await readFile(join(cache, 'build', build ?? '', 'kcflags'), 'utf8')).toBe('\n')
})

test('the compiler speaks English, also after the Makefile has taken LC_ALL away', () => {
  for (const name of ['LANG', 'LANGUAGE', 'LC_MESSAGES']) vi.stubEnv(name, 'de_DE.UTF-8')
  const environment = Object.entries(buildEnvironment('/cache')).filter(([name]) => /^(LC_|LANG)/.test(name))
  expect(Object.fromEntries(environment)).toEqual({ LC_ALL: 'C', LANG: 'C.UTF-8' })
})

test('the same inputs start neither make nor git', async () => {
  const first = await provide()
  for (const name of ['make', 'git', 'setpriv']) {
    await writeFile(join(directory, 'bin', name), '#!/bin/sh\nexit 1\n')
    await chmod(join(directory, 'bin', name), 0o755)
  }
  const commented = join(directory, 'b.config')
  await writeFile(commented, '# the same\n\nCONFIG_A=y\n')
  const events: Event[] = []
  const second = await provide({ fragments: [commented], emit: (event) => events.push(event) })
  expect(second).toEqual({ ...first, built: false })
  expect(events).toEqual([])
})

test('a kernel that was built without notes of its warnings gets them by another build, and stays the same', async () => {
  const first = await provide()
  expect(first.warnings).toEqual([])
  const meta = join(cache, 'kernels', first.key, 'meta.json')
  await writeFile(meta, JSON.stringify({ ...JSON.parse(await readFile(meta, 'utf8')), warnings: undefined }))
  const [build = ''] = await readdir(join(cache, 'build'))
  await rm(join(cache, 'build', build, 'copylab-warnings.json'))
  expect(await provide()).toEqual({ ...first, warnings: null, built: false })
  const { ino } = await stat(first.image)
  expect(await provide({ warnings: true })).toEqual({ ...first, built: true })
  expect((await stat(first.image)).ino).toBe(ino)
  expect(await provide({ warnings: true })).toEqual({ ...first, built: false })
})

test.each([
  ['the sources', 'block/bio.c:1:2: error: x', BuildRefused],
  ['a full disk', 'block/bio.c:1:2: error: x\ncat: write error: No space left on device', Failure],
])('an error says whose fault it is: that of %s', async (_whose, words, kind) => {
  const series = await seriesThatRuns(`cat <<E\n${words}\nE\nexit 1\n`)
  const error = await provide({ series }).catch((error) => error)
  expect(error.message).toBe(`the kernel does not build: ${firstErrorIn(words)}`)
  expect(error.constructor).toBe(kind)
})

test('tree, series and options each give another kernel', async () => {
  const keys = new Set([(await provide()).key])
  keys.add((await provide({ tree: { ...tree, id: 'f'.repeat(40) } })).key)
  keys.add((await provide({ series: await seriesThatRuns('true\n') })).key)
  await writeFile(fragment, 'CONFIG_A=n2\n')
  keys.add((await provide()).key)
  expect(keys.size).toBe(4)
})

test('a series that is cut off before its first patch is the tree as it is', async () => {
  const whole = await seriesThatRuns('exit 1\n')
  const cut = await loadSeries(whole.specs, tree.label, { applied: 0 })
  const kernel = await provide({ series: cut })
  expect(kernel).toMatchObject({ seriesHash: null, built: true })
  expect(await provide()).toEqual({ ...kernel, built: false })
})

test('an option that may be missing is another kernel than one that must not be', async () => {
  await writeFile(fragment, 'CONFIG_A=y\nCONFIG_NEVER_HERE=y # if the tree has it\n')
  const first = await provide()
  await writeFile(fragment, 'CONFIG_A=y\nCONFIG_NEVER_HERE=y\n')
  await expect(provide()).rejects.toThrow('CONFIG_NEVER_HERE')
  expect(first.built).toBe(true)
})

test('another series builds in the same directory, another configuration in its own', async () => {
  await provide()
  await provide({ series: await seriesThatRuns('true\n') })
  expect(await readdir(join(cache, 'build'))).toHaveLength(1)
  await writeFile(fragment, 'CONFIG_B=y\n')
  await provide()
  expect(await readdir(join(cache, 'build'))).toHaveLength(2)
})

test('a tree that shares its objects with no other is built in a directory of its own', async () => {
  await provide()
  await rm(join(cache, 'kernels'), { recursive: true })
  await provide({ tree: { ...tree, lock: 'tree-pinned', objects: 'pinned' } })
  expect(await readdir(join(cache, 'build'))).toHaveLength(2)
})

test.each([
  ['meta.json', '{'],
  ['image', 'cut short'],
])('a kernel whose %s is damaged is made again', async (name, content) => {
  const first = await provide()
  const { size } = await stat(first.image)
  await writeFile(join(cache, 'kernels', first.key, name), content)
  const second = await provide()
  expect(second).toMatchObject({ key: first.key, built: true })
  expect((await stat(second.image)).size).toBe(size)
  expect((await provide()).built).toBe(false)
})

test('a disk that fills up during the build is a Failure with a remedy', async () => {
  const options = { args: ['--version'], environment: process.env, lock: 1 }
  await expect(runMake({ ...options, log: '/dev/full' })).rejects.toMatchObject({
    kind: 'infra',
    message: expect.stringContaining('ENOSPC'),
    remedy: expect.stringContaining('make room'),
  })
  const series = await seriesThatRuns('echo "cc1: error writing: No space left on device" >&2; exit 1\n')
  await expect(provide({ series })).rejects.toMatchObject({ remedy: expect.stringContaining('make room') })
})

test('an option that kconfig dropped is named with its fragment and what it depends on', async () => {
  await writeFile(fragment, 'CONFIG_A=y\nCONFIG_NEVER=y\n')
  const error = await provide().catch((failure) => failure)
  expect(error).toMatchObject({ kind: 'usage', log: expect.stringMatching(/\.config$/) })
  expect(error.message).toBe(
    `${fragment}:2: CONFIG_NEVER is wanted y, but kconfig made it n\n    Kconfig:1: it depends on NET (n)`,
  )
})

test('a build that fails says the first error, the log and the command, and publishes nothing', async () => {
  const series = await seriesThatRuns(
    'echo "  CC      c.o"; echo "../c.c:1:1: error: no" >&2; echo later; exit 1\n',
  )
  const error = await provide({ series }).catch((failure) => failure)
  expect(error).toMatchObject({ kind: 'infra', message: 'the kernel does not build: ../c.c:1:1: error: no' })
  expect(await readFile(error.log, 'utf8')).toMatch(/CC {6}c\.o[\s\S]*later/)
  expect(error.command).toMatch(
    /^make -C \S+ O=\S+ .*'KBUILD_BUILD_TIMESTAMP=2000-01-01 00:00:00 \+0000' .*vmlinux$/,
  )
  await expect(readdir(join(cache, 'kernels'))).rejects.toThrow('ENOENT')
})

test('progress counts objects, against the last build from nothing', async () => {
  const counts: unknown[] = []
  const emit = (event: Event) => {
    if (event.type === 'step-progress') counts.push([event.done, event.total])
  }
  await provide({ emit })
  await rm(join(cache, 'kernels'), { recursive: true })
  const [build] = await readdir(join(cache, 'build'))
  await rm(join(cache, 'build', build ?? '', 'vmlinux'))
  await provide({ emit })
  expect(counts).toEqual([
    [1, undefined],
    [2, undefined],
    [1, 2],
    [2, 2],
  ])
})

test('a tree is provided only when its kernel has to be built', async () => {
  const first = await provide()
  const asked: string[] = []
  const found = (id: string, source: Tree) => ({
    ...{ id, label: '6.12', version: '6.12.1-2' },
    provide: async () => {
      asked.push(id)
      return source
    },
  })
  expect(await provide({ tree: found(tree.id, tree) })).toEqual({
    ...first,
    treeVersion: '6.12.1-2',
    built: false,
  })
  expect(asked).toEqual([])
  // What came is another content than was recorded.
  expect(await provide({ tree: found('moved', tree) })).toEqual({ ...first, built: false })
  expect(asked).toEqual(['moved'])
  await rm(join(cache, 'kernels'), { recursive: true })
  expect(await provide({ tree: found(tree.id, tree) })).toMatchObject({ key: first.key, built: true })
})

test('of two at once one builds, and the other waits and finds the kernel', async () => {
  const notes: string[] = []
  const emit = (event: Event) => {
    if (event.type === 'note') notes.push(event.message)
  }
  const kernels = await Promise.all([provide({ emit }), provide({ emit })])
  expect(kernels.map(({ built }) => built).sort()).toEqual([false, true])
  expect(notes).toEqual([expect.stringMatching(/^waiting for .*, which is using tree-toy$/)])
})

test('an abort ends make and everything below it, and the next build is whole', async () => {
  const pids = join(directory, 'pids')
  const stubborn = `trap "" TERM; echo $$ > ${pids}; while :; do sleep 1; done`
  const series = await seriesThatRuns(`[ -f ${pids} ] && exit 0\nsh -c '${stubborn}' & wait\n`)
  const controller = new AbortController()
  const running = provide({ series, signal: controller.signal })
  await vi.waitFor(async () => expect(await readFile(pids, 'utf8')).toMatch(/\d/), 10_000)
  const pid = Number(await readFile(pids, 'utf8'))
  controller.abort(new Error('interrupted'))
  await expect(running).rejects.toThrow('interrupted')
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 5000)
  expect((await provide({ series })).built).toBe(true)
})

test('whether a kernel is there is known without building it', async () => {
  const wanted = { tree, series: null, fragments: [fragment], cache }
  const before = await lookUpKernel(wanted)
  expect(before.cached).toBe(false)
  const { key } = await provide()
  expect(await lookUpKernel(wanted)).toEqual({ key, cached: true })
  expect(before.key).toBe(key)
})
