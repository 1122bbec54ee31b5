/** One part of a plan for each of several machines. */
import { createHash } from 'node:crypto'
import { Failure } from '../failure.ts'
import { duration } from '../report/progress.ts'
import type { Plan, PlannedCell } from './plan.ts'
import type { Estimate } from './times.ts'

/** The `index`-th of `count` shards, from 1 on. */
export interface Shard {
  index: number
  count: number
}

/** What of a plan a shard is. */
export interface PlanShard extends Shard {
  /** A SHA-256 over where the plan is cut: shards of one run have the same. */
  split: string
  /** The whole plan. */
  whole: readonly PlannedCell[]
}

/** @throws Failure('usage') */
export function parseShard(text: string): Shard {
  const [, index = 0, count = 0] = (/^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? []).map(Number)
  if (index < 1 || index > count)
    throw new Failure('usage', `--shard: expected i/n such as 2/3, with i from 1 to n, not "${text}"`, {
      remedy: 'the first of three machines runs --shard 1/3, the second 2/3, the third 3/3',
    })
  return { index, count }
}

/** The shard's part of a plan. Every machine that has the same plan and the same times comes to the same parts. */
export function takeShard(plan: Plan, shard: Shard, estimate: Estimate): Plan {
  const parts = splitCells(plan.cells, shard.count, estimate)
  // With the plan, which whoever compares shards has, the first case of a stretch and its length tell all of them.
  const cuts = parts.map((cells) =>
    cells.map(({ cell, cases }) => [cell.name, cases[0]?.id ?? '', cases.length]),
  )
  const split = createHash('sha256').update(JSON.stringify(cuts)).digest('hex')
  return { ...plan, cells: parts[shard.index - 1] ?? [], shard: { ...shard, split, whole: plan.cells } }
}

/** `shard 2/3: 135 of 404 cases, 1 of 1 cells, about 3 min 20 s` */
export function describeShard({ cells, shard }: Plan, estimate: Estimate): string {
  const count = (planned: readonly PlannedCell[]) =>
    planned.reduce((total, { cases }) => total + cases.length, 0)
  const { index, count: of, whole } = shard ?? { index: 1, count: 1, whole: cells }
  if (!cells.length) return `shard ${index}/${of} has nothing to run of ${count(whole)} cases`
  const what = `${count(cells)} of ${count(whole)} cases, ${cells.length} of ${whole.length} cells`
  return `shard ${index}/${of}: ${what}, about ${duration(expectedMs(cells, estimate))}`
}

/** Milliseconds that cells take one after the other. */
export function expectedMs(cells: readonly PlannedCell[], estimate: Estimate): number {
  return cells.map((planned) => weigh(planned, estimate).totalMs).reduce((sum, ms) => sum + ms, 0)
}

/** A case of a cell: the cells and cases before it go to the shards before. */
interface Position {
  cell: number
  case: number
}

interface Weight {
  planned: PlannedCell
  overheadMs: number
  /** Of the first 0, 1, … cases together. */
  sums: number[]
  totalMs: number
}

/**
 * Splits cells into `count` parts so that the longest takes as little as it can, when each part is a stretch of the
 * plan and pays the overhead of every cell in it. Stretches keep together what lies together: cases of a cell, which
 * share its boot, and cells of a tree, which share its kernel. A cell is broken only where that saves a tenth of the longest
 * part. Parts may be empty when there is less to do than there are parts.
 */
export function splitCells(
  cells: readonly PlannedCell[],
  count: number,
  estimate: Estimate,
): PlannedCell[][] {
  const weights = cells.filter(({ cases }) => cases.length).map((planned) => weigh(planned, estimate))
  let limitMs = shortestLimit(weights, count)
  // Machines differ by more than this.
  const withSlackMs = Math.floor(limitMs * 1.1)
  const parts: PlannedCell[][] = []
  let from: Position = { cell: 0, case: 0 }
  for (let left = count - 1; left >= 0; left--) {
    let to = fill(weights, from, limitMs)
    const whole = { cell: to.cell, case: 0 }
    if (to.case && to.cell > from.cell && fits(weights, whole, left, withSlackMs)) {
      if (!fits(weights, whole, left, limitMs)) limitMs = withSlackMs
      to = whole
    }
    parts.push(between(weights, from, to))
    from = to
  }
  return parts
}

function weigh(planned: PlannedCell, estimate: Estimate): Weight {
  const { overheadMs, caseMs } = estimate(planned.cell)
  const sums = [0]
  for (const { id } of planned.cases) sums.push((sums.at(-1) ?? 0) + caseMs(id))
  return { planned, overheadMs, sums, totalMs: overheadMs + (sums.at(-1) ?? 0) }
}

/** The shortest time in which `count` machines can do all of it, found by bisection. */
function shortestLimit(weights: readonly Weight[], count: number): number {
  let high = weights.reduce((sum, { totalMs }) => sum + totalMs, 0)
  // No machine can do less than one case.
  let low = weights.reduce(
    (most, { overheadMs, sums }) =>
      sums.reduce(
        (longest, sum, index) => Math.max(longest, overheadMs + sum - (sums[index - 1] ?? 0)),
        most,
      ),
    0,
  )
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (fits(weights, { cell: 0, case: 0 }, count, middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** Whether `count` machines can do what is left from a position on, none in more than `limitMs`. */
function fits(weights: readonly Weight[], from: Position, count: number, limitMs: number): boolean {
  let at = from
  for (let left = count; left > 0 && at.cell < weights.length; left--) at = fill(weights, at, limitMs)
  return at.cell >= weights.length
}

/** Where a machine comes to that begins at a position and takes all that it can do in `limitMs`. */
function fill(weights: readonly Weight[], from: Position, limitMs: number): Position {
  let at = from
  let leftMs = limitMs
  for (;;) {
    const weight = weights[at.cell]
    if (!weight) return at
    const { sums, overheadMs } = weight
    const end = lastWithin(sums, (sums[at.case] ?? 0) + leftMs - overheadMs)
    if (end <= at.case) return at
    if (end < sums.length - 1) return { cell: at.cell, case: end }
    leftMs -= overheadMs + (sums[end] ?? 0) - (sums[at.case] ?? 0)
    at = { cell: at.cell + 1, case: 0 }
  }
}

/** Index of the last of ascending sums that is at most `limit`; -1 if there is none. */
function lastWithin(sums: readonly number[], limit: number): number {
  let [low, high] = [0, sums.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sums[middle] ?? 0) <= limit) low = middle + 1
    else high = middle
  }
  return low - 1
}

function between(weights: readonly Weight[], from: Position, to: Position): PlannedCell[] {
  return weights
    .slice(from.cell, to.cell + 1)
    .map(({ planned }, index) => {
      const cell = from.cell + index
      const cases = planned.cases.slice(
        cell === from.cell ? from.case : 0,
        cell === to.cell ? to.case : undefined,
      )
      return { ...planned, cases }
    })
    .filter(({ cases }) => cases.length)
}
