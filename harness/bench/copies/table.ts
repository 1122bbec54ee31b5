/** Figures of copies for people: a table for each route, a line a size, the ways side by side. */
import type { Figure } from '../figures.ts'
import { columns, showValue } from '../table.ts'
import { routes } from './routes.ts'
import { ways } from './sample.ts'

/** `4 KiB` */
export function showBytes(bytes: number): string {
  const units = ['GiB', 'MiB', 'KiB']
  for (const [index, unit] of units.entries()) {
    const size = 2 ** (10 * (units.length - index))
    if (bytes >= size) return `${bytes / size} ${unit}`
  }
  return `${bytes} bytes`
}

/** The tables, with a heading each. */
export function copyTables(figures: readonly Figure[]): string[] {
  const known = new Map(figures.map((figure) => [figure.id, figure]))
  return routes.flatMap(({ id, what }) => {
    const sizes = sizesOf(figures, id)
    if (!sizes.length) return []
    const there = ways.filter((way) => known.has(`copy.${id}.${sizes[0]}.${way}.ms`))
    const head = ['', ...there, ...there.flatMap((way) => (way === 'fallback' ? [] : [`${way} ÷ fallback`]))]
    const more = there.flatMap((way) => [`CPU s/GiB ${way}`, `link ${way}`, `commands ${way}`])
    const value = (size: number, rest: string) => {
      const figure = known.get(`copy.${id}.${size}.${rest}`)
      return figure ? showValue(figure.median, figure.unit) : '-'
    }
    const times = sizes.map((size) => [
      showBytes(size),
      ...there.map((way) => withSpread(known.get(`copy.${id}.${size}.${way}.ms`))),
      ...there.flatMap((way) => (way === 'fallback' ? [] : [value(size, `${way}.ratio`)])),
    ])
    const others = sizes.map((size) => [
      showBytes(size),
      ...there.flatMap((way) => ['cpu', 'link', 'commands'].map((rest) => value(size, `${way}.${rest}`))),
    ])
    return [`${what}\n${columns([head, ...times])}`, columns([['', ...more], ...others])]
  })
}

/** Of the copies on a route, in order. */
export function sizesOf(figures: readonly Figure[], route: string): number[] {
  const ids = figures.map(({ id }) => id.split('.')).filter(([kind, of]) => kind === 'copy' && of === route)
  return [...new Set(ids.map(([, , bytes]) => Number(bytes)))].sort((a, b) => a - b)
}

function withSpread(figure: Figure | undefined): string {
  if (!figure) return ''
  const { median, lowest, highest, unit, samples } = figure
  // One sample has no spread, which is not one of nothing.
  if (samples.length === 1) return showValue(median, unit)
  const percent = Math.round(((highest - lowest) / median / 2) * 100)
  return `${showValue(median, unit)} ±${percent} %`
}
