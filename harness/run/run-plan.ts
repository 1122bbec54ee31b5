/** Runs a plan: all of it, or what an earlier sitting has left of it. */
import { availableParallelism } from 'node:os'
import type { Emit } from '../events.ts'
import { describeFailure, Failure } from '../failure.ts'
import { showProgress } from '../report/progress.ts'
import { provideResults, resultsDirectory } from '../report/results-directory.ts'
import { runDisplay } from '../report/run-display.ts'
import { summaryReporter } from '../report/summary-reporter.ts'
import type { CaseInfo } from './cases.ts'
import type { ProvidedCell } from './cell.ts'
import { type CellWork, executeCells } from './execute.ts'
import { beginJournal, continueJournal, type JournalHeader } from './journal.ts'
import type { KnownFailure } from './known-failures.ts'
import type { CellLook } from './look-up.ts'
import { type CaseOutcome, count, type RunReporter, type Totals } from './outcome.ts'
import type { Cell, Plan, PlannedCell } from './plan.ts'
import { emptyRecord } from './record.ts'
import { Reporters } from './reporters.ts'
import { journalPlan, remaining, requireSameCell, requireSamePlan } from './resume.ts'
import type { CellRun } from './run-cell.ts'
import type { Capacity } from './schedule.ts'
import { RunState } from './state.ts'
import type { Estimate } from './times.ts'

/** What is done with cells; replaced in tests. */
export interface Steps {
  /** @throws Failure('usage') before anything is built */
  lookUp(cells: readonly PlannedCell['cell'][], o: { signal: AbortSignal; emit: Emit }): Promise<CellLook[]>
  provide(planned: PlannedCell, o: { signal: AbortSignal; emit: Emit }): Promise<ProvidedCell>
  run(planned: PlannedCell, provided: ProvidedCell, run: CellRun): Promise<CaseOutcome[]>
}

export interface PlanRun {
  plan: Plan
  steps: Steps
  capacity: Capacity
  /** Go on with the run whose journal is in the results. */
  resume: boolean
  /** The first cell that fails ends all others. */
  failFast: boolean
  /** What was typed. */
  request: JournalHeader['request']
  known: readonly KnownFailure[]
  /** copylab's. */
  version: string
  /** The command that runs cases or groups of a cell again. */
  commandFor: (cell: Cell, ...names: string[]) => string
  estimate?: Estimate | undefined
  /** Called when summary.json is there. */
  keepTimes: () => Promise<void>
  out: NodeJS.WriteStream
  err: NodeJS.WriteStream
  signal: AbortSignal
}

/** What this machine has for VMs now. */
export function capacityHere(): Capacity {
  return { cores: availableParallelism(), memoryMiB: Math.floor(process.availableMemory() / 2 ** 20) }
}

/**
 * Runs the cells of a plan and reports them. A cell that fails does not stop the others; when it is the only one of the
 * plan, its Failure is thrown.
 * @returns the verdicts of the whole run, in all sittings
 * @throws Failure
 */
export async function runPlan(run: PlanRun): Promise<Totals> {
  const { plan } = run
  // A cell of its own is provided at once; of several, those that are ready come first.
  const looks = plan.cells.length > 1 || run.resume ? await lookUp(run) : []
  const sitting = await (run.resume ? resume(run, looks) : begin(run, looks))
  try {
    return await sit(run, looks, sitting)
  } finally {
    sitting.journal.close()
  }
}

async function lookUp({ plan, steps, signal, err }: PlanRun): Promise<CellLook[]> {
  const progress = showProgress({ stream: err })
  const cells = plan.cells.map(({ cell }) => cell)
  return steps.lookUp(cells, { signal, emit: progress.emit }).finally(() => progress.close())
}

interface Sitting {
  startedAt: Date
  state: RunState
  journal: Awaited<ReturnType<typeof beginJournal>>
  left: PlannedCell[]
}

async function begin({ plan, request }: PlanRun, looks: readonly CellLook[]): Promise<Sitting> {
  await provideResults(plan.results)
  const startedAt = new Date()
  const header = {
    ...{ journal: 1 as const, startedAt: startedAt.toISOString(), request },
    plan: journalPlan(plan.cells, looks),
  }
  const journal = await beginJournal(plan.results, header)
  return { startedAt, journal, state: new RunState(), left: plan.cells }
}

