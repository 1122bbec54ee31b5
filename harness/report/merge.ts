/** Makes one run of results that several machines have left. Nothing is read or written here. */
import { Failure } from '../failure.ts'
import { lastLookId } from '../run/last-look.ts'
import { count, exitStatus } from '../run/outcome.ts'
import { findingsOf, type Results, sortRuns } from './sort-runs.ts'
import { type CaseSummary, type CellSummary, isLost, type Summary, summaryVersion } from './summary.ts'

/** What a directory of results has of a cell. */
export interface CellPart {
  directory: string
  /** What is added to the numbers of its boots, which each machine counts from 1. */
  bootsBefore: number
  /** Its cases, by their ids in the merged results, with their ids here, and whether there are files of them. */
  cases: Map<string, { merged: CaseSummary; id: string; files: boolean }>
  /** The cell has come to nothing there, or was cut short. */
  failed: boolean
}

export interface Merged {
  summary: Summary
  /** Where the files of a cell are, by its name. */
  parts: Map<string, CellPart[]>
}

/**
 * Merges shards of a run, or runs of different cells, into what one machine would have left. Cells and cases are in the
 * order of the plan; a run's time is from the first start to the last end.
 * @param more findings that are known already
 * @throws Failure('usage') when a case would have two results
 */
export function mergeResults(all: readonly Results[], more: readonly string[] = []): Merged {
  const runs = sortRuns(all)
  const plan = runs.flatMap(([first]) => first?.summary.plan ?? [])
  const findings = [...more, ...findingsOf(runs)]
  const parts = new Map<string, CellPart[]>()
  const cells = plan.flatMap(({ cell, cases }) => {
    const found = all.filter(({ summary }) => summary.cells.some(({ name }) => name === cell))
    const made = partsOf(cell, found)
    parts.set(cell, made)
    return mergeCell(cell, cases, found, made)
  })
  const totals = count(cells.flatMap((cell) => cell.cases))
  const starts = all.map(({ summary }) => Date.parse(summary.startedAt))
  const ends = all.map(({ summary }, index) => (starts[index] ?? 0) + summary.durationMs)
  const started = Math.min(...starts)
  const status = exitStatus(totals)
  return {
    summary: {
      schema: summaryVersion,
      copylab: all[0]?.summary.copylab ?? '',
      ...{ plan, shard: null, findings },
      startedAt: new Date(started).toISOString(),
      durationMs: Math.max(...ends) - started,
      finished: all.every(({ summary }) => summary.finished),
      interrupted: all.some(({ summary }) => summary.interrupted),
      exitStatus: findings.length && status === 0 ? 3 : status,
      ...{ totals, cells },
    },
    parts,
  }
}

function partsOf(cell: string, found: readonly Results[]): CellPart[] {
  const taken = new Map<string, string>()
  let bootsBefore = 0
  return found.map(({ directory, summary, boots }) => {
    const cases: CellPart['cases'] = new Map()
    const own = summary.cells.find(({ name }) => name === cell)
    for (const one of own?.cases ?? []) {
      const id = one.id === lastLookId ? freeId(one.id, taken) : one.id
      const before = taken.get(id)
      if (before !== undefined)
        throw new Failure('usage', `${cell}: ${id} has results in ${before} and in ${directory}`, {
          remedy: 'give the shards of one run, each once',
        })
      taken.set(id, directory)
      const boot = one.boot && one.boot + bootsBefore
      const merged = { ...one, ...renumbered(one, bootsBefore), id, boot }
      cases.set(id, { merged, id: one.id, files: !(own && isLost(own, one)) })
    }
    const part = { directory, bootsBefore, cases, failed: own?.failure !== undefined }
    const last = Math.max(0, ...[...cases.values()].map(({ merged }) => merged.boot))
    bootsBefore = Math.max(bootsBefore + (boots.get(cell) ?? 0), last)
    return part
  })
}

/** Each machine looks at its last guest, and each may have a complaint: `kernel/end`, `kernel/end-2`, … */
function freeId(id: string, taken: ReadonlyMap<string, string>): string {
  let free = id
  for (let number = 2; taken.has(free); number++) free = `${id}-${number}`
  return free
}

function renumbered({ reason }: CaseSummary, bootsBefore: number): { reason?: string } {
  return reason === undefined ? {} : { reason: renumberBoots(reason, bootsBefore) }
}

/** Text that a run has written about its boots, `boot-1.console` and QEMU's line of `.full`. */
export function renumberBoots(text: string, bootsBefore: number): string {
  if (!bootsBefore) return text
  return text.replace(
    /(\bboot-)(\d+)(?=\.console\b)|(^machine: .*, boot )(\d+)$/gm,
    (_all, console, number, machine, boot) =>
      `${console ?? machine}${Number(number ?? boot) && Number(number ?? boot) + bootsBefore}`,
  )
}

function mergeCell(
  cell: string,
  planned: readonly string[],
  found: readonly Results[],
  parts: readonly CellPart[],
): CellSummary[] {
  const summaries = found.flatMap(({ summary }) => summary.cells.filter(({ name }) => name === cell))
  // One that has come to nothing knows little of what it is.
  const [first] = [...summaries].sort((a, b) => Number(!a.kernel) - Number(!b.kernel))
  if (!first) return []
  const cases = new Map(parts.flatMap((part) => [...part.cases]))
  const known = new Set(planned)
  const ordered = [...planned, ...[...cases.keys()].filter((id) => !known.has(id)).sort()]
  const results = ordered.flatMap((id) => cases.get(id)?.merged ?? [])
  const overheadMs = Math.max(...summaries.map((one) => one.overheadMs))
  const failure = summaries.find((one) => one.failure)?.failure
  return [{ ...first, ...(failure && { failure }), overheadMs, totals: count(results), cases: results }]
}
