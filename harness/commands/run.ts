import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { quoted } from '../../qemu/lost.ts'
import { loadConfig, projectRoot } from '../config/load.ts'
import { type CellOptions, cellWords, plannedCells } from '../matrix/planned.ts'
import { consoleReporter } from '../report/console.ts'
import { showProgress } from '../report/progress.ts'
import { provideResults, resultsDirectory } from '../report/results-directory.ts'
import { summaryReporter } from '../report/summary-reporter.ts'
import { findCases } from '../run/cases.ts'
import { keepTimes } from '../run/kept-times.ts'
import { type KnownFailure, readKnownFailures } from '../run/known-failures.ts'
import {
  type CaseOutcome,
  closingLine,
  count,
  exitStatus,
  type RunReporter,
  type Totals,
} from '../run/outcome.ts'
import { type Cell, type Plan, type PlannedCell, showPlan } from '../run/plan.ts'
import { Reporters } from '../run/reporters.ts'
import { provideForCases, runCellCases } from '../run/run-cell.ts'
import { selectCases } from '../run/select.ts'
import { type ShardOptions, shardTaker } from './shard.ts'

export interface RunOptions extends CellOptions, ShardOptions {
  /** Print the plan and do nothing. */
  dryRun?: boolean | undefined
}

export interface CommandContext {
  cwd: string
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
}

const version: string = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')).version

const say = (message: string) => void process.stderr.write(`${message}\n`)

/**
 * `copylab run [case or group…]`. Returns the exit status: see `exitStatus`, and 130 when interrupted.
 * @throws Failure
 */
export async function run(names: string[], options: RunOptions, context: CommandContext): Promise<number> {
  const take = await shardTaker(options, context.cwd, say)
  const plan = take(await makePlan(names, options, context))
  if (options.dryRun) {
    process.stdout.write(`${showPlan(plan)}\n`)
    return 0
  }
  const totals = await runPlan(plan, options, context)
  process.stdout.write(`${closingLine(totals)}\n`)
  return context.signal.aborted ? 130 : exitStatus(totals, { shard: plan.shard !== undefined })
}

export async function makePlan(names: string[], options: RunOptions, { cwd }: CommandContext): Promise<Plan> {
  const [config, cases] = await Promise.all([loadConfig(cwd, options), findCases(join(projectRoot, 'tests'))])
  const selected = selectCases(cases, names)
  const cells = await plannedCells(config, options)
  return { cells: cells.map((cell) => ({ cell, cases: selected })), results: config.results }
}

/** Runs all cells of a plan and reports them. */
export async function runPlan(plan: Plan, options: RunOptions, { signal }: CommandContext): Promise<Totals> {
  await provideResults(plan.results)
  const reporters = new Reporters([
    // The console shows the last run's values, which the directory then overwrites.
    consoleReporter({ results: plan.results, stream: process.stdout }),
    resultsDirectory(plan.results),
    summaryReporter(plan, version),
  ])
  const known = await readKnownFailures(join(projectRoot, 'tests/known-failures.yaml'))
  const outcomes: CaseOutcome[] = []
  try {
    for (const planned of plan.cells)
      outcomes.push(...(await runCell(planned, { results: plan.results, known }, options, reporters, signal)))
  } finally {
    reporters.onRunEnd({ interrupted: signal.aborted })
    await keepTimes(plan.results, say)
  }
  if (reporters.failure) throw reporters.failure
  return count(outcomes)
}

async function runCell(
  planned: PlannedCell,
  { results, known }: { results: string; known: readonly KnownFailure[] },
  options: RunOptions,
  reporters: Reporters,
  signal: AbortSignal,
): Promise<CaseOutcome[]> {
  const progress = showProgress({ stream: process.stderr })
  const reporter: RunReporter = {
    onCellStart(facts) {
      // From here on each case has its line.
      progress.close()
      reporters.onCellStart(facts)
    },
    onCaseStart: (...args) => reporters.onCaseStart(...args),
    onCaseEnd: (...args) => reporters.onCaseEnd(...args),
  }
  try {
    const provided = await provideForCases(planned, { signal, emit: progress.emit })
    const commandFor = (...names: string[]) => againWith(names, options, planned.cell)
    return await runCellCases(planned, provided, { results, known, reporter, commandFor, signal })
  } finally {
    progress.close()
  }
}

function againWith(names: string[], options: RunOptions, cell: Cell): string {
  return quoted(['copylab', 'run', ...names, ...cellWords(options, cell)])
}
