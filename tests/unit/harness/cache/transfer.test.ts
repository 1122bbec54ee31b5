import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { exportKernels, importKernels } from '../../../../harness/cache/transfer.ts'
import { verifyCache } from '../../../../harness/cache/verify.ts'
import { git } from '../../../../harness/tree/git.ts'
import { toyTree } from '../tree/toy-tree.ts'
import { keyOf, toyKernel } from './toy-cache.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 })

let directory: string
let cache: string
let other: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-transfer-'))
  cache = join(directory, 'copylab')
  other = join(directory, 'other')
  file = join(directory, 'k.tar.gz')
  vi.stubEnv('XDG_CACHE_HOME', directory)
  for (const path of [cache, other]) await mkdir(path)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const [a, b] = [keyOf('a'), keyOf('b')]
const kernels = (of: string) => readdir(join(of, 'kernels')).then((all) => all.sort())

test('kernels go to another machine, with what tells the trees of packages and commits', async () => {
  await toyKernel(cache, a, 1)
  await toyKernel(cache, b, 1)
  const ready = { id: 'i', version: '6.12.9-1', base: 'b' }
  for (const [name, stamp] of [
    ['linux-source-6.12@x', ''],
    ['tar-0', 'of this machine'],
  ] as const) {
    await mkdir(join(cache, 'trees', name, 'commits'), { recursive: true })
    await writeFile(join(cache, 'trees', name, 'ready.json'), JSON.stringify({ ...ready, stamp }))
  }
  await writeFile(join(cache, 'trees/tar-0/commits', `${'1'.repeat(40)}.json`), '{}')
  expect(await exportKernels(cache, file, [])).toEqual([a, b])
  expect(await importKernels(other, file)).toEqual({ added: [a, b], known: [] })
  for (const name of ['image', 'meta.json', 'config', 'build.log']) {
    const [from, to] = [cache, other].map((of) => join(of, 'kernels', a, name)) as [string, string]
    expect((await readFile(from)).equals(await readFile(to))).toBe(true)
  }
  expect((await readdir(join(other, 'trees'), { recursive: true })).sort()).toEqual([
    'linux-source-6.12@x',
    'linux-source-6.12@x/ready.json',
    'tar-0',
    'tar-0/commits',
    `tar-0/commits/${'1'.repeat(40)}.json`,
  ])
  expect(await importKernels(other, file)).toEqual({ added: [], known: [a, b] })
  expect((await readdir(other)).sort()).toEqual(['kernels', 'trees'])
})

test('some of them are chosen by how their keys begin', async () => {
  await toyKernel(cache, a, 1, 10)
  await toyKernel(cache, b, 1, 10)
  expect(await exportKernels(cache, file, ['bb'])).toEqual([b])
  await expect(exportKernels(cache, file, ['c'])).rejects.toMatchObject({ kind: 'usage' })
  expect((await importKernels(other, file)).added).toEqual([b])
})

test('a file that was cut short, changed or made by another program brings nothing in', async () => {
  await toyKernel(cache, a, 1, 100_000)
  const plain = join(directory, 'k.tar')
  await exportKernels(cache, plain, [])
  const whole = await readFile(plain)
  const at = whole.indexOf('CONFIG_A=y')
  const changed = Buffer.from(whole)
  changed.write('CONFIG_B', at)
  await writeFile(join(directory, 'changed.tar'), changed)
  await writeFile(join(directory, 'short.tar'), whole.subarray(0, whole.length / 2))
  await exportKernels(cache, file, [])
  await truncate(file, Math.floor((await stat(file)).size / 2))
  await writeFile(join(directory, 'text.tar'), 'text')
  const strange = join(directory, 'strange.tar')
  await execa('tar', ['-cf', strange, '-C', directory, 'text.tar'])
  for (const name of ['changed.tar', 'short.tar', 'k.tar.gz', 'text.tar', 'strange.tar', 'none.tar']) {
    const failure = await importKernels(other, join(directory, name)).catch((error) => error)
    expect([name, failure.name, failure.kind]).toEqual([name, 'Failure', 'usage'])
  }
  expect(await readdir(other)).toEqual([])
})

test.each([
  ['a path that leads out', ['--transform=s,.*,../evil,', 'config']],
  ['a link', [`--transform=flags=r;s,.*,kernels/${a}/image,`, 'link']],
])('an import with %s writes nothing', async (_what, args) => {
  await writeFile(join(directory, 'config'), 'x')
  await execa('ln', ['-s', '/etc/passwd', join(directory, 'link')])
  await execa('tar', ['-P', '-cf', file, '-C', directory, ...args])
  await expect(importKernels(other, file)).rejects.toMatchObject({ kind: 'usage' })
  expect(await readdir(other)).toEqual([])
})

test('what is there but not whole is replaced', async () => {
  await toyKernel(cache, a, 1, 10)
  await exportKernels(cache, file, [])
  await mkdir(join(other, 'kernels', a), { recursive: true })
  await writeFile(join(other, 'kernels', a, 'image'), 'half')
  expect((await importKernels(other, file)).added).toEqual([a])
})

const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0

test.skipIf(!canMount)('a disk that fills up leaves the cache as it was', async () => {
  await toyKernel(cache, a, 1, 4_000_000)
  await exportKernels(cache, file, [])
  const program = `
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
    register()
    const { importKernels } = await import(${JSON.stringify(new URL('../../../../harness/cache/transfer.ts', import.meta.url).href)})
    const error = await importKernels(${JSON.stringify(other)}, ${JSON.stringify(file)}).catch((error) => error)
    console.log(error.code, ...(await import('node:fs')).readdirSync(${JSON.stringify(other)}))`
  const mounted = `mount -t tmpfs -o size=1m none ${other} && exec "$@"`
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', mounted, 'sh', process.execPath, '--input-type=module', '--eval', program],
    { encoding: 'utf8' },
  )
  expect([stdout, stderr]).toEqual(['ENOSPC\n', ''])
})

test('what is damaged is found: an image, a tree without an object', async () => {
  await toyKernel(cache, a, 1, 100)
  const bad = await toyKernel(cache, b, 1, 100)
  await writeFile(join(bad, 'image'), Buffer.alloc(100))
  const tree = await toyTree(join(cache, 'trees/t'), { Makefile: 'x\n' })
  await writeFile(join(cache, 'trees/t/ready.json'), JSON.stringify({ ...tree, stamp: '' }))
  const verify = async () => {
    const problems = new Map<string, string | undefined>()
    for await (const { entry, problem } of verifyCache(cache, {})) problems.set(entry.name, problem)
    return problems
  }
  expect(await verify()).toEqual(
    new Map([
      [a, undefined],
      [b, expect.stringContaining('not the one')],
      ['t', undefined],
    ]),
  )
  const blob = await git(tree.git, ['rev-parse', 'base:Makefile'])
  await rm(join(tree.git, '.git/objects', blob.slice(0, 2), blob.slice(2)))
  expect((await verify()).get('t')).toMatch(/^git fsck: .*missing/)
  expect(await kernels(cache)).toEqual([a, b])
})
