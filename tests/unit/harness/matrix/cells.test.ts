import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePlan } from '../../../../harness/commands/run.ts'
import { loadConfig, projectRoot } from '../../../../harness/config/load.ts'
import { matrixCells } from '../../../../harness/matrix/cells.ts'
import { cellWords } from '../../../../harness/matrix/planned.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-matrix-'))
  for (const folder of ['mine/6.12', 'mine/7.3', 'kconfigs']) {
    await mkdir(join(directory, folder), { recursive: true })
  }
  for (const [folder, count] of [
    ['mine/6.12', 2],
    ['mine/7.3', 1],
  ] as const) {
    const names = Array.from({ length: count }, (_, index) => `000${index + 1}-x.patch`)
    await writeFile(join(directory, folder, 'series'), names.join('\n'))
    for (const name of names) await writeFile(join(directory, folder, name), patch)
  }
})
afterEach(() => rm(directory, { recursive: true }))

const patch = `From: A <a@example.org>
Subject: [PATCH] x

---
diff --git a/x b/x
--- a/x
+++ b/x
@@ -1 +1 @@
-a
+b
`

const head = `trees:
  "6.1": { debian: linux-source-6.1 }
  "6.12": { debian: linux-source-6.12 }
  "7.3": { debian: linux-source-7.3 }
qemus: { system: { program: qemu-system-x86_64 }, "10.0": { program: bin/qemu } }
kconfigs: { debug: [default, kasan], plain: [default] }
tree: "6.12"
machine: { qemu: system }
matrix:
`

/** `matrix` begins at line 10 of the file. */
async function cells(matrix: string) {
  await writeFile(join(directory, 'copylab.yaml'), head + matrix)
  return matrixCells(await loadConfig(directory))
}
const names = async (matrix: string) => (await cells(matrix)).map(({ cell }) => cell.name)

test('cells have the values of the axes, and of the configuration where there is no axis', async () => {
  expect(await names('  tree: ["6.12", "7.3"]\n  series: [none, mine]\n  qemu: ["10.0", system]\n')).toEqual([
    ...['6.12-qemu-10.0', '6.12', expect.stringMatching(/^6\.12-mine~\w{8}-qemu-10\.0$/)],
    ...[expect.stringMatching(/^6\.12-mine~\w{8}$/), '7.3-qemu-10.0', '7.3'],
    ...[expect.stringMatching(/^7\.3-mine~\w{8}-qemu/), expect.stringMatching(/^7\.3-mine~\w{8}$/)],
  ])
})

test('include extends cells, and adds cells that none of the others is extended by', async () => {
  const include = [
    '{ kconfig: debug, memory: 1024 }',
    '{ tree: "7.3", accel: tcg }',
    '{ tree: "6.1", kconfig: default }',
    '{ series: mine, patches: 1, profile: p.yaml }',
  ]
  const rules = `include:\n${include.map((rule) => `    - ${rule}\n`).join('')}`
  await writeFile(join(directory, 'p.yaml'), 'name: mine\n')
  const found = await cells(`  tree: ["6.12", "7.3"]\n  kconfig: [default, debug]\n  ${rules}`)
  expect(found.map(({ cell }) => cell.name)).toEqual([
    expect.stringMatching(/^6\.12-mine~\w{8}-1of2\+profile=p$/),
    expect.stringMatching(/^6\.12-mine~\w{8}-1of2\+profile=p\+kasan\+memory=1024$/),
    expect.stringMatching(/^7\.3-mine~\w{8}\+profile=p\+accel=tcg$/),
    expect.stringMatching(/^7\.3-mine~\w{8}\+profile=p\+kasan\+accel=tcg\+memory=1024$/),
    '6.1',
  ])
  expect(found[1]?.cell).toMatchObject({
    machine: { memory: 1024, accel: 'auto', qemu: { label: 'system' } },
    kconfig: expect.arrayContaining([join(directory, 'kconfigs/kasan.config')]),
    series: { patches: [expect.anything()], total: 2 },
  })
  expect(found.at(-1)?.where).toBe(`${join(directory, 'copylab.yaml')}:15`)
})

