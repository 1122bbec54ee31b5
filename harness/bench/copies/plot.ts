/** Figures of copies as a picture: throughput by size, a panel a route, a line a way. SVG that loads nothing. */
import type { Figure } from '../figures.ts'
import { routes } from './routes.ts'
import { type Way, ways } from './sample.ts'
import { showBytes, sizesOf } from './table.ts'

const panel = { width: 440, height: 260, left: 64, right: 16, top: 36, bottom: 40 }
const perRow = 2
const legendHeight = 36

/** Of Paul Tol's bright scheme, which the colour-blind can tell apart. */
const colours: Record<Way, string> = {
  offload: '#228833',
  fallback: '#4477aa',
  dd: '#ee6677',
  kcopyd: '#aa3377',
}

/** MiB a second: the median, and what the slowest and the fastest sample come to. */
interface Point {
  bytes: number
  rate: number
  least: number
  most: number
}

/** @returns the text of an SVG file; without a panel when nothing was copied */
export function copyPlot(figures: readonly Figure[], title: string): string {
  const known = new Map(figures.map((figure) => [figure.id, figure]))
  const panels = routes.flatMap(({ id, what }) => {
    const lines = ways.map((way) => ({ way, points: pointsOf(known, id, sizesOf(figures, id), way) }))
    const there = lines.filter(({ points }) => points.length)
    return there.length ? [{ what, lines: there }] : []
  })
  const width = perRow * panel.width
  const height = legendHeight + Math.ceil(panels.length / perRow) * panel.height
  const drawn = panels.map(({ what, lines }, index) => {
    const x = (index % perRow) * panel.width
    const y = legendHeight + Math.floor(index / perRow) * panel.height
    return `<g transform="translate(${x} ${y})">${drawPanel(what, lines)}</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="8" y="22" font-size="14">${escaped(title)}: MiB/s by size</text>`,
    ...ways.map((way, index) => {
      const x = width - 360 + index * 90
      return `<path d="M${x} 18h20" stroke="${colours[way]}" stroke-width="2"/><text x="${x + 24}" y="22">${way}</text>`
    }),
    ...drawn,
    '</svg>',
    '',
  ].join('\n')
}

function pointsOf(known: ReadonlyMap<string, Figure>, route: string, sizes: number[], way: Way): Point[] {
  return sizes.flatMap((bytes) => {
    const figure = known.get(`copy.${route}.${bytes}.${way}.ms`)
    const rate = (ms: number) => bytes / 2 ** 20 / (ms / 1000)
    if (!figure) return []
    return [{ bytes, rate: rate(figure.median), least: rate(figure.highest), most: rate(figure.lowest) }]
  })
}

function drawPanel(what: string, lines: { way: Way; points: Point[] }[]): string {
  const all = lines.flatMap(({ points }) => points)
  const sizes = all.map(({ bytes }) => Math.log2(bytes))
  const decades = {
    from: Math.floor(Math.log10(Math.min(...all.map(({ least }) => least)))),
    to: Math.ceil(Math.log10(Math.max(...all.map(({ most }) => most)))),
  }
  const across = scale([Math.min(...sizes), Math.max(...sizes)], [panel.left, panel.width - panel.right])
  const up = scale([decades.from, decades.to], [panel.height - panel.bottom, panel.top])
  const x = (bytes: number) => across(Math.log2(bytes))
  const y = (rate: number) => up(Math.log10(rate))
  const grid = Array.from({ length: decades.to - decades.from + 1 }, (_, index) => decades.from + index)
  const ticks = [...new Set(all.map(({ bytes }) => bytes))]
  return [
    `<text x="${panel.left}" y="${panel.top - 14}" font-weight="bold">${escaped(what)}</text>`,
    ...grid.map((decade) => {
      const at = up(decade).toFixed(1)
      const line = `<path d="M${panel.left} ${at}H${panel.width - panel.right}" stroke="#ddd"/>`
      return `${line}<text x="${panel.left - 6}" y="${at}" dy="4" text-anchor="end">${10 ** decade}</text>`
    }),
    ...ticks.map(
      (bytes) =>
        `<text x="${x(bytes).toFixed(1)}" y="${panel.height - panel.bottom + 18}" text-anchor="middle">${showBytes(bytes)}</text>`,
    ),
    ...lines.map(({ way, points }) => {
      const at = (point: Point) => `${x(point.bytes).toFixed(1)} ${y(point.rate).toFixed(1)}`
      const bars = points.map(
        (point) => `M${x(point.bytes).toFixed(1)} ${y(point.least).toFixed(1)}V${y(point.most).toFixed(1)}`,
      )
      const [first, ...others] = points.map(at)
      return `<path d="M${first}${others.map((one) => `L${one}`).join('')}${bars.join('')}" fill="none" stroke="${colours[way]}" stroke-width="2"/>`
    }),
  ].join('\n')
}

/** A linear map of one interval to another; an empty one goes to the middle. */
function scale([from, to]: [number, number], [first, last]: [number, number]): (value: number) => number {
  if (from === to) return () => (first + last) / 2
  return (value) => first + ((value - from) / (to - from)) * (last - first)
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
}
