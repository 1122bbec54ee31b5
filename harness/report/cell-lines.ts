/** The live display of a run with several cells: a line a cell, made of what is known of each. Nothing is written here. */
import type { Totals } from '../run/outcome.ts'
import { duration } from './progress.ts'

export type Phase = 'queued' | 'providing' | 'provided' | 'running' | 'done' | 'failed' | 'stopped'

/** Times are milliseconds. */
export interface CellView {
  name: string
  phase: Phase
  /** What goes on in it: the step, with how far it is, or the case. Of one that has failed: why. */
  detail: string
  /** Cases that have a verdict, those of earlier sittings among them. */
  done: number
  total: number
  totals: Totals
  /** When it left the queue. */
  started?: number
  ended?: number
  /** What is left of it, as earlier runs took. */
  leftMs?: number
}

const words: Record<Phase, string> = {
  queued: 'queued',
  providing: 'preparing',
  provided: 'ready',
  running: 'running',
  done: 'done',
  failed: 'infra',
  stopped: 'stopped',
}

export interface Frame {
  now: number
  columns: number
  /** At most so many lines, the last of which counts all cells. */
  rows: number
  /** When the run began. */
  started: number
}

/** One line a cell while there is room, then one for all of them. No line is wider than the terminal. */
export function frame(cells: readonly CellView[], { now, columns, rows, started }: Frame): string[] {
  const shown = choose(cells, rows - 1)
  const width = Math.max(...shown.map(({ name }) => name.length), 0)
  const lines = shown.map((cell) => lineOf(cell, Math.min(width, Math.floor(columns / 2)), now))
  const hidden = cells.length - shown.length
  const rest = hidden ? `${hidden} more; ` : ''
  return [...lines, rest + sumOf(cells, now - started)].map((line) => cut(line, columns - 1))
}

/** What goes on is the last thing to give up its line; what has gone well is the first. */
function choose(cells: readonly CellView[], most: number): readonly CellView[] {
  if (cells.length <= most) return cells
  const rank = ({ phase, totals }: CellView) => {
    if (phase === 'running' || phase === 'providing') return 0
    if (phase === 'failed' || totals.failed || totals.infra) return 1
    return phase === 'provided' ? 2 : phase === 'queued' ? 3 : 4
  }
  const first = [...cells].sort((a, b) => rank(a) - rank(b)).slice(0, Math.max(most, 0))
  return cells.filter((cell) => first.includes(cell))
}

function lineOf(cell: CellView, width: number, now: number): string {
  const { name, phase, detail, done, total, totals, started, ended, leftMs } = cell
  const going = phase === 'running' || phase === 'providing'
  const cases = phase === 'providing' ? '' : `${done}/${total}`
  const parts = [cut(name, width).padEnd(width), words[phase].padEnd(9), cases.padEnd(9)]
  if (started !== undefined) parts.push(duration((ended ?? now) - started).padEnd(12))
  const trouble = troubleOf(totals)
  if (trouble) parts.push(trouble)
  if (detail && phase !== 'done') parts.push(detail)
  // It takes longer than it did: nobody knows.
  if (leftMs !== undefined && leftMs >= 1000 && (going || phase === 'queued' || phase === 'provided'))
    parts.push(`about ${duration(leftMs)}${going ? ' left' : ''}`)
  return parts.join('  ').trimEnd()
}

/** `3 of 8 cells, 524 of 3232 cases, 2 failed, 12 min 10 s, about 40 min 00 s left` */
function sumOf(cells: readonly CellView[], elapsed: number): string {
  const sum = (key: 'done' | 'total') => cells.reduce((total, cell) => total + cell[key], 0)
  const all = cells.reduce<Pick<Totals, 'failed' | 'infra'>>(
    ({ failed, infra }, { totals }) => ({ failed: failed + totals.failed, infra: infra + totals.infra }),
    { failed: 0, infra: 0 },
  )
  const over = cells.filter(({ phase }) => phase === 'done' || phase === 'failed').length
  const trouble = troubleOf(all)
  return [
    `${over} of ${cells.length} cells`,
    `${sum('done')} of ${sum('total')} cases`,
    ...(trouble ? [trouble] : []),
    duration(elapsed),
    ...left(cells),
  ].join(', ')
}

/** As if one cell came after the other: with cores for several VMs it will be less. */
function left(cells: readonly CellView[]): string[] {
  const open = cells.filter(({ phase }) => phase !== 'done' && phase !== 'failed')
  const ms = open.reduce<number | undefined>(
    (sum, { leftMs }) => (sum === undefined || leftMs === undefined ? undefined : sum + leftMs),
    0,
  )
  return open.length && ms !== undefined ? [`about ${duration(ms)} left`] : []
}

function troubleOf({ failed, infra }: Pick<Totals, 'failed' | 'infra'>): string {
  return [...(failed ? [`${failed} failed`] : []), ...(infra ? [`${infra} infra`] : [])].join(', ')
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`
}