describe('a wrong matrix is refused with its line', () => {
  test.each([
    ['no matrix', '', 1, 'copylab.yaml has no matrix:'],
    [
      'nothing in it',
      '  {}\n',
      9,
      'matrix: expected at least one of tree, series, kconfig, qemu and include',
    ],
    [
      'an unknown axis',
      '  tree: ["6.12"]\n  kernel: [a]\n',
      11,
      'unknown key matrix.kernel; expected the axes tree, series, kconfig, qemu',
    ],
    ['an axis without values', '  tree: []\n', 10, 'matrix.tree: expected at least one value'],
    ['an axis that is no list', '  tree: "6.12"\n', 10, 'matrix.tree: expected a list'],
    [
      'a number for a name',
      '  tree:\n    - "6.12"\n    - 7.3\n',
      12,
      'matrix.tree.1: expected a name under trees:, in quotes',
    ],
    [
      'an unknown tree',
      '  tree:\n    - "6.12"\n    - "7.4"\n',
      12,
      'matrix.tree.1: there is no "7.4" under trees:; expected one of: 6.1, 6.12, 7.3',
    ],
    [
      'an unknown qemu',
      '  qemu: [nine]\n',
      10,
      'there is no "nine" under qemus:; expected one of: system, 10.0',
    ],
    [
      'an unknown kconfig',
      '  kconfig: [default, kasan]\n',
      10,
      'there is no "kasan" under kconfigs:; expected one of: default, debug, plain',
    ],
    [
      'a series beside none',
      '  series: [[none, mine]]\n',
      10,
      'matrix.series.0: none and mine cannot both be the series',
    ],
    [
      'an unknown name in exclude',
      '  tree: ["6.1"]\n  exclude:\n    - { tree: toString }\n',
      12,
      'matrix.exclude.0.tree: there is no "toString"',
    ],
    [
      'an unknown key in exclude',
      '  tree: ["6.1"]\n  exclude:\n    - { memory: 1 }\n',
      12,
      'unknown key matrix.exclude.0.memory; expected some of tree, series, kconfig, qemu',
    ],
    [
      'an unknown key in include',
      '  include:\n    - { mem: 1 }\n',
      11,
      'unknown key matrix.include.0.mem; expected some of tree, series, kconfig, qemu, accel, memory, patches, profile',
    ],
    ['an empty include', '  include:\n    - {}\n', 11, 'matrix.include.0: expected some of tree'],
    ['too little memory', '  include:\n    - { memory: 1 }\n', 11, 'matrix.include.0.memory: '],
    [
      'an exclude that matches nothing',
      '  tree: ["6.1", "6.12"]\n  exclude:\n    - { tree: "6.1" }\n    - { tree: "7.3" }\n',
      13,
      'matrix.exclude.1: no combination of the axes has { tree: 7.3 }: expected values that the axes have',
    ],
    [
      'an exclude of what is no axis',
      '  tree: ["6.1"]\n  exclude:\n    - { qemu: "10.0" }\n',
      12,
      'the matrix has no axis qemu',
    ],
    [
      'nothing left',
      '  tree: ["6.1"]\n  exclude:\n    - { tree: "6.1" }\n',
      9,
      'exclude takes away every cell',
    ],
    [
      'a value twice',
      '  tree: ["6.1", "6.1"]\n',
      9,
      'two cells are the same, 6.1: { tree: 6.1 } and { tree: 6.1 }',
    ],
    [
      'another name for the same',
      '  kconfig: [default]\n  include:\n    - { kconfig: plain }\n',
      12,
      'two cells are the same, 6.12: { kconfig: default } and { kconfig: plain }',
    ],
    [
      'a series that has no patches for a tree',
      '  tree: ["6.12", "6.1"]\n  series: [mine]\n',
      9,
      'matrix: { tree: 6.1, series: mine }: ',
    ],
    [
      'a series that is not there',
      '  include:\n    - { series: nowhere }\n',
      11,
      'matrix: { series: nowhere }: there is no series /',
    ],
    ['patches of nothing', '  include:\n    - { patches: 1 }\n', 11, '--patches 1: there is no series'],
  ])('%s', async (_what, matrix, line, words) => {
    await writeFile(join(directory, 'copylab.yaml'), matrix ? head + matrix : head.replace('matrix:\n', ''))
    const error = await loadConfig(directory)
      .then(matrixCells)
      .catch((failure) => failure)
    expect(error).toMatchObject({ name: 'Failure', kind: 'usage' })
    expect(error.message).toContain(words)
    if (matrix) expect(error.message).toContain(`${join(directory, 'copylab.yaml')}:${line}: `)
  })
})

describe('a run', () => {
  const context = { cwd: projectRoot, signal: new AbortController().signal }
  const plan = (options: object) => makePlan(['nvme/001'], options, context)
  const planned = async (options: object) => (await plan(options)).cells.map(({ cell }) => cell.name)

  test('has all cells of the matrix, or those that are named, or the one of the configuration', async () => {
    const all = await planned({ matrix: true })
    expect(all).toContain('6.12-copy-offload+kasan+memory=1024')
    expect(all.length).toBeGreaterThan(6)
    expect(await planned({ cell: ['7.3-copy-offload', '6.1'] })).toEqual(['6.1', '7.3-copy-offload'])
    expect(await planned({})).toEqual(['6.12-copy-offload'])
    const { cells } = await plan({ matrix: true })
    for (const { cases } of cells) expect(cases.map(({ id }) => id)).toEqual(['nvme/001'])
  })

  test('refuses a cell that is not there, and options that the matrix decides', async () => {
    await expect(plan({ cell: ['6.13'] })).rejects.toMatchObject({
      ...{ kind: 'usage', message: '--cell: the matrix has no cell "6.13"' },
      remedy: expect.stringContaining('expected one of: 6.1, '),
    })
    await expect(plan({ matrix: true, memory: '512' })).rejects.toThrow(/^--memory: /)
  })

  test('names a cell of a matrix to run it again, and has the options of one that they describe', () => {
    expect(cellWords({ matrix: true }, { name: 'a' })).toEqual(['--cell', 'a'])
    expect(cellWords({ cell: ['a', 'b'] }, { name: 'b' })).toEqual(['--cell', 'b'])
    expect(cellWords({ tree: '7.3', results: 'r' }, { name: '7.3' })).toEqual(['--tree', '7.3'])
  })

  test('of a cell that its options describe has the name that the matrix has for it', async () => {
    const { cells } = await plan({ kconfig: ['debug-kasan'], memory: '1024' })
    expect(await planned({ matrix: true })).toContain(cells[0]?.cell.name)
  })
})
