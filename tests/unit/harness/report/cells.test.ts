import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Failure } from '../../../../harness/failure.ts'
import { type CellView, frame, type Phase } from '../../../../harness/report/cell-lines.ts'
import { type CellsDisplay, showCells } from '../../../../harness/report/cells.ts'
import { noTotals } from '../../../../harness/run/outcome.ts'
import { estimator } from '../../../../harness/run/times.ts'
import { sink, toyCases, toyFacts, toyOutcome, toyPlan } from '../run/toy-run.ts'

const view = (name: string, phase: Phase, more: Partial<CellView> = {}): CellView => ({
  ...{ name, phase, detail: '', done: 0, total: 10, totals: noTotals, ...more },
})
const wide = { now: 100_000, columns: 100, rows: 20, started: 0 }

test('a line a cell, then one for all', () => {
  const cells = [
    view('6.12', 'done', { done: 10, started: 0, ended: 30_000, leftMs: 0 }),
    view('6.12-mine', 'running', {
      ...{ done: 4, started: 30_000, detail: 'nvme/005', leftMs: 90_000 },
      totals: { ...noTotals, passed: 3, failed: 1 },
    }),
    view('7.3-mine', 'providing', { started: 95_000, detail: 'build 12/400 objects' }),
    view('7.2', 'queued', { leftMs: 60_000 }),
    view('6.1', 'failed', {
      ...{ done: 10, started: 0, ended: 2000, detail: 'the series does not apply' },
      totals: { ...noTotals, infra: 10 },
    }),
  ]
  expect(frame(cells, wide)).toEqual([
    '6.12       done       10/10      30 s',
    '6.12-mine  running    4/10       1 min 10 s    1 failed  nvme/005  about 1 min 30 s left',
    '7.3-mine   preparing             5.0 s         build 12/400 objects',
    '7.2        queued     0/10       about 1 min 00 s',
    '6.1        infra      10/10      2.0 s         10 infra  the series does not apply',
    '2 of 5 cells, 24 of 50 cases, 1 failed, 10 infra, 1 min 40 s',
  ])
})

test('when everything is known to have an end, so has the run', () => {
  const cells = [
    view('a', 'running', { leftMs: 30_000, started: 0 }),
    view('b', 'queued', { leftMs: 45_000 }),
    view('c', 'done', { done: 10 }),
  ]
  expect(frame(cells, wide).at(-1)).toBe('1 of 3 cells, 10 of 30 cases, 1 min 40 s, about 1 min 15 s left')
})

test('with too many cells, those that go on have lines, then failures, and the rest are counted', () => {
  const cells = [
    ...Array.from({ length: 6 }, (_, index) => view(`ok${index}`, 'done', { done: 10 })),
    view('bad', 'done', { done: 10, totals: { ...noTotals, failed: 2 } }),
    view('now', 'running', { started: 0 }),
    ...Array.from({ length: 9 }, (_, index) => view(`later${index}`, 'queued')),
  ]
  const lines = frame(cells, { ...wide, rows: 4 })
  expect(lines.map((line) => line.split(/ {2}|,/)[0])).toEqual([
    'bad',
    'now',
    'later0',
    '14 more; 7 of 17 cells',
  ])
})

test('no line is as wide as the terminal', () => {
  const cells = [
    view('a-cell-with-a-very-long-name-indeed', 'running', { started: 0, detail: 'x'.repeat(99) }),
  ]
  const lines = frame(cells, { ...wide, columns: 40 })
  expect(lines.map(({ length }) => length)).toEqual([39, 39])
  expect(lines[0]).toMatch(/^a-cell-with-a-very-… {2}running .*…$/)
})

