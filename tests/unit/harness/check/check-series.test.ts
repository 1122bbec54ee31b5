import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { CheckName, TreeResult } from '../../../../harness/check/result.ts'
import { type CheckOptions, checkSeries } from '../../../../harness/commands/check-series.ts'
import type { Tree } from '../../../../harness/tree/provide.ts'
import { toyPatch, toyTree } from '../tree/toy-tree.ts'
import { toyKernel } from './toy-kernel.ts'

// It starts real compilers, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

let directory: string
let tree: Tree
/** What was written to standard error. */
let said: string[]
const at = (name: string) => join(directory, name)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-check-'))
  vi.stubEnv('XDG_CACHE_HOME', directory)
  said = []
  tree = await toyTree(directory, toyKernel)
  const config = 'trees: { "6.12": { debian: linux-source-6.12 }, "7.3": { debian: linux-source-7.3 } }\n'
  await writeFile(at('copylab.yaml'), `${config}tree: "6.12"\nseries: mine\nkconfig: [./a.config]\n`)
  await writeFile(at('a.config'), 'CONFIG_A=y\n')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

/** A patch after another: what each file is after it. */
type Step = Record<string, string | ((before: string) => string)>

/** Writes the series, and puts the tree where the cache keeps it. */
async function prepare(...steps: Step[]) {
  await mkdir(at('mine/6.12'), { recursive: true })
  const now: Step = {}
  const patches: string[] = []
  for (const [index, step] of steps.entries()) {
    // Each patch is made on what the ones before it have made.
    const before = { ...now }
    for (const [name, change] of Object.entries(step)) {
      const text = (now[name] ?? toyKernel[name] ?? '') as string
      now[name] = typeof change === 'string' ? change : change(text)
    }
    const after = { ...now }
    const write = async (files: Step) => {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(tree.git, name)), { recursive: true })
        await writeFile(join(tree.git, name), text as string)
      }
    }
    const both = await withBase(before, write, () => toyPatch(tree, `step ${index + 1}`, () => write(after)))
    patches.push(both)
  }
  for (const [index, patch] of patches.entries()) await writeFile(at(`mine/6.12/${index}.patch`), patch)
  await writeFile(at('mine/6.12/series'), patches.map((_, index) => `${index}.patch\n`).join(''))
  await execa('git', ['reset', '--quiet', '--hard', tree.base], { cwd: tree.git })
  const place = at('copylab/trees/linux-source-6.12')
  await mkdir(place, { recursive: true })
  await rename(tree.git, join(place, 'source'))
  const ready = { id: tree.id, version: tree.version, base: tree.base }
  await writeFile(join(place, 'ready.json'), JSON.stringify(ready))
  tree = { ...tree, git: join(place, 'source') }
}

