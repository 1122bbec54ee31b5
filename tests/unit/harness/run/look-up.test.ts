import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cacheDirectory } from '../../../../harness/cache/directory.ts'
import { lookUpKernel } from '../../../../harness/kernel/provide.ts'
import { lookUpCells } from '../../../../harness/run/look-up.ts'
import type { Cell } from '../../../../harness/run/plan.ts'
import { provideTree } from '../../../../harness/tree/provide.ts'
import { toyCell } from './toy-run.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
let cell: Cell
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-unit-'))
  vi.stubEnv('XDG_CACHE_HOME', directory)
  const [linux, fragment] = [join(directory, 'linux'), join(directory, 'a.config')]
  await mkdir(linux)
  await writeFile(join(linux, 'Makefile'), 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n')
  await writeFile(join(linux, 'Kconfig'), '')
  await writeFile(fragment, 'CONFIG_A=y\n')
  cell = {
    ...{ ...toyCell('x'), kconfig: [fragment] },
    tree: { label: 'x', directory: linux, dirty: 'refuse' },
    machine: { ...toyCell('x').machine, qemu: { label: 'true', program: 'true' } },
  }
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const lookUp = (...cells: Cell[]) =>
  lookUpCells(cells, { signal: new AbortController().signal, emit: () => {} })

/** Puts the kernel of the cell into the cache, as far as anybody looks before it is booted. */
async function publishKernel(): Promise<string> {
  const cache = cacheDirectory()
  const tree = await provideTree(cell.tree, { cache })
  const { key } = await lookUpKernel({ tree, series: null, fragments: cell.kconfig, cache })
  await mkdir(join(cache, 'kernels', key), { recursive: true })
  await writeFile(join(cache, 'kernels', key, 'image'), '1234')
  const meta = { release: '6.12.1', treeVersion: '6.12.1', compiler: 'gcc', seriesHash: null, buildMs: 1 }
  await writeFile(
    join(cache, 'kernels', key, 'meta.json'),
    JSON.stringify({ ...meta, imageBytes: 4, ccache: null }),
  )
  return key
}

test('a cell is cached when its kernel and its emulator are there', async () => {
  expect(await lookUp(cell)).toEqual([{ kernelKey: null, cached: false }])
  const kernelKey = await publishKernel()
  const fetched = { label: '10.0', debian: 'qemu-system-x86' as const, suite: 'bookworm-backports' }
  const elsewhere = { ...cell, machine: { ...cell.machine, qemu: fetched } }
  const absent = { ...cell, machine: { ...cell.machine, qemu: { label: 'q', program: '/nonexistent/q' } } }
  expect(await lookUp(cell, elsewhere, absent)).toEqual([
    { kernelKey, cached: true },
    { kernelKey, cached: false },
    { kernelKey, cached: false },
  ])
})

test.each([
  ['a fragment', () => ({ ...cell, kconfig: ['/nonexistent.config'] })],
  ['a tree', () => ({ ...cell, tree: { ...cell.tree, directory: '/nonexistent' } as Cell['tree'] })],
])('%s that is not there is told before anything is built', async (_name, other) => {
  await expect(lookUp(cell, other())).rejects.toMatchObject({ kind: 'usage' })
})

test('a compiler that does not work is told when the cell is provided', async () => {
  await publishKernel()
  await writeFile(join(directory, 'gcc'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  vi.stubEnv('PATH', [directory, process.env.PATH].join(delimiter))
  expect(await lookUp(cell)).toEqual([{ kernelKey: null, cached: false }])
})
