/** A bench for people. */
import { patchesOf } from '../series/load.ts'
import { copyTables } from './copies/table.ts'
import type { BenchReport, Figure } from './figures.ts'

/** The whole report, with a newline at its end. */
export function showReport(report: BenchReport): string {
  const { figures, notes } = report
  const copies = figures.filter(({ id }) => id.startsWith('copy.'))
  const others = figures.filter((figure) => !copies.includes(figure))
  const blocks = [
    heading(report).join('\n'),
    ...(others.length ? [columns([['', 'median', 'spread', 'n', 'aim'], ...others.map(row)])] : []),
    ...copyTables(copies),
    ...notes.map(wrap),
  ]
  return `${blocks.join('\n\n')}\n`
}

/** At most 110 columns. */
function wrap(text: string): string {
  return text.replace(/(.{1,110})(?: |$)/g, '$1\n').trimEnd()
}

function heading({ tree, series, machine, kernel, rounds, host }: BenchReport): string[] {
  const patches = series ? `with ${patchesOf(series)} of ${series.name}` : 'without patches'
  const guest = machine ? `, QEMU ${machine.qemuVersion}, ${machine.accel}` : ''
  const { start, end } = host.load
  return [
    `${tree.label}: ${kernel.release} ${patches}${guest}`,
    `${host.processors} × ${host.processor}, load average ${showLoad(start)} before, ${showLoad(end)} after, ` +
      showRounds(rounds),
  ]
}

export function showRounds(rounds: number): string {
  return `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`
}

export function showLoad(load: readonly number[]): string {
  return load.map((value) => value.toFixed(2)).join(' ')
}

function row({ what, unit, samples, median, lowest, highest, aim }: Figure): string[] {
  const spread = samples.length > 1 ? showSpread(lowest, highest, unit) : ''
  const aimed = aim === null ? '' : `≤ ${showValue(aim, unit)}`
  return [what, showValue(median, unit), spread, String(samples.length), aimed]
}

/** `1.48 … 1.60 s`: the unit once where both have the same. */
function showSpread(lowest: number, highest: number, unit: Figure['unit']): string {
  const [from = '', to = ''] = [lowest, highest].map((value) => showValue(value, unit))
  const [value, fromUnit] = from.split(' ')
  return `${fromUnit === to.split(' ')[1] ? value : from} … ${to}`
}

/** `31.4 s`, `1.52 s`, `0.31 ms`; a ratio is a bare number. */
export function showValue(value: number, unit: Figure['unit']): string {
  if (unit === 'count') return Number.isInteger(value) ? String(value) : digits(value)
  if (unit !== 'ms') return digits(value)
  return Math.abs(value) >= 1000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`
}

function digits(value: number): string {
  const size = Math.abs(value)
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return size >= 0.1 || size === 0 ? value.toFixed(2) : value.toPrecision(2)
}

/** Left-aligned columns, two spaces apart. */
export function columns(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((one) => one[column]?.length ?? 0)))
  return rows
    .map((one) =>
      one
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
