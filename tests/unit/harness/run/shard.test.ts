import { expect, test, vi } from 'vitest'
import type { PlannedCell } from '../../../../harness/run/plan.ts'
import {
  describeShard,
  expectedMs,
  parseShard,
  splitCells,
  takeShard,
} from '../../../../harness/run/shard.ts'
import { type Estimate, estimator, noTimes } from '../../../../harness/run/times.ts'

// The machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

function planned(name: string, ids: readonly string[]): PlannedCell {
  const machine = { qemu: { label: 'system', program: 'q' }, accel: 'tcg' as const, cpus: 2, memory: 384 }
  const tree = { label: '6.12', debian: 'linux-source-6.12' }
  const cases = ids.map((id) => {
    return { id, group: id.split('/')[0] ?? '', description: '', offloads: [], needs: [], file: '' }
  })
  return { cell: { name, tree, series: null, kconfig: ['boot'], machine }, cases }
}

const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => `nvme/${String(index).padStart(3, '0')}`)
/** Each case takes `caseMs`, each cell `overheadMs` more. */
const flat =
  (caseMs: number, overheadMs: number): Estimate =>
  () => ({ overheadMs, caseMs: () => caseMs })
const shape = (parts: PlannedCell[][]) =>
  parts.map((cells) => cells.map(({ cell, cases }) => `${cell.name}:${cases.length}`).join(' '))

test.each([
  '0/3',
  '4/3',
  'x',
  '1',
  '1/0',
  '1/3/5',
  '-1/3',
  ' 1/3',
  '1/99999',
  '',
])('--shard %j is a usage error', (text) => {
  expect(() => parseShard(text)).toThrow(expect.objectContaining({ kind: 'usage' }))
})

test('a shard is counted from 1 on', () => {
  expect(['1/1', '3/3', '02/10'].map(parseShard)).toEqual([
    { index: 1, count: 1 },
    { index: 3, count: 3 },
    { index: 2, count: 10 },
  ])
})

/** Park and Miller's generator: the same numbers on every run. */
function random(seed: number) {
  let state = seed
  return (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

test('every case of every cell is in exactly one part, in the order of the plan, whatever the times', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = random(seed)
    const cells = Array.from({ length: next(6) }, (_, index) => planned(`c${index}`, numbered(next(40))))
    const overheads = cells.map(() => next(3) * next(50_000))
    const times = new Map(numbered(40).map((id) => [id, next(4) ? next(3000) : 0]))
    const estimate: Estimate = ({ name }) => ({
      overheadMs: overheads[Number(name.slice(1))] ?? 0,
      caseMs: (id) => times.get(id) ?? 0,
    })
    const count = 1 + next(9)
    const parts = splitCells(cells, count, estimate)
    const flatten = (some: PlannedCell[]) =>
      some.flatMap(({ cell, cases }) => cases.map(({ id }) => `${cell.name} ${id}`))
    expect(parts).toHaveLength(count)
    expect(parts.flatMap(flatten), `seed ${seed}`).toEqual(flatten(cells))
    // Beside its even share a part has one more case, and cells that are broken pay their overhead twice.
    const longest = Math.max(...parts.map((part) => expectedMs(part, estimate)))
    const even = expectedMs(cells, estimate) / count
    const grain = Math.max(0, ...overheads) + Math.max(0, ...times.values())
    expect(longest, `seed ${seed}`).toBeLessThanOrEqual(1.1 * (even + 2 * grain))
  }
})

test('the longest part is within a tenth of what the best of all cuts makes it', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = random(seed)
    const cells = [planned('c0', numbered(4)), planned('c1', numbered(3)), planned('c2', numbered(2))]
    const times = numbered(4).map(() => next(9))
    const estimate = flatBy(next(5), times)
    const longest = Math.max(...splitCells(cells, 3, estimate).map((part) => expectedMs(part, estimate)))
    const best = bestOfThree(cells, estimate)
    expect(longest, `seed ${seed}`).toBeGreaterThanOrEqual(best)
    expect(longest, `seed ${seed}`).toBeLessThanOrEqual(1.1 * best)
  }
})

function flatBy(overheadMs: number, times: readonly number[]): Estimate {
  return () => ({ overheadMs, caseMs: (id) => times[Number(id.slice(-3))] ?? 0 })
}

/** By trying every pair of cuts. */
function bestOfThree(cells: PlannedCell[], estimate: Estimate): number {
  const all = cells.flatMap(({ cell, cases }) => cases.map((info) => ({ cell, cases: [info] })))
  const join = (some: PlannedCell[]) =>
    cells
      .map(({ cell }) => ({
        cell,
        cases: some.filter((one) => one.cell === cell).flatMap((one) => one.cases),
      }))
      .filter(({ cases }) => cases.length)
  let best = Number.POSITIVE_INFINITY
  for (let a = 0; a <= all.length; a++)
    for (let b = a; b <= all.length; b++) {
      const parts = [all.slice(0, a), all.slice(a, b), all.slice(b)].map(join)
      best = Math.min(best, Math.max(...parts.map((part) => expectedMs(part, estimate))))
    }
  return best
}

test('a long case weighs as much as many short ones', () => {
  const times = [10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
  const parts = splitCells([planned('a', numbered(11))], 2, flatBy(0, times))
  expect(shape(parts)).toEqual(['a:1', 'a:10'])
})

test('a cell stays whole where breaking it saves little', () => {
  const cells = ['a', 'b', 'c', 'd'].map((name) => planned(name, numbered(10)))
  expect(shape(splitCells(cells, 2, flatBy(100, [])))).toEqual(['a:10 b:10', 'c:10 d:10'])
  // 140 s, where breaking b would make 135 s of it.
  expect(shape(splitCells(cells.slice(0, 3), 2, flat(1000, 60_000)))).toEqual(['a:10', 'b:10 c:10'])
  // 21 s instead of 26 s.
  expect(shape(splitCells(cells.slice(0, 3), 2, flat(1000, 3000)))).toEqual(['a:10 b:5', 'b:5 c:10'])
})

test('shards that have nothing to do are the last ones, and cells without cases are in none', () => {
  expect(shape(splitCells([planned('a', numbered(2)), planned('b', [])], 4, flat(1, 1)))).toEqual([
    'a:1',
    'a:1',
    '',
    '',
  ])
  expect(splitCells([], 2, flat(1, 1))).toEqual([[], []])
})

test('shards of one plan know that they belong together, and others that they do not', () => {
  const plan = { cells: [planned('a', numbered(10))], results: '/r' }
  const estimate = estimator(noTimes)
  const [one, two] = [1, 2].map((index) => takeShard(plan, { index, count: 2 }, estimate))
  expect(one?.shard).toMatchObject({ index: 1, count: 2, whole: plan.cells, split: two?.shard?.split })
  const uneven = takeShard(plan, { index: 2, count: 2 }, flatBy(0, [9]))
  expect(uneven.shard?.split).not.toBe(two?.shard?.split)
  expect(describeShard(two ?? plan, estimate)).toBe(
    'shard 2/2: 5 of 10 cases, 1 of 1 cells, about 1 min 05 s',
  )
})

test('a plan of 10,000 cells is split as well as a small one', () => {
  const { cases } = planned('a', numbered(400))
  const cells = Array.from({ length: 10_000 }, (_, index) => ({ ...planned(`c${index}`, []), cases }))
  const parts = splitCells(cells, 64, estimator(noTimes))
  expect(parts.flat().reduce((sum, { cases }) => sum + cases.length, 0)).toBe(4_000_000)
})
