/** What is left of a run that was interrupted, and whether it is still the same run. */
import { Failure } from '../failure.ts'
import type { Journal, JournalPlan } from './journal.ts'
import type { CellLook } from './look-up.ts'
import type { CellFacts } from './outcome.ts'
import type { PlannedCell } from './plan.ts'
import type { RunState } from './state.ts'

/** The part of a plan that the journal keeps. */
export function journalPlan(cells: readonly PlannedCell[], looks: readonly CellLook[]): JournalPlan[] {
  return cells.map(({ cell, cases }, index) => ({
    cell: cell.name,
    // Of a series that is cut off before its first patch, the tree remains as it is.
    seriesHash: cell.series?.hash ?? null,
    kernelKey: looks[index]?.kernelKey ?? null,
    cases: cases.map(({ id }) => id),
  }))
}

/**
 * The planned cells with those of their cases that have no verdict yet, or only that of infra; cells without any are left
 * out.
 */
export function remaining(cells: readonly PlannedCell[], state: RunState): PlannedCell[] {
  const left = cells.map(({ cell, cases }) => {
    const verdicts = state.verdicts(cell.name)
    return { cell, cases: cases.filter(({ id }) => !verdicts.has(id)) }
  })
  return left.filter(({ cases }) => cases.length > 0)
}

/** @throws Failure('usage') that names what differs between the run and what would go on with it */
export function requireSamePlan({ header, entries }: Journal, now: readonly JournalPlan[]): void {
  // A tree that had yet to be fetched has told its content since.
  const keys = new Map(
    entries.flatMap((entry) =>
      'preparedMs' in entry ? [[entry.cell, entry.about.kernel?.key] as const] : [],
    ),
  )
  const then = header.plan.map((one) => ({ ...one, kernelKey: keys.get(one.cell) ?? one.kernelKey }))
  const changes = differences(then, now)
  if (changes.length === 0) return
  const shown = changes.slice(0, shownChanges)
  const more = changes.length > shown.length ? [`and ${changes.length - shown.length} more`] : []
  throw new Failure(
    'usage',
    `this is not the run that was interrupted:\n${[...shown, ...more].map((line) => `    ${line}`).join('\n')}`,
    { remedy: 'run it anew, without --resume; its results are then lost' },
  )
}

const shownChanges = 10

/** A line each. */
export function differences(then: readonly JournalPlan[], now: readonly JournalPlan[]): string[] {
  const before = new Map(then.map((one) => [one.cell, one]))
  const after = new Map(now.map((one) => [one.cell, one]))
  const gone = then.filter(({ cell }) => !after.has(cell)).map(({ cell }) => `${cell}: is no longer a cell`)
  const others = now.flatMap((one) => {
    const old = before.get(one.cell)
    return old ? changesOf(old, one) : [`${one.cell}: was no cell of it`]
  })
  return [...gone, ...others]
}

function changesOf(then: JournalPlan, now: JournalPlan): string[] {
  const changes: string[] = []
  const note = (what: string) => changes.push(`${now.cell}: ${what}`)
  const short = (hash: string | null) => hash?.slice(0, 12) ?? 'none'
  if (then.seriesHash !== now.seriesHash)
    note(`the series is another: ${short(then.seriesHash)} then, ${short(now.seriesHash)} now`)
  else if (then.kernelKey && now.kernelKey && then.kernelKey !== now.kernelKey)
    note(
      `the tree's content, the options or the compiler are others: the kernel was ${short(then.kernelKey)}, and is ${short(now.kernelKey)}`,
    )
  const [added, removed] = [without(now.cases, then.cases), without(then.cases, now.cases)]
  if (added.length) note(`cases more: ${some(added)}`)
  if (removed.length) note(`cases less: ${some(removed)}`)
  return changes
}

/**
 * What was provided in this sitting must be what the cell ran on before.
 * @throws Failure('infra') that names what differs
 */
export function requireSameCell(state: RunState, { cell, kernel, machine }: CellFacts): void {
  const before = state.cell(cell.name)
  if (!before?.kernel || !before.machine || state.verdicts(cell.name).size === 0) return
  const [then, now] = [before, { kernel, machine }].map((one) => [
    `the kernel ${one.kernel?.key.slice(0, 12)}`,
    `QEMU ${one.machine?.qemuVersion}, ${one.machine?.accel}`,
  ])
  const other = now?.find((what, index) => what !== then?.[index])
  if (other === undefined) return
  const was = then?.[now?.indexOf(other) ?? 0]
  throw new Failure('infra', `the cell cannot go on: it ran on ${was}, and now there is ${other}`, {
    remedy: 'run it anew, without --resume',
  })
}

function without(all: readonly string[], those: readonly string[]): string[] {
  const set = new Set(those)
  return all.filter((one) => !set.has(one))
}

function some(ids: readonly string[]): string {
  return ids.length > 5 ? `${ids.slice(0, 5).join(' ')} and ${ids.length - 5} more` : ids.join(' ')
}
