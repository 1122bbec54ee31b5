import { expect, test } from 'vitest'
import { loadConfig, projectRoot } from '../../../../harness/config/load.ts'
import { type MatrixCell, matrixCells } from '../../../../harness/matrix/cells.ts'
import { github } from '../../../../harness/matrix/formats/github.ts'
import { json } from '../../../../harness/matrix/formats/json.ts'
import { text } from '../../../../harness/matrix/formats/text.ts'
import { firstOfEachKernel } from '../../../../harness/matrix/kernels.ts'

const config = await loadConfig(projectRoot)
const cells = await matrixCells(config)
const named = (name: string) => cells.filter(({ cell }) => cell.name === name)

test('text is a table for people', () => {
  const [qemu] = named('7.3-copy-offload-qemu-10.0')
  const [kasan] = named('6.12-copy-offload+kasan+memory=1024')
  const [plain] = named('6.1')
  expect(text([qemu, kasan, plain] as MatrixCell[])).toBe(
    `CELL                                 TREE  SERIES        KCONFIG      QEMU    ACCEL  MEMORY
7.3-copy-offload-qemu-10.0           7.3   copy-offload  default      10.0    auto   384 MiB
6.12-copy-offload+kasan+memory=1024  6.12  copy-offload  debug-kasan  system  auto   1024 MiB
6.1                                  6.1   none          default      system  auto   384 MiB
3 cells
`,
  )
})

test('text says where a series is cut off', () => {
  const [one] = named('6.12-copy-offload') as [MatrixCell]
  const { series } = one.cell
  if (!series) throw new Error('no series')
  const cut = { ...one, cell: { ...one.cell, series: { ...series, patches: series.patches.slice(0, 3) } } }
  expect(text([cut])).toMatch(new RegExp(` copy-offload 3/${series.total} .*\n1 cell\n$`))
})

test('json has what programs ask for', () => {
  const { cells: facts } = JSON.parse(json(cells))
  expect(facts).toHaveLength(cells.length)
  expect(facts[0]).toMatchObject({
    name: '6.1',
    kernel: '6.1',
    tree: '6.1',
    series: null,
    kconfig: 'default',
  })
  expect(facts.find(({ qemu }: { qemu: string }) => qemu === '10.0')).toMatchObject({
    ...{ name: '6.12-copy-offload-qemu-10.0', kernel: '6.12-copy-offload', accel: 'auto' },
    ...{ cpus: 2, memoryMiB: 384, series: { name: 'copy-offload' } },
    where: expect.stringMatching(/copylab\.yaml:\d+$/),
  })
})

test('github has a job for each cell, or for each shard of it', () => {
  const one = named('6.12-copy-offload-qemu-10.0')
  const all = [...named('6.12-copy-offload'), ...one]
  expect(JSON.parse(github(all, { shards: 1 }))).toEqual({
    include: [
      {
        ...{ name: '6.12-copy-offload', cell: '6.12-copy-offload', kernel: '6.12-copy-offload' },
        slug: '6.12-copy-offload',
      },
      {
        ...{ name: '6.12-copy-offload-qemu-10.0', cell: '6.12-copy-offload-qemu-10.0' },
        ...{ kernel: '6.12-copy-offload', slug: '6.12-copy-offload-qemu-10.0' },
      },
    ],
  })
  const { include } = JSON.parse(github(one, { shards: 2 }))
  expect(include).toMatchObject([
    { name: '6.12-copy-offload-qemu-10.0 1/2', shard: '1/2', slug: '6.12-copy-offload-qemu-10.0.1' },
    { name: '6.12-copy-offload-qemu-10.0 2/2', shard: '2/2', slug: '6.12-copy-offload-qemu-10.0.2' },
  ])
  // $GITHUB_OUTPUT takes one line.
  expect(github(cells, { shards: 2 })).toMatch(/^[^\n]+\n$/)
})

test('github refuses more jobs than it would start', () => {
  expect(() => github(cells, { shards: 100 })).toThrow(
    `${cells.length} cells in 100 shards are ${cells.length * 100} jobs, and GitHub starts at most 256`,
  )
})

test('cells with the same tree, patches and kconfig share a kernel', () => {
  const kernels = firstOfEachKernel(cells).map(({ cell }) => cell.name)
  expect(kernels).toContain('6.12-copy-offload')
  expect(kernels).toContain('6.12-copy-offload+kasan+memory=1024')
  expect(kernels).not.toContain('6.12-copy-offload-qemu-10.0')
  const [one] = named('6.12-copy-offload') as [MatrixCell]
  const cell = (changes: object) => ({ cell: { ...one.cell, name: 'other', ...changes } })
  const shared = (changes: object) => firstOfEachKernel([one, cell(changes)]).length === 1
  expect(shared({ kconfig: one.cell.kconfig.toReversed() })).toBe(true)
  expect(shared({ machine: { ...one.cell.machine, memory: 999 } })).toBe(true)
  expect(shared({ kconfig: one.cell.kconfig.slice(1) })).toBe(false)
  expect(shared({ series: null })).toBe(false)
  expect(shared({ tree: { label: '6.12', debian: 'linux-source-6.12=6.12.1-1' } })).toBe(false)
})