async function withBase(files: Step, write: (files: Step) => Promise<void>, make: () => Promise<string>) {
  const git = (...args: string[]) =>
    execa('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: tree.git })
  await git('reset', '--quiet', '--hard', tree.base)
  await write(files)
  await git('add', '--all', '--force', '.')
  await git('commit', '--quiet', '--allow-empty', '--message=before')
  return make()
}

/** Runs the command; it prints to standard output. */
async function copylab(options: CheckOptions): Promise<{ status: number; stdout: string }> {
  const written: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  try {
    const signal = new AbortController().signal
    const status = await checkSeries({ tree: ['6.12'], ...options }, { cwd: directory, signal })
    return { status, stdout: written.join('') }
  } finally {
    write.mockRestore()
    vi.mocked(process.stderr.write).mockRestore()
  }
}

async function check(options: CheckOptions = {}): Promise<{ status: number; result: TreeResult }> {
  const { status, stdout } = await copylab({ json: true, ...options })
  return { status, result: JSON.parse(stdout).trees[0] }
}

const column = ({ patches }: TreeResult, name: CheckName) => patches.map(({ checks }) => checks[name]?.state)
const found = ({ patches }: TreeResult, name: CheckName) =>
  patches.map(({ checks }) => checks[name]?.findings)

test('a patch that breaks a file it does not touch is found, and so is the one that mends it', async () => {
  await prepare(
    { 'main.c': (text) => text.replace('{ 1 }', '{ 2 }') },
    { 'include/dev.h': (text) => text.replace('int size', 'int bytes') },
    { 'lib/other.c': (text) => text.replace('0', '1') },
    { 'lib/use.c': (text) => text.replace('d->size', 'd->bytes') },
  )
  const { status, result } = await check()
  expect(status).toBe(1)
  expect(column(result, 'apply')).toEqual(['ok', 'ok', 'ok', 'ok'])
  expect(column(result, 'build')).toEqual(['ok', 'fail', 'broken', 'mended'])
  expect(found(result, 'build')).toEqual([
    [],
    [
      expect.stringMatching(
        /^lib\/use\.c:4: error: 'struct dev' has no member named 'size' \(patch 4 mends it\)$/,
      ),
    ],
    ['still broken by patch 2'],
    ['mends what patch 2 broke'],
  ])
  // lib/dev.c complains at the base already.
  expect(column(result, 'warnings')).toEqual(['ok', 'ok', 'ok', 'ok'])
  expect(await readFile(result.buildLog ?? '', 'utf8')).toContain('CC      lib/use.o')

  // The table says the same.
  const { stdout } = await copylab({})
  expect(stdout).toMatch(
    /^mine on 6\.12 \(6\.12\.1-1\)\n {3}patch {4}apply {2}build {2}warnings {2}checkpatch/,
  )
  expect(stdout).toMatch(/^2 {2}step 2 {3}ok {5}FAIL {3}ok/m)
})

test('a function that comes later than its caller is found, though every file compiles', async () => {
  await prepare(
    {
      'include/other.h': (text) => `${text}int later(void);\n`,
      'main.c': (text) => text.replace('other();', 'other();\n\tlater();'),
    },
    { 'lib/other.c': (text) => `${text}\nint later(void)\n{\n\treturn 1;\n}\n` },
  )
  const { result } = await check()
  expect(column(result, 'build')).toEqual(['fail', 'mended'])
  expect(found(result, 'build')[0]).toEqual(["main.o: undefined reference to 'later' (patch 2 mends it)"])
  const full = await check({ full: true })
  expect(column(full.result, 'build')).toEqual(['fail', 'mended'])
})

test('a function that goes away and comes back, and one that never comes, are found where they are amiss', async () => {
  await prepare(
    { 'lib/other.c': (text) => text.replace('int other(', 'int another(') },
    { 'lib/other.c': (text) => text.replace('int another(', 'int other(') },
    {
      'include/dev.h': (text) => text.replace('#endif', 'int never(void);\n#endif'),
      'lib/use.c': (text) => text.replace('d->size', 'd->size + never()'),
    },
    { 'lib/other.c': (text) => text.replace('return 0', 'return 1') },
  )
  const { result } = await check({ only: ['build'] })
  expect(found(result, 'build')).toEqual([
    ["main.o: undefined reference to 'other' (patch 2 mends it)"],
    ['mends what patch 1 broke'],
    ["lib/use.o: undefined reference to 'never'"],
    ['still broken by patch 3'],
  ])
})

test('a series that stays broken says which patch broke it, at the link, the compiler and the Makefile', async () => {
  await prepare(
    { 'lib/other.c': (text) => text.replace('return 0', 'return x') },
    { 'lib/Makefile': (text) => text.replace('lib/other.o', 'lib/other.o lib/new.o') },
    {
      'include/dev.h': (text) => text.replace('#endif', 'int never(void);\n#endif'),
      'lib/use.c': (text) => text.replace('d->size', 'd->size + never()'),
    },
  )
  const { status, result } = await check()
  expect(status).toBe(1)
  expect(column(result, 'build')).toEqual(['fail', 'fail', 'fail'])
  expect(found(result, 'build')).toEqual([
    [expect.stringContaining("lib/other.c:4: error: 'x' undeclared")],
    [expect.stringContaining('No rule to make target')],
    ["lib/use.o: undefined reference to 'never'"],
  ])
})

test('a warning is put down to the patch that adds it, not to those after it nor to the tree', async () => {
  await prepare(
    { 'lib/dev.c': (text) => text.replace('int unrelated', '/* more */\nint unrelated') },
    { 'lib/use.c': (text) => text.replace('{\n', '{\n\tint spare;\n\n') },
    {
      'include/other.h': (text) =>
        text.replace('int other(void);', 'static int quiet(void) { return 1; }\nint other(void);'),
    },
  )
  const { result } = await check()
  expect(column(result, 'build')).toEqual(['ok', 'ok', 'ok'])
  expect(column(result, 'warnings')).toEqual(['ok', 'fail', 'fail'])
  expect(found(result, 'warnings')[1]).toEqual([
    expect.stringContaining("lib/use.c:4: warning: unused variable 'spare'"),
  ])
  expect(found(result, 'warnings')[2]).toEqual([
    expect.stringContaining("include/other.h:1: warning: 'quiet' defined but not used"),
  ])
  // What is up to date compiles nothing and says nothing; the answer is the same.
  expect((await check()).result.patches).toEqual(result.patches)
})

test('W=1, sparse, checkpatch, kernel-doc and whitespace find what a patch adds', async () => {
  await prepare(
    { 'lib/use.c': (text) => text.replace('{\n', '{\n\tif (d->size < 0u)\n\t\treturn 1;\n') },
    { 'lib/other.c': (text) => `${text}\n/* FIXME */ \nint __bad;\n` },
    { 'main.c': (text) => `/** bad\n */\n${text}` },
  )
  await mkdir(at('bin'))
  await writeFile(at('bin/sparse'), '#!/bin/sh\n', { mode: 0o755 })
  vi.stubEnv('PATH', `${at('bin')}:${process.env.PATH}`)
  const { status, result } = await check({ w1: true, sparse: true })
  expect(status).toBe(1)
  expect(column(result, 'build')).toEqual(['ok', 'ok', 'ok'])
  expect(found(result, 'w1')[0]?.join()).toContain('lib/use.c:4: warning: comparison of unsigned expression')
  expect(column(result, 'w1').slice(1)).toEqual(['ok', 'ok'])
  expect(found(result, 'sparse')).toEqual([[], ['lib/other.c:8: warning: bad address space'], []])
  expect(found(result, 'checkpatch')).toEqual([[], ['main.c:3: WARNING:FIXME: mend it now'], []])
  expect(found(result, 'whitespace')).toEqual([[], ['lib/other.c:7: trailing whitespace.'], []])
  expect(found(result, 'kernel-doc')).toEqual([[], [], ['main.c:1: warning: no description']])
  const some = await check({ only: ['apply', 'checkpatch'], ignore: ['FIXME'] })
  expect(some.status).toBe(0)
  expect(Object.keys(some.result.patches[0]?.checks ?? {})).toEqual(['apply', 'checkpatch'])
  await writeFile(at('mine/profile.yaml'), 'name: mine\ncheckpatch: { ignore: [FIXME] }\n')
  expect((await check({ only: ['apply', 'checkpatch'] })).status).toBe(0)
})

test('a patch that does not apply ends the table for its tree, after what came before it', async () => {
  await prepare(
    { 'main.c': (text) => text.replace('{ 1 }', '{ 2 }') },
    { 'lib/use.c': (text) => text.replace('d->size', '7') },
  )
  const second = await readFile(at('mine/6.12/1.patch'), 'utf8')
  await writeFile(at('mine/6.12/1.patch'), second.replace('-\treturn d->size;', '-\treturn d->gone;'))
  await writeFile(at('mine/6.12/2.patch'), second)
  await writeFile(at('mine/6.12/series'), '0.patch\n1.patch\n2.patch\n')
  const { status, result } = await check({ only: ['apply', 'whitespace'] })
  expect(status).toBe(1)
  expect(column(result, 'apply')).toEqual(['ok', 'fail', 'not reached'])
  expect(column(result, 'whitespace')).toEqual(['ok', 'not reached', 'not reached'])
  expect(found(result, 'apply')[1]?.join()).toContain('lib/use.c: hunk 1 of 1 does not apply')
})

test('a header that all include costs a few objects a patch, not all of them', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `lib/n${index}.o`)
  const sources = names.map((name) => [
    name.replace('.o', '.c'),
    `#include <dev.h>\nint ${name.slice(4, -2)}(void)\n{\n\treturn 0;\n}\n`,
  ])
  await rm(tree.git, { recursive: true })
  const files = { ...toyKernel, ...Object.fromEntries(sources) }
  files['lib/Makefile'] = `${files['lib/Makefile']?.trim()} ${names.join(' ')}\n`
  tree = await toyTree(directory, files)
  const add = (field: string): Step => ({
    'include/dev.h': (text) => text.replace('int size;', `int size;\n\tint ${field};`),
  })
  await prepare(add('one'), add('two'), add('three'))
  const { status, result } = await check({ only: ['build', 'warnings'] })
  expect(status).toBe(0)
  // Of 44 objects at most eight after a patch, and the one that complains of its own accord.
  expect(result.compiled?.slice(-2).every((count) => count >= 8 && count <= 9)).toBe(true)
})

test('what cannot be checked is a usage error', async () => {
  await prepare({ 'main.c': (text) => text.replace('{ 1 }', '{ 2 }') })
  for (const [options, words] of [
    [{ only: ['biuld'] }, '--only: there is no check biuld; expected some of: apply, build'],
    [{ series: ['none'] }, 'there is no series to check'],
    [{ tree: ['7.3'] }, 'has no series for the tree 7.3'],
    [{ tree: ['5.0'] }, '--tree: there is no tree "5.0"'],
  ] as const) {
    const error = await copylab(options as unknown as CheckOptions).catch((failure) => failure)
    expect(error).toMatchObject({ name: 'Failure', kind: 'usage' })
    expect(error.message).toContain(words)
  }
  // A tree that nobody asked for is left out.
  const { status } = await copylab({ tree: undefined, only: ['apply'] } as unknown as CheckOptions)
  expect(said.join('')).toContain('7.3 is left out: ')
  expect(status).toBe(0)
})
