import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Failure } from '../../../../harness/failure.ts'
import { readSummary } from '../../../../harness/report/read-summary.ts'
import { exitStatus } from '../../../../harness/run/outcome.ts'
import { runPlan } from '../../../../harness/run/run-plan.ts'
import { type sink, toyPlan, toyRun, toySteps } from './toy-run.ts'

// It starts a process of its own, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

let results: string
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
})
afterEach(() => rmSync(results, { recursive: true }))

test('cells with a cached kernel run first, and all count', async () => {
  const toy = toySteps({ cached: ['y'], judge: (cell) => (cell === 'x' ? 'not run' : 'pass') })
  const totals = await runPlan(toyRun(toyPlan(results, ['x', 'y'], ['a/001']), toy.steps))
  expect(toy.log).toEqual(['build y', 'run y a/001', 'build x', 'run x a/001'])
  expect(totals).toMatchObject({ passed: 1, skipped: 1 })
  // In the order of the plan.
  const summary = await readSummary(results)
  expect(summary.cells.map(({ name }) => name)).toEqual(['x', 'y'])
  expect(summary).toMatchObject({ finished: true, exitStatus: 0 })
})

const broken = (cell: string) => {
  if (cell === 'x')
    throw new Failure('infra', 'the kernel does not build: error: x', { log: '/log', remedy: 'mend it' })
}

test("a cell that does not build leaves its cases without a verdict, and says why; the others' count", async () => {
  const toy = toySteps({ provide: broken })
  const run = toyRun(toyPlan(results, ['x', 'y']), toy.steps)
  const totals = await runPlan(run)
  expect(totals).toMatchObject({ passed: 3, infra: 3 })
  expect(exitStatus(totals)).toBe(3)
  const summary = await readSummary(results)
  expect(summary).toMatchObject({ exitStatus: 3 })
  expect(summary.cells[0]).toMatchObject({
    ...{ name: 'x', kernel: null, totals: { infra: 3 } },
    failure: { message: 'the kernel does not build: error: x', log: '/log', remedy: 'mend it' },
    cases: [{ reason: 'the case has not run: the kernel does not build: error: x' }, {}, {}],
  })
  expect(readFileSync(join(results, 'x', 'failure'), 'utf8')).toContain('remedy:  mend it')
  expect((run.out as ReturnType<typeof sink>).text).toContain('x: the kernel does not build: error: x\n')
})

test('of a run with one cell the failure is that of the run, and stays in its results', async () => {
  const failure = new Failure('usage', 'the series does not apply')
  const fail = () => {
    throw failure
  }
  const run = runPlan(toyRun(toyPlan(results, ['x']), toySteps({ provide: fail }).steps))
  await expect(run).rejects.toBe(failure)
  const summary = await readSummary(results)
  expect(summary).toMatchObject({ finished: true, exitStatus: 2, cells: [{ failure: {} }] })
})

test('a usage error of one cell ends the run before anything is built, and leaves the last results alone', async () => {
  const toy = toySteps()
  await runPlan(toyRun(toyPlan(results, ['x']), toy.steps))
  const before = readFileSync(join(results, 'run.jsonl'), 'utf8')
  toy.log.length = 0
  const lookUp = () => Promise.reject(new Failure('usage', 'there is no fragment'))
  const run = toyRun(toyPlan(results, ['x', 'y']), { ...toy.steps, lookUp })
  await expect(runPlan(run)).rejects.toMatchObject({ kind: 'usage', message: 'there is no fragment' })
  expect(toy.log).toEqual([])
  expect(readFileSync(join(results, 'run.jsonl'), 'utf8')).toBe(before)
})

test('a cell that is lost in the middle keeps its verdicts; the rest have none', async () => {
  const judge = (_cell: string, id: string) => {
    if (id === 'a/002') throw new Failure('infra', 'vitest has failed')
    return 'pass' as const
  }
  const totals = await runPlan(
    toyRun(toyPlan(results, ['x', 'y'], ['a/001', 'a/002', 'a/003']), toySteps({ judge }).steps),
  )
  expect(totals).toMatchObject({ passed: 2, infra: 4 })
  expect((await readSummary(results)).cells[0]).toMatchObject({
    kernel: { key: 'key-of-x' },
    cases: [{ verdict: 'pass' }, { verdict: 'infra' }, { verdict: 'infra' }],
  })
})

test('--fail-fast: what was not reached has no verdict, and can be resumed', async () => {
  const judge = (cell: string, id: string) => (cell === 'x' && id === 'a/001' ? 'fail' : 'pass')
  const toy = toySteps({ judge })
  const plan = toyPlan(results, ['x', 'y'])
  const totals = await runPlan(toyRun(plan, toy.steps, { failFast: true }))
  expect(totals).toMatchObject({ failed: 1, passed: 2, infra: 0 })
  expect(toy.log.filter((line) => line.includes('y'))).toEqual([])
  expect(await runPlan(toyRun(plan, toy.steps, { resume: true }))).toMatchObject({ failed: 1, passed: 5 })
})

