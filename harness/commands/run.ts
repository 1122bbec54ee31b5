import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { quoted } from '../../qemu/lost.ts'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { loadConfig, type Overrides, projectRoot } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { configWords } from '../options.ts'
import { consoleReporter } from '../report/console.ts'
import { showProgress } from '../report/progress.ts'
import { provideResults, resultsDirectory } from '../report/results-directory.ts'
import { summaryReporter } from '../report/summary.ts'
import { findCases } from '../run/cases.ts'
import { bootCell, isSlow, type ProvidedCell, provideCell, slowness } from '../run/cell.ts'
import { hostGuests } from '../run/guest-host.ts'
import { type KnownFailure, readKnownFailures, withKnown } from '../run/known-failures.ts'
import { lastOutcome } from '../run/last-look.ts'
import {
  type CaseOutcome,
  type CellFacts,
  closingLine,
  count,
  exitStatus,
  type Totals,
} from '../run/outcome.ts'
import { type Plan, type PlannedCell, planCell, showPlan } from '../run/plan.ts'
import { Reporters } from '../run/reporters.ts'
import { selectCases } from '../run/select.ts'
import { loadVitest, runCases } from '../run/vitest.ts'
import { configuredSeries, patchesOf } from '../series/load.ts'

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
  const cell = planCell(config, await configuredSeries(config))
  return { cells: [{ cell, cases: selectCases(cases, names) }], results: config.results }
}

/** Runs all cells of a plan and reports them. */
export async function runPlan(plan: Plan, options: RunOptions, { signal }: CommandContext): Promise<Totals> {
  await provideResults(plan.results)
  const reporters = new Reporters([
    // The console shows the last run's values, which the directory then overwrites.
    consoleReporter({ results: plan.results, stream: process.stdout }),
    resultsDirectory(plan.results),
    summaryReporter(plan.results, version),
  ])
  const known = await readKnownFailures(join(projectRoot, 'tests/known-failures.yaml'))
  const outcomes: CaseOutcome[] = []
  try {
    for (const planned of plan.cells)
      outcomes.push(...(await runCell(planned, { results: plan.results, known }, options, reporters, signal)))
  } finally {
    reporters.onRunEnd({ interrupted: signal.aborted })
  }
  if (reporters.failure) throw reporters.failure
  return count(outcomes)
}

async function runCell(
  { cell, cases }: PlannedCell,
  { results, known }: { results: string; known: readonly KnownFailure[] },
  options: RunOptions,
  reporters: Reporters,
  signal: AbortSignal,
): Promise<CaseOutcome[]> {
  const progress = showProgress({ stream: process.stderr })
  try {
    const provided = await provideCell(cell, { tools: [], signal, emit: progress.emit })
    progress.emit({ type: 'note', message: titleOf(provided.facts) })
    await removeConsoles(join(results, cell.name))
    return await withPrivateDirectory('copylab-', async (directory) => {
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
        reporters.onCellStart(provided.facts)
        const command = (...names: string[]) => commandFor(names, options)
        const outcomes = await runCases({
          root: projectRoot,
          facts: provided.facts,
          cases,
          known,
          context: {
            socket: guests.socket,
            ...contextOf(provided),
            caseTimeoutMs: isSlow(provided) ? slowness * caseTimeoutMs : caseTimeoutMs,
          },
          reporter: reporters,
          commandFor: command,
          signal,
        })
        const complaint = signal.aborted ? undefined : await guests.lastLook()
        if (!complaint || signal.aborted) return outcomes
        const again = command(...new Set(cases.map(({ group }) => group)))
        const last = withKnown(known, provided.facts, lastOutcome(complaint, again))
        reporters.onCaseEnd(provided.facts, last)
        return [...outcomes, last]
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

function contextOf({ facts, kernelConfig }: ProvidedCell) {
  const { cell, machine } = facts
  return {
    series: cell.series?.name ?? null,
    profile: cell.series?.profile ?? null,
    ...{ kernelConfig, qemuVersion: machine.qemuVersion },
  }
}

function titleOf({ cell, kernel, series, machine }: CellFacts): string {
  const patches = series ? `with ${patchesOf(series)} of ${series.name}` : 'without patches'
  return `${cell.name}: ${kernel.release} ${patches}, QEMU ${machine.qemuVersion}, ${machine.accel}`
}

/** Those of an earlier run, which may have had more boots. */
async function removeConsoles(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  const old = names.filter((name) => /^boot-\d+\.console$/.test(name))
  await Promise.all(old.map((name) => rm(join(directory, name), { force: true })))
}

/** The console of every boot, as `boot-1.console` and so on: also of a boot that came to nothing. */
async function keepConsoles(from: string, to: string): Promise<void> {
  const boots = (await readdir(from)).filter((name) => name.startsWith('boot-'))
  try {
    await mkdir(to, { recursive: true })
    for (const boot of boots) {
      const log = join(from, boot, 'console.log')
      // It is not there when QEMU was ended before it had opened it.
      if (existsSync(log)) await copyFile(log, join(to, `${boot}.console`))
    }
  } catch (cause) {
    throw new Failure('infra', `cannot keep the guests' consoles: ${(cause as Error).message}`, { cause })
  }
}

function commandFor(names: string[], options: RunOptions): string {
  return quoted(['copylab', 'run', ...names, ...configWords(options)])
}
