/** What of the bench of copies is taken: as the user has chosen, and as the kernel can. */
import { Failure } from '../../failure.ts'
import { type Route, routes } from './routes.ts'
import { type Way, ways } from './sample.ts'
import { showBytes } from './table.ts'
import { largest } from './topology.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** Of a copy, bytes; powers of two, as a mirror's region must be. */
export const copySizes = [4 * KiB, 64 * KiB, MiB, 16 * MiB, 128 * MiB, 1024 * MiB]
const smallest = 4 * KiB

export interface Choice {
  routes: readonly Route[]
  /** Of a copy, bytes, ascending. */
  sizes: readonly number[]
  ways: readonly Way[]
  /** Why something of it is not measured. */
  notes: readonly string[]
}

/**
 * @param routeIds as typed; undefined: all
 * @param sizes as typed, such as `64K`; undefined: the usual ones
 * @throws Failure('usage')
 */
export function chooseCopies(
  routeIds: readonly string[] | undefined,
  sizes: readonly string[] | undefined,
): Choice {
  const unknown = routeIds?.find((id) => !routes.some((route) => route.id === id))
  if (unknown !== undefined) {
    const known = routes.map(({ id }) => id).join(', ')
    throw new Failure('usage', `--routes: there is no '${unknown}'; there are ${known}`)
  }
  const chosen = sizes ? [...new Set(sizes.map(parseSize))].sort((a, b) => a - b) : copySizes
  const wanted = routes.filter(({ id }) => routeIds?.includes(id) ?? true)
  return leaveOut({ routes: wanted, sizes: chosen, ways, notes: [] }, ({ what, most }) =>
    sizesFor(most, chosen).length ? undefined : `${what}: copies of up to ${showBytes(most)} only`,
  )
}

/** The sizes that a route has room or time for. */
export function sizesFor(most: number, sizes: readonly number[]): number[] {
  return sizes.filter((size) => size <= most)
}

/**
 * What of it the kernel can do.
 * @param configured whether an option of the kernel's .config is on
 * @throws Failure('usage') when that is nothing
 */
export function withKernel(choice: Choice, configured: (option: string) => boolean): Choice {
  const left = leaveOut(choice, ({ what, options }) => {
    const option = options.find((one) => !configured(one))
    return option && `${what} is left out: the kernel is built without ${option}`
  })
  if (configured('CONFIG_DM_MIRROR')) return left
  const note = 'kcopyd is left out: the kernel is built without CONFIG_DM_MIRROR.'
  return { ...left, ways: left.ways.filter((way) => way !== 'kcopyd'), notes: [...left.notes, note] }
}

function leaveOut(choice: Choice, why: (route: Route) => string | undefined): Choice {
  const reasons = choice.routes.flatMap((route) => why(route) ?? [])
  const left = choice.routes.filter((route) => why(route) === undefined)
  if (!left.length) throw new Failure('usage', `nothing is left to measure: ${reasons.join('; ')}`)
  return { ...choice, routes: left, notes: [...choice.notes, ...reasons.map((reason) => `${reason}.`)] }
}

/** `4K`, `16M`, `1G` */
function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+)([KMG])(?:iB)?$/i.exec(text) ?? []
  const bytes = Number(number) * KiB ** (['K', 'M', 'G'].indexOf(unit.toUpperCase()) + 1)
  if (bytes >= smallest && bytes <= largest && Number.isInteger(Math.log2(bytes))) return bytes
  throw new Failure(
    'usage',
    `--sizes: expected powers of two from ${showBytes(smallest)} to ${showBytes(largest)}, such as 64K,16M, not ` +
      JSON.stringify(text),
  )
}