test('an interrupted run goes on with what has no verdict, and the summary counts both sittings', async () => {
  const plan = toyPlan(results, ['x', 'y'])
  const stop = new AbortController()
  const first = toySteps({
    judge: (cell, id) => {
      if (cell === 'y' && id === 'a/002') stop.abort(new Error('Ctrl-C'))
      return cell === 'x' && id === 'a/002' ? 'fail' : 'pass'
    },
  })
  await runPlan(toyRun(plan, first.steps, { signal: stop.signal }))
  expect(await readSummary(results)).toMatchObject({
    ...{ interrupted: true, exitStatus: 130, totals: { passed: 3, failed: 1 } },
  })

  const second = toySteps()
  const run = toyRun(plan, second.steps, { resume: true })
  expect(await runPlan(run)).toMatchObject({ passed: 5, failed: 1, infra: 0 })
  expect(second.log).toEqual(['build y', 'run y a/002', 'run y a/003'])
  const summary = await readSummary(results)
  expect(summary).toMatchObject({ interrupted: false, exitStatus: 1, totals: { passed: 5, failed: 1 } })
  expect(summary.cells[1]?.cases.map(({ id, boot }) => [id, boot])).toEqual([
    ['a/001', 1],
    ['a/002', 2],
    ['a/003', 2],
  ])
  // What the first sitting has found is not forgotten.
  expect((run.out as ReturnType<typeof sink>).text).toContain('x: failed: a/002\n')
})

test('what was infra is run again', async () => {
  const plan = toyPlan(results, ['x', 'y'])
  let mended = false
  const toy = toySteps({
    provide: (cell) => mended || broken(cell),
    judge: (_cell, id) => (id === 'a/003' && !mended ? 'infra' : 'pass'),
  })
  expect(await runPlan(toyRun(plan, toy.steps))).toMatchObject({ passed: 2, infra: 4 })
  mended = true
  toy.log.length = 0
  expect(await runPlan(toyRun(plan, toy.steps, { resume: true }))).toMatchObject({ passed: 6, infra: 0 })
  expect(toy.log.filter((line) => line.startsWith('run'))).toEqual([
    'run x a/001',
    'run x a/002',
    'run x a/003',
    'run y a/003',
  ])
  expect(existsSync(join(results, 'x', 'failure'))).toBe(false)
  expect(exitStatus((await readSummary(results)).totals)).toBe(0)
})

test('a killed run goes on after its last verdict', async () => {
  const driver = fileURLToPath(new URL('kill-a-run.ts', import.meta.url))
  const argv = ['--import', import.meta.resolve('tsx'), driver, results]
  const { signal } = await execa(process.execPath, argv, { reject: false })
  expect(signal).toBe('SIGKILL')
  expect((await readSummary(results)).finished).toBe(false)
  const toy = toySteps()
  const totals = await runPlan(toyRun(toyPlan(results, ['x', 'y']), toy.steps, { resume: true }))
  expect(toy.log).toEqual(['build y', 'run y a/001', 'run y a/002', 'run y a/003'])
  expect(totals).toMatchObject({ passed: 5, failed: 1 })
})

test('nothing is resumed when nothing is left, nor where nothing has run', async () => {
  const plan = toyPlan(results, ['x'])
  const toy = toySteps()
  const resume = toyRun(plan, toy.steps, { resume: true })
  const refused = (message: unknown) => expect.objectContaining({ kind: 'usage', message })
  await expect(runPlan(resume)).rejects.toEqual(
    refused(expect.stringMatching(/^there is nothing to resume: ENOENT/)),
  )
  await runPlan(toyRun(plan, toy.steps))
  await expect(runPlan(resume)).rejects.toEqual(
    refused(`there is nothing to resume: every case of the run in ${results} has a verdict`),
  )
})

test('another plan is refused before anything is built, with what differs', async () => {
  await runPlan(toyRun(toyPlan(results, ['x', 'y']), toySteps({ judge: () => 'infra' }).steps))
  const before = readFileSync(join(results, 'run.jsonl'), 'utf8')
  const toy = toySteps({ key: () => 'another' })
  const plan = toyPlan(results, ['x', 'z'], ['a/001', 'a/004'])
  await expect(runPlan(toyRun(plan, toy.steps, { resume: true }))).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(
      /y: is no longer a cell\n.*x: .*kernel was key-of-x, and is another\n.*x: cases more: a\/004\n.*x: cases less: a\/002 a\/003\n.*z: was no cell/,
    ),
  })
  expect(toy.log).toEqual([])
  expect(readFileSync(join(results, 'run.jsonl'), 'utf8')).toBe(before)
})

test('a cell whose machine has become another does not go on', async () => {
  const plan = toyPlan(results, ['x', 'y'], ['a/001', 'a/002'])
  const toy = toySteps({ judge: (_cell, id) => (id === 'a/002' ? 'infra' : 'pass') })
  await runPlan(toyRun(plan, toy.steps))
  const { provide } = toy.steps
  const other: typeof provide = async (...args) => {
    const provided = await provide(...args)
    provided.facts.machine.qemuVersion = '10.0.2'
    return provided
  }
  const totals = await runPlan(toyRun(plan, { ...toy.steps, provide: other }, { resume: true }))
  expect(totals).toMatchObject({ passed: 2, infra: 2 })
  const [cell] = (await readSummary(results)).cells
  expect(cell?.failure?.message).toBe(
    'the cell cannot go on: it ran on QEMU 7.2.22, tcg, and now there is QEMU 10.0.2, tcg',
  )
})

test('of two copylabs only one writes to a directory of results', async () => {
  const plan = toyPlan(results, ['x'], ['a/001'])
  let second: Promise<unknown> | undefined
  const toy = toySteps({
    judge: async () => {
      second = runPlan(toyRun(plan, toySteps().steps))
      await second.catch(() => {})
      return 'pass' as const
    },
  })
  expect(await runPlan(toyRun(plan, toy.steps))).toMatchObject({ passed: 1 })
  await expect(second).rejects.toMatchObject({ kind: 'usage', message: expect.stringContaining('another') })
})