async function resume({ plan }: PlanRun, looks: readonly CellLook[]): Promise<Sitting> {
  const { journal, writer } = await continueJournal(plan.results)
  try {
    requireSamePlan(journal, journalPlan(plan.cells, looks))
    const state = new RunState(journal.entries)
    const left = remaining(plan.cells, state)
    if (left.length) return { startedAt: new Date(journal.header.startedAt), journal: writer, state, left }
    throw new Failure(
      'usage',
      `there is nothing to resume: every case of the run in ${plan.results} has a verdict`,
    )
  } catch (error) {
    writer.close()
    throw error
  }
}

async function sit(run: PlanRun, looks: readonly CellLook[], sitting: Sitting): Promise<Totals> {
  const { plan, steps, signal, known } = run
  const { startedAt, state, journal, left } = sitting
  const begun = new Set(plan.cells.map(({ cell }) => cell.name).filter((name) => state.cell(name)))
  const display = runDisplay(run, state)
  const reporters = new Reporters([
    // The console shows the last run's values, which the directory then overwrites.
    display.reporter,
    resultsDirectory(plan.results, begun),
    summaryReporter(plan, run.version, { startedAt, state, append: journal.append }),
  ])
  let lost: Failure | undefined
  const works = left.map((planned): CellWork<ProvidedCell> => {
    const { cell, cases } = planned
    const heard = new Set<string>()
    const earlierBoots = Math.max(0, ...(state.cell(cell.name)?.cases ?? []).map(({ boot }) => boot))
    const reporter: RunReporter = {
      onCellStart: (facts) => reporters.onCellStart(facts),
      onCaseStart: (facts, started) => reporters.onCaseStart(facts, started),
      onCaseEnd(facts, outcome) {
        heard.add(outcome.id)
        reporters.onCaseEnd(facts, outcome)
      },
    }
    const commandFor = (...names: string[]) => run.commandFor(cell, ...names)
    return {
      cpus: cell.machine.cpus,
      memoryMiB: cell.machine.memory,
      cached: looks[plan.cells.findIndex((one) => one.cell === cell)]?.cached ?? false,
      async provide(signal) {
        const provided = await steps.provide(planned, { signal, emit: display.emitFor(cell.name) })
        requireSameCell(state, provided.facts)
        display.onProvided(cell.name)
        return provided
      },
      async run(provided, signal) {
        const outcomes = await steps.run(planned, provided, {
          ...{ results: plan.results, known, reporter, commandFor, signal, earlierBoots },
        })
        display.onCellEnd(cell.name, signal.aborted ? 'stopped' : 'done')
        return outcomes.every(({ verdict }) => verdict !== 'fail' && verdict !== 'infra')
      },
      failed(failure) {
        lost ??= failure
        const rest = cases.filter(({ id }) => !heard.has(id))
        reporters.onCellFailed(
          cell,
          failure,
          rest.map((info) => lostCase(info, failure, commandFor(info.id))),
        )
      },
    }
  })
  // Of a run with one cell, its failure is that of the run.
  const failure = () => reporters.failure ?? (plan.cells.length > 1 ? undefined : lost)
  try {
    await executeCells(works, { capacity: run.capacity, failFast: run.failFast, signal })
  } finally {
    display.close()
    reporters.onRunEnd({ interrupted: signal.aborted, failure: failure() })
    await run.keepTimes()
  }
  const thrown = failure()
  if (thrown) throw thrown
  return count(state.cells(plan.cells.map(({ cell }) => cell.name)).flatMap(({ cases }) => cases))
}

function lostCase({ id, group, description }: CaseInfo, failure: Failure, command: string): CaseOutcome {
  const { message } = failure
  return {
    ...{ id, group, description, command, verdict: 'infra', startedAt: new Date(), record: emptyRecord },
    reason: `the case has not run: ${message.split('\n')[0]}`,
    details: describeFailure(failure),
  }
}
