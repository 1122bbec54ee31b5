/** One cell of a run: what it needs is provided, which may take all cores for minutes; then its cases run in a VM. */
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { projectRoot } from '../config/load.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { patchesOf } from '../series/load.ts'
import { bootCell, isSlow, type ProvidedCell, provideCell, slowness } from './cell.ts'
import { type GuestHost, hostGuests } from './guest-host.ts'
import { type KnownFailure, withKnown } from './known-failures.ts'
import { lastOutcome } from './last-look.ts'
import type { CaseOutcome, CellFacts, RunReporter } from './outcome.ts'
import type { PlannedCell } from './plan.ts'
import { loadVitest, runCases } from './vitest.ts'

export interface CellRun {
  /** Directory of results. */
  results: string
  known: readonly KnownFailure[]
  reporter: RunReporter
  /** The command that runs cases or groups again on this cell. */
  commandFor: (...names: string[]) => string
  /** Boots that earlier sittings have results of; those of this one count on from there. */
  earlierBoots: number
  signal: AbortSignal
  /** Boots a guest of the cell. Default: bootCell. */
  boot?: typeof bootCell
  /** As hostGuests() takes it. */
  bootAttempts?: number
}

/** Under TCG the longest case takes some seconds, and on a machine with several times the load a minute. */
const caseTimeoutMs = 120_000

/**
 * Fetches and builds what the cell does not have yet.
 * @throws Failure
 */
export async function provideForCases(
  { cell }: PlannedCell,
  { signal, emit }: { signal: AbortSignal; emit: Emit },
): Promise<ProvidedCell> {
  const provided = await provideCell(cell, { tools: [], signal, emit })
  emit({ type: 'note', message: titleOf(provided.facts) })
  return provided
}

/**
 * Boots the cell and runs its cases. The reporter hears of each; when this throws or was aborted, those that it has
 * not heard of have no verdict. The guests' consoles are left in the results.
 * @throws Failure
 */
export async function runCellCases(
  { cell, cases }: PlannedCell,
  provided: ProvidedCell,
  run: CellRun,
): Promise<CaseOutcome[]> {
  const { results, known, reporter, commandFor, earlierBoots, signal } = run
  const consoles = await consolesIn(join(results, cell.name))
  // Those of an earlier run, which may have had more boots.
  if (!earlierBoots) await Promise.all(consoles.map(({ path }) => rm(path, { force: true })))
  const boots = earlierBoots && Math.max(earlierBoots, ...consoles.map(({ boot }) => boot))
  return withGuests(provided, { ...run, boots }, async (guests) => {
    // The first guest boots while this loads.
    await loadVitest()
    reporter.onCellStart?.(provided.facts)
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
      reporter,
      commandFor,
      signal,
    })
    const complaint = signal.aborted ? undefined : await guests.lastLook()
    if (!complaint || signal.aborted) return outcomes
    const again = commandFor(...new Set(cases.map(({ group }) => group)))
    const last = withKnown(known, provided.facts, lastOutcome(complaint, again))
    reporter.onCaseEnd?.(provided.facts, last)
    return [...outcomes, last]
  })
}

/**
 * Boots the cell for as long as `work` takes. The guests' consoles are left in the results.
 * @param o.boots those that earlier sittings have made
 * @throws Failure
 */
export async function withGuests<T>(
  provided: ProvidedCell,
  o: Pick<CellRun, 'results' | 'signal' | 'boot' | 'bootAttempts'> & { boots?: number },
  work: (guests: GuestHost) => Promise<T>,
): Promise<T> {
  const { results, signal, boot = bootCell, boots, bootAttempts } = o
  return withPrivateDirectory('copylab-', async (directory) => {
    const guests = await hostGuests({
      directory,
      boot: (place) => boot(provided, place, { signal, emit: () => {} }),
      ...(boots !== undefined && { boots }),
      ...(bootAttempts !== undefined && { bootAttempts }),
    })
    // An interrupted run must not wait for vitest to wind up before its machine is gone.
    const end = () => void guests.close()
    signal.addEventListener('abort', end, { once: true })
    try {
      return await work(guests)
    } finally {
      signal.removeEventListener('abort', end)
      await guests.close()
      await keepConsoles(directory, join(results, provided.facts.cell.name))
    }
  })
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

async function consolesIn(directory: string): Promise<{ boot: number; path: string }[]> {
  const names = await readdir(directory).catch(() => [])
  return names.flatMap((name) => {
    const [, boot] = /^boot-(\d+)\.console$/.exec(name) ?? []
    return boot === undefined ? [] : { boot: Number(boot), path: join(directory, name) }
  })
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
