/** One attempt to see what a kernel does: it is provided, booted afresh and given one case. */
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Guest } from '../../../qemu/guest.ts'
import { cacheDirectory } from '../../cache/directory.ts'
import type { Emit } from '../../events.ts'
import { type Kernel, provideKernel } from '../../kernel/provide.ts'
import { resultsDirectory } from '../../report/results-directory.ts'
import type { CaseInfo } from '../../run/cases.ts'
import { bootCell, type ProvidedCell } from '../../run/cell.ts'
import { lastOutcome } from '../../run/last-look.ts'
import type { CaseOutcome } from '../../run/outcome.ts'
import type { Cell } from '../../run/plan.ts'
import { provideForCases, runCellCases, withGuests } from '../../run/run-cell.ts'
import { findTree } from '../../tree/find.ts'
import type { Trial } from './trial.ts'
import { type Verdict, verdictOfBoot, verdictOfError, verdictOfOutcomes } from './verdict.ts'

/**
 * How far to go: `build` and `boot` end as soon as there is a kernel, or one that has come up. `warnings`: the compiler's
 * are wanted, too, for which a kernel that was built before may be built again.
 */
export type Wanted =
  | { until: 'build'; warnings?: boolean }
  | { until: 'boot' }
  | { until: 'case'; info: CaseInfo }

export interface AttemptOptions {
  /** The bisection's directory of results. */
  results: string
  /** Of this attempt, relative to that: no other attempt may have it. */
  directory: string
  /** Called when the kernel is there, and no build takes the cores any more. */
  onProvided?: (() => void) | undefined
  signal: AbortSignal
  emit: Emit
}

/**
 * Makes one attempt. What is wrong with the kernel, the host or the harness is a Trial; its directory has the console of
 * the boot, and of a case what `copylab run` leaves of it.
 * @throws Failure('usage') for what no attempt can mend, and the signal's reason when it is aborted
 */
export async function attempt(cell: Cell, wanted: Wanted, o: AttemptOptions): Promise<Trial> {
  const { results, directory, signal } = o
  const startedAt = new Date().toISOString()
  const began = performance.now()
  let kernel: Kernel | undefined
  let builtAt: number | undefined
  let verdict: Verdict
  try {
    await mkdir(join(results, directory), { recursive: true })
    kernel = await kernelOf(cell, wanted, o)
    builtAt = performance.now()
    o.onProvided?.()
    verdict = wanted.until === 'build' ? builtVerdict(kernel, wanted) : await tried(cell, wanted, o)
  } catch (error) {
    signal.throwIfAborted()
    verdict = verdictOfError(error)
  }
  signal.throwIfAborted()
  const ended = performance.now()
  return {
    startedAt,
    buildMs: Math.round((builtAt ?? ended) - began),
    testMs: Math.round(ended - (builtAt ?? ended)),
    built: kernel?.built ?? false,
    kernelKey: kernel?.key ?? null,
    directory,
    ...verdict,
  }
}

async function kernelOf(
  { tree, series, kconfig, sharedBuild }: Cell,
  wanted: Wanted,
  { signal, emit }: AttemptOptions,
): Promise<Kernel> {
  const common = { cache: cacheDirectory(), signal, emit }
  const warnings = wanted.until === 'build' && wanted.warnings === true
  const found = await findTree(tree, common)
  return provideKernel({ tree: found, series, fragments: kconfig, sharedBuild, warnings, ...common })
}

async function tried(
  cell: Cell,
  wanted: Exclude<Wanted, { until: 'build' }>,
  o: AttemptOptions,
): Promise<Verdict> {
  const cases = wanted.until === 'case' ? [wanted.info] : []
  const provided = await provideForCases({ cell, cases }, o)
  const watched = watchedBoot()
  // The next attempt is another boot, too: what does not come up need not be asked twice in this one.
  const common = {
    results: join(o.results, o.directory),
    signal: o.signal,
    boot: watched.boot,
    bootAttempts: 1,
  }
  const commandFor = (...names: string[]) => `copylab run --cell ${cell.name} ${names.join(' ')}`
  const outcomes =
    wanted.until === 'boot'
      ? await withGuests(provided, common, async (guests): Promise<CaseOutcome[]> => {
          const complaint = await guests.lastLook()
          return complaint ? [lastOutcome(complaint, commandFor())] : []
        })
      : await runCellCases({ cell, cases }, provided, {
          ...{ ...common, known: [], commandFor, earlierBoots: 0 },
          reporter: resultsDirectory(common.results),
        })
  if (watched.error !== undefined) return verdictOfError(watched.error, consoleOf(o, provided))
  if (wanted.until === 'boot' && !outcomes.length) return verdictOfBoot(watched.guest as Guest)
  return verdictOfOutcomes(outcomes, consoleOf(o, provided))
}

/** Boots as usual, and remembers what came of it: a case that is told of it knows less. */
function watchedBoot() {
  const watched = {
    guest: undefined as Guest | undefined,
    error: undefined as unknown,
    boot: async (...args: Parameters<typeof bootCell>): Promise<Guest> => {
      try {
        watched.guest = await bootCell(...args)
        return watched.guest
      } catch (error) {
        watched.error = error
        throw error
      }
    },
  }
  return watched
}

/** All that the guest has printed; empty when there was none. */
function consoleOf({ results, directory }: AttemptOptions, { facts }: ProvidedCell): string {
  try {
    return readFileSync(join(results, directory, facts.cell.name, 'boot-1.console'), 'utf8').replaceAll(
      '\r',
      '',
    )
  } catch {
    return ''
  }
}

function builtVerdict({ key, built, warnings }: Kernel, wanted: { warnings?: boolean }): Verdict {
  const evidence = [built ? 'it builds' : `it was built before, as ${key.slice(0, 12)}`]
  const told = wanted.warnings && warnings ? { warnings } : {}
  return { ...{ result: 'pass', runtimeMs: 0, copied: 0, offloaded: 0, evidence }, ...told }
}
