import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { quoted } from '../../qemu/lost.ts'
import { loadConfig, projectRoot } from '../config/load.ts'
import { expected } from '../failure.ts'
import { type CellOptions, cellWords, plannedCells } from '../matrix/planned.ts'
import { wantedReports, writeReports } from '../report/write-reports.ts'
import { findCases } from '../run/cases.ts'
import { readJournal } from '../run/journal.ts'
import { keepTimes, keptTimes } from '../run/kept-times.ts'
import { readKnownFailures } from '../run/known-failures.ts'
import { lookUpCells } from '../run/look-up.ts'
import { closingLine, exitStatus, type Totals } from '../run/outcome.ts'
import { type Plan, showPlan } from '../run/plan.ts'
import { remaining } from '../run/resume.ts'
import { provideForCases, runCellCases } from '../run/run-cell.ts'
import { capacityHere, runPlan as runCells } from '../run/run-plan.ts'
import { selectCases } from '../run/select.ts'
import { RunState } from '../run/state.ts'
import { estimator } from '../run/times.ts'
import { type ShardOptions, shardTaker } from './shard.ts'

export interface RunOptions extends CellOptions, ShardOptions {
  /** Print the plan and do nothing. */
  dryRun?: boolean | undefined
  /** Go on with the run that was interrupted. */
  resume?: boolean | undefined
  /** The first cell that fails ends all others. */
  failFast?: boolean | undefined
  /** What else to write when the run is over: `NAME` or `NAME=FILE` each. */
  reporter?: string[] | undefined
}

export interface CommandContext {
  cwd: string
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
}

const version: string = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')).version

const say = (message: string) => void process.stderr.write(`${message}\n`)

/** What was typed, and where. */
export interface Request {
  names: string[]
  options: RunOptions
  cwd: string
}

/**
 * `copylab run [case or group…]`. Returns the exit status: see `exitStatus`, and 130 when interrupted.
 * @throws Failure
 */
export async function run(names: string[], options: RunOptions, context: CommandContext): Promise<number> {
  const typed = { names, options, cwd: context.cwd }
  const request = options.resume ? await resumedRequest(typed) : typed
  const there = { ...context, cwd: request.cwd }
  const take = await shardTaker(request.options, request.cwd, say)
  const reports = await wantedReports(
    request.options.reporter ?? [],
    options.reporter ? context.cwd : request.cwd,
  )
  const plan = take(await makePlan(request.names, request.options, there))
  if (options.dryRun) {
    process.stdout.write(`${showPlan(options.resume ? whatIsLeft(plan) : plan)}\n`)
    return 0
  }
  const totals = await runPlan(plan, request, there).catch(async (error) => {
    // The only cell has come to nothing, which is a result, too.
    if (expected(error)?.kind === 'infra') await writeReports(plan, reports)
    throw error
  })
  process.stdout.write(`${closingLine(totals)}\n`)
  await writeReports(plan, reports)
  if (!context.signal.aborted) return exitStatus(totals, { shard: plan.shard !== undefined })
  const results = options.results === undefined ? [] : ['--results', options.results]
  say(`copylab: to go on: ${quoted(['copylab', 'run', '--resume', ...results])}`)
  return 130
}

/** Whoever types only --resume means what was typed before; whoever types more says it all again. */
async function resumedRequest({ names, options, cwd }: Request): Promise<Request> {
  const { resume, failFast, dryRun, results, reporter, ...rest } = options
  if (names.length > 0 || Object.keys(rest).length > 0) return { names, options, cwd }
  const config = await loadConfig(cwd, { results })
  const { request } = readJournal(config.results).header
  const now = { resume, failFast, dryRun, results: config.results, ...(reporter && { reporter }) }
  return { ...request, options: { ...(request.options as RunOptions), ...now } }
}

function whatIsLeft(plan: Plan): Plan {
  const state = new RunState(readJournal(plan.results).entries)
  return { ...plan, cells: remaining(plan.cells, state) }
}

export async function makePlan(names: string[], options: RunOptions, { cwd }: CommandContext): Promise<Plan> {
  const [config, cases] = await Promise.all([loadConfig(cwd, options), findCases(join(projectRoot, 'tests'))])
  const selected = selectCases(cases, names)
  const cells = await plannedCells(config, options)
  return { cells: cells.map((cell) => ({ cell, cases: selected })), results: config.results }
}

/** Runs all cells of a plan and reports them. @param request what was typed, for --resume */
export async function runPlan(
  plan: Plan,
  { names, options, cwd }: Request,
  { signal }: CommandContext,
): Promise<Totals> {
  const times = await keptTimes(say)
  const { resume, dryRun, failFast, ...lasting } = options
  const known = await readKnownFailures(join(projectRoot, 'tests/known-failures.yaml'))
  return runCells({
    ...{ plan, known, version, signal },
    steps: { lookUp: lookUpCells, provide: provideForCases, run: runCellCases },
    capacity: capacityHere(),
    resume: resume ?? false,
    failFast: failFast ?? false,
    request: { cwd, names, options: JSON.parse(JSON.stringify(lasting)) },
    commandFor: (cell, ...cases) => quoted(['copylab', 'run', ...cases, ...cellWords(options, cell)]),
    estimate: Object.keys(times.cells).length ? estimator(times) : undefined,
    ...{ out: process.stdout, err: process.stderr },
    keepTimes: () => keepTimes(plan.results, say),
  })
}