describe('as it goes', () => {
  const plan = toyPlan('/r', ['x', 'y'], ['a/001', 'a/002'])
  const [x, y] = plan.cells.map(({ cell }) => toyFacts(cell)) as [
    ReturnType<typeof toyFacts>,
    ReturnType<typeof toyFacts>,
  ]
  const [one, two] = toyCases('a/001', 'a/002') as [
    ReturnType<typeof toyCases>[0],
    ReturnType<typeof toyCases>[0],
  ]
  let display: CellsDisplay
  let out: ReturnType<typeof sink>
  let err: ReturnType<typeof sink>
  const open = (terminal: boolean, options: Partial<Parameters<typeof showCells>[0]> = {}) => {
    out = sink(terminal)
    err = sink(terminal)
    display = showCells({ cells: plan.cells, out, err, ...options })
  }
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubEnv('NO_COLOR', '1')
  })
  afterEach(() => {
    display.onRunEnd?.({ interrupted: false })
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
    vi.unstubAllEnvs()
  })

  test('in a log each line has the name of its cell, and a long silence is broken', () => {
    open(false)
    display.emitFor('x')({ type: 'step-started', step: 'build', detail: 'vmlinux' })
    display.emitFor('x')({ type: 'step-progress', step: 'build', done: 5, total: 20, note: 'objects' })
    vi.advanceTimersByTime(31_000)
    display.emitFor('x')({ type: 'step-finished', step: 'build', cached: false, ms: 31_000 })
    display.emitFor('x')({ type: 'note', message: 'x: 6.12.1 without patches' })
    display.onCellStart?.(x)
    display.onCaseStart?.(x, one)
    display.onCaseEnd?.(x, toyOutcome(one))
    display.onCaseStart?.(x, two)
    vi.advanceTimersByTime(30_000)
    display.onCaseEnd?.(x, toyOutcome(two, 'fail'))
    display.onCellEnd('x', 'done')
    expect(err.text.split('\n')).toEqual([
      'x: build: vmlinux',
      'x  preparing             30 s          build 5/20 objects',
      'x: build: 31 s',
      'x: 6.12.1 without patches',
      'x  running    1/2        1 min 01 s    a/002',
      'x: done, 2 of 2 cases, 1 min 01 s',
      '',
    ])
    expect(out.text).toMatch(
      /^x: a\/001 \(the case a\/001\) +\[passed\]\nx: a\/002 .*\[failed\]\n.*runtime.*\n {4}why, at length\n {4}again: copylab run a\/002\n$/,
    )
  })

  const screen = () => out.text.split('\u001b[J').at(-1) ?? ''

  test('on a terminal the lines are written anew, and only failures stay above them', () => {
    open(true)
    display.onCellStart?.(x)
    display.onCaseStart?.(x, one)
    display.onCaseEnd?.(x, toyOutcome(one))
    expect(out.text).not.toContain('[passed]')
    display.onCaseEnd?.(x, toyOutcome(two, 'fail'))
    expect(screen()).toMatch(
      /^x: a\/002 .*\[failed\]\n(.*\n)* {4}again: .*\nx +running +2\/2 .*\ny +queued +0\/2\n0 of 2 cells[^\n]*$/,
    )
    const size = out.text.length
    vi.advanceTimersByTime(1000)
    // Two lines up to the first of three, and what is below is cleared.
    expect(out.text.slice(size)).toContain('\r\u001b[2A\u001b[Jx ')
    expect(err.text).toBe('')
  })

  test('a cell that fails says why, once, and its cases are not listed', () => {
    open(true)
    const cases = toyCases('a/001', 'a/002').map((info) => toyOutcome(info, 'infra'))
    display.onCellFailed?.(y.cell, new Failure('infra', 'does not build', { log: '/l' }), cases)
    expect(screen()).toMatch(
      /^y: does not build\n {2}log: +\/l\n {2}2 cases have no verdict\nx +queued.*\ny +infra +2\/2 +0.0 s +2 infra {2}does not build\n/,
    )
    display.onRunEnd?.({ interrupted: false })
    expect(screen()).toMatch(/\nx +stopped +0\/2|^x +stopped +0\/2/)
    expect(screen()).toMatch(/\ny: infra: a\/001 a\/002\n$/)
  })

  test('the end that is expected comes nearer with each case, and while one runs', () => {
    const cells = { x: { kconfig: 'boot', overheadMs: 5000, cases: { 'a/001': 10_000, 'a/002': 20_000 } } }
    open(true, { estimate: estimator({ times: 1, cells }) })
    vi.advanceTimersByTime(1000)
    expect(screen()).toMatch(/x +queued +0\/2 +about 35 s\n/)
    display.onCellStart?.(x)
    vi.advanceTimersByTime(1000)
    // It boots, and the first case waits for that.
    display.onCaseStart?.(x, one)
    vi.advanceTimersByTime(2000)
    expect(screen()).toMatch(/x +running .*about 32 s left\n/)
    display.onCaseEnd?.(x, toyOutcome(one))
    display.onCaseStart?.(x, two)
    expect(screen()).toMatch(/x +running .*about 20 s left\n/)
    vi.advanceTimersByTime(60_000)
    expect(screen()).toMatch(/x +running +1\/2 +1 min 03 s +a\/002\n/)
  })

  test('what earlier sittings have done counts', () => {
    open(true, {
      before: (cell) => (cell === 'x' ? [toyOutcome(one), toyOutcome(two, 'fail')] : [toyOutcome(one)]),
    })
    vi.advanceTimersByTime(1000)
    expect(screen()).toMatch(/x +done +2\/2 +1 failed\ny +queued +1\/2\n1 of 2 cells, 3 of 4 cases, 1 failed/)
  })

  test('what somebody else writes when the run is interrupted is left alone', () => {
    const stop = new AbortController()
    open(true, { signal: stop.signal })
    vi.advanceTimersByTime(1000)
    stop.abort()
    const size = out.text.length
    vi.advanceTimersByTime(1000)
    expect(out.text.slice(size)).toMatch(/^x +queued/)
  })
})
