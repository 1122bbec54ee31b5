import { readFileSync } from 'node:fs'
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig, type Overrides, projectRoot } from '../config/load.ts'
import { consoleReporter } from '../report/console.ts'
import { showProgress } from '../report/progress.ts'
import { resultsDirectory } from '../report/results-directory.ts'
import { summaryReporter } from '../report/summary.ts'
import { findCases } from '../run/cases.ts'
import { bootCell, provideCell, withPrivateDirectory } from '../run/cell.ts'
import { hostGuests } from '../run/guest-host.ts'
import {
  type CaseOutcome,
  type CellFacts,
  closingLine,
  count,
  exitStatus,
  type RunReporter,
  type Totals,
} from '../run/outcome.ts'
import { type Cell, type Plan, planRun, showPlan } from '../run/plan.ts'
import { selectCases } from '../run/select.ts'
import { loadVitest, runCases } from '../run/vitest.ts'

export interface RunOptions extends Overrides {
  /** Print the plan and do nothing. */
  dryRun?: boolean | undefined
}

export interface CommandContext {
  cwd: string
  /** Aborted by Ctrl-C. */
  signal: AbortSignal
}

const version: string = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')).version

/** Under TCG on a busy machine the longest case takes some seconds. */
const caseTimeoutMs = 60_000

/**
 * `copylab run [case or group…]`. Returns the exit status: see `exitStatus`, and 130 when interrupted.
 * @throws Failure
 */
export async function run(names: string[], options: RunOptions, context: CommandContext): Promise<number> {
  const plan = await makePlan(names, options, context)
  if (options.dryRun) {
    process.stdout.write(`${showPlan(plan)}\n`)
    return 0
  }
  const totals = await runPlan(plan, options, context)
  process.stdout.write(`${closingLine(totals)}\n`)
  return context.signal.aborted ? 130 : exitStatus(totals)
}

export async function makePlan(names: string[], options: RunOptions, { cwd }: CommandContext): Promise<Plan> {
  const [config, cases] = await Promise.all([loadConfig(cwd, options), findCases(join(projectRoot, 'tests'))])
  return planRun(config, selectCases(cases, names))
}

/** Runs all cells of a plan and reports them. */
export async function runPlan(plan: Plan, options: RunOptions, { signal }: CommandContext): Promise<Totals> {
  const reporters = [
    // The console shows the last run's values, which the directory then overwrites.
    consoleReporter({ results: plan.results, stream: process.stdout }),
    resultsDirectory(plan.results),
    summaryReporter(plan.results, version),
  ]
  const outcomes: CaseOutcome[] = []
  try {
    for (const cell of plan.cells) outcomes.push(...(await runCell(cell, plan, options, reporters, signal)))
  } finally {
    for (const reporter of reporters) reporter.onRunEnd?.({ interrupted: signal.aborted })
  }
  return count(outcomes)
}

async function runCell(
  cell: Cell,
  { cases, results }: Plan,
  options: RunOptions,
  reporters: RunReporter[],
  signal: AbortSignal,
): Promise<CaseOutcome[]> {
  const progress = showProgress({ stream: process.stderr })
  try {
    const provided = await provideCell(cell, { tools: [], signal, emit: progress.emit })
    progress.emit({ type: 'note', message: titleOf(provided.facts) })
    return await withPrivateDirectory(async (directory) => {
      const guests = await hostGuests({
        directory,
        boot: (place) => bootCell(provided, place, { signal, emit: () => {} }),
      })
      // An interrupted run must not wait for vitest to wind up before its machine is gone.
      const end = () => void guests.close()
      signal.addEventListener('abort', end, { once: true })
      try {
        // The first guest boots while this loads.
        await loadVitest()
        progress.close()
        for (const reporter of reporters) reporter.onCellStart?.(provided.facts)
        return await runCases({
          root: projectRoot,
          facts: provided.facts,
          cases,
          context: {
            socket: guests.socket,
            profile: provided.series?.profile ?? null,
            caseTimeoutMs,
          },
          reporters,
          commandFor: (id) => commandFor(id, options),
          signal,
        })
      } finally {
        signal.removeEventListener('abort', end)
        await guests.close()
        await keepConsoles(directory, join(results, cell.name))
      }
    })
  } finally {
    progress.close()
  }
}

function titleOf({ cell, kernel, series, machine }: CellFacts): string {
  const patches = series ? `with ${series.patches} patches of ${series.name}` : 'without patches'
  return `${cell.name}: ${kernel.release} ${patches}, QEMU ${machine.qemuVersion}, ${machine.accel}`
}

/** The console of every boot, as `boot-1.console` and so on: also of a boot that came to nothing. */
async function keepConsoles(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  const boots = (await readdir(from)).filter((name) => name.startsWith('boot-'))
  await Promise.all(
    boots.map((boot) => copyFile(join(from, boot, 'console.log'), join(to, `${boot}.console`))),
  )
}

function commandFor(id: string, { tree, series, kconfig, qemu, accel }: RunOptions): string {
  const given = Object.entries({ tree, series, kconfig: kconfig?.join(','), qemu, accel })
  const words = given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
  return ['copylab', 'run', id, ...words].join(' ')
}
