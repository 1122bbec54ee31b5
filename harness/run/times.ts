/** How long cells and cases took when they last ran: to split a plan evenly, and to say when a run will end. */
import { basename } from 'node:path'
import { z } from 'zod'
import type { Summary } from '../report/summary.ts'
import type { Cell } from './plan.ts'

const milliseconds = z.number().min(0).max(Number.MAX_SAFE_INTEGER)

export const timesSchema = z.object({
  /** Version of this format. */
  times: z.literal(1),
  /** By the cell's name; what ran last is last. */
  cells: z.record(
    z.string(),
    z.object({
      /** Names of the fragments, joined by commas. Kernels that find bugs take a multiple of the time. */
      kconfig: z.string(),
      /** What the cell takes beside its cases: to build or fetch its kernel, to boot, to load. */
      overheadMs: milliseconds,
      /** By the case's id. */
      cases: z.record(z.string(), milliseconds),
    }),
  ),
})

export type Times = z.infer<typeof timesSchema>
type CellTimes = Times['cells'][string]

export const noTimes: Times = { times: 1, cells: {} }

/** Where nothing was ever recorded: what a case takes, and a cell between booting (10 s) and building (10 min). */
const usual = { caseMs: 1000, overheadMs: 60_000 }

/** The times of a run. What the harness or the machine has failed says nothing. */
export function timesOf({ cells }: Pick<Summary, 'cells'>): Times {
  const timed = cells.map(({ name, kconfig, overheadMs, cases }): [string, CellTimes] => {
    const judged = cases.filter(({ verdict }) => verdict !== 'infra')
    const times = judged.map(({ id, runtimeMs }) => [id, Math.round(runtimeMs)] as const)
    return [
      name,
      { kconfig: nameOf(kconfig), overheadMs: Math.round(overheadMs), cases: Object.fromEntries(times) },
    ]
  })
  return { times: 1, cells: Object.fromEntries(timed.filter(([, { cases }]) => Object.keys(cases).length)) }
}

/** Older times with newer ones over them, of the last `most` cells that ran. */
export function withTimes(older: Times, newer: Times, most = 500): Times {
  const cells = new Map(Object.entries(older.cells))
  for (const [name, cell] of Object.entries(newer.cells)) {
    const before = cells.get(name)
    cells.delete(name)
    cells.set(name, { ...cell, cases: { ...before?.cases, ...cell.cases } })
  }
  return { times: 1, cells: Object.fromEntries([...cells].slice(-most)) }
}

export interface CellEstimate {
  overheadMs: number
  /** Milliseconds. @param id of a case */
  caseMs(id: string): number
}

/** Whole milliseconds, the same on every machine that has the same times. */
export type Estimate = (cell: Pick<Cell, 'name' | 'kconfig'>) => CellEstimate

/**
 * A case takes what it took last in the cell; else the median of what it took in cells of the same kconfig; else in any
 * cell; else the median of all cases. A cell's overhead goes by the same order. Where there are no times at all, every
 * case counts a second and every cell a minute.
 */
export function estimator({ cells }: Times): Estimate {
  const all = Object.values(cells)
  const anywhere = typical(all)
  const byKconfig = new Map<string, ReturnType<typeof typical>>()
  for (const kconfig of new Set(all.map((cell) => cell.kconfig)))
    byKconfig.set(kconfig, typical(all.filter((cell) => cell.kconfig === kconfig)))
  return ({ name, kconfig }) => {
    const own = Object.hasOwn(cells, name) ? cells[name] : undefined
    const alike = byKconfig.get(nameOf(kconfig))
    const ownMs = new Map(Object.entries(own?.cases ?? {}))
    return {
      overheadMs: Math.round(own?.overheadMs ?? alike?.overheadMs ?? anywhere.overheadMs ?? usual.overheadMs),
      caseMs: (id) =>
        Math.round(
          ownMs.get(id) ??
            alike?.byCase.get(id) ??
            anywhere.byCase.get(id) ??
            alike?.caseMs ??
            anywhere.caseMs ??
            usual.caseMs,
        ),
    }
  }
}

function typical(cells: readonly CellTimes[]) {
  const byCase = new Map<string, number[]>()
  for (const cell of cells)
    for (const [id, ms] of Object.entries(cell.cases)) {
      const known = byCase.get(id)
      if (known) known.push(ms)
      else byCase.set(id, [ms])
    }
  return {
    byCase: new Map([...byCase].map(([id, times]) => [id, median(times) ?? 0])),
    caseMs: median([...byCase.values()].flat()),
    overheadMs: median(cells.map(({ overheadMs }) => overheadMs)),
  }
}

/** The lower one of an even number. */
function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}

function nameOf(kconfig: readonly string[]): string {
  const names = kconfig.map((path) => basename(path, '.config'))
  return [...new Set(names)].sort().join(',')
}
