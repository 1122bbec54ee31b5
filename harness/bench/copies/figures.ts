/** Samples of copies as figures of the report: `copy.ROUTE.BYTES.WAY.WHAT`. */
import { type Figure, figure, quotients } from '../figures.ts'
import { type CopySample, type Way, ways } from './sample.ts'

/** The figures of each route and size, in the order in which they were first measured. */
export function copyFigures(samples: readonly CopySample[]): Figure[] {
  const idOf = ({ route, bytes }: CopySample) => `copy.${route}.${bytes}`
  const ids = [...new Set(samples.map(idOf))]
  return ids.flatMap((id) =>
    figuresOf(
      id,
      samples.filter((sample) => idOf(sample) === id),
    ),
  )
}

function figuresOf(id: string, samples: readonly CopySample[]): Figure[] {
  const of = (way: Way) => samples.filter((sample) => sample.way === way)
  const times = (way: Way) => of(way).map(({ ms }) => ms)
  const [first] = samples
  const what = `${first?.route}, ${first?.bytes} bytes`
  return ways.flatMap((way) => {
    if (!of(way).length) return []
    const name = `${id}.${way}`
    const cpu = whole(of(way).map((sample) => sample.cpu))
    const links = whole(of(way).map(({ link }) => link))
    return [
      figure(`${name}.ms`, `${what}, ${way}`, 'ms', times(way)),
      // What takes turns with the fallback is compared with it round by round.
      ...(way === 'fallback'
        ? []
        : [
            figure(
              `${name}.ratio`,
              `${what}, ${way} ÷ fallback`,
              'ratio',
              quotients(times(way), times('fallback')),
            ),
          ]),
      ...(cpu ? [figure(`${name}.cpu`, `${what}, ${way}, CPU`, 's/GiB', cpu)] : []),
      ...(links ? [figure(`${name}.link`, `${what}, ${way}, link bytes a byte`, 'ratio', links)] : []),
      figure(
        `${name}.commands`,
        `${what}, ${way}, commands`,
        'count',
        of(way).map(({ commands }) => commands),
      ),
    ]
  })
}

/** What could not be told of some samples is told of none: the median of the others would be one of the larger ones. */
function whole(values: (number | null)[]): number[] | undefined {
  return values.every((value) => value !== null) ? values : undefined
}
