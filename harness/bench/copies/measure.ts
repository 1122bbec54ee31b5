/** All routes, sizes and ways in turn, as often as there are rounds, in one guest. */
import type { Profile } from '../../series/profile.ts'
import { type Choice, sizesFor } from './choice.ts'
import type { CopyGuest } from './guest.ts'
import { type Prepared, prepare } from './prepare.ts'
import type { OpenRoute } from './routes.ts'
import { type CopySample, takeSample, type Way } from './sample.ts'
import { showBytes } from './table.ts'

export interface CopyMeasurement {
  samples: CopySample[]
  /** By the route. */
  prepared: Map<string, Prepared>
}

export interface MeasureOptions {
  profile: Profile
  rounds: number
  choice: Pick<Choice, 'routes' | 'sizes' | 'ways'>
  /** A size of a route in a round is a piece, with all its ways. */
  note: (done: number, total: number, what: string) => void
}

/**
 * After an error the guest is good for nothing: what was made in it is taken away only when all went well.
 * @throws Failure('infra') when a copy fails or does not go the way that it should, or the kernel complains
 */
export async function measureCopies(
  guest: CopyGuest,
  { profile, rounds, choice, note }: MeasureOptions,
): Promise<CopyMeasurement> {
  const { routes, sizes, ways } = choice
  const measured: CopyMeasurement = { samples: [], prepared: new Map() }
  const total = rounds * routes.reduce((sum, { most }) => sum + sizesFor(most, sizes).length, 0)
  let done = 0
  for (let round = 0; round < rounds; round += 1) {
    for (const route of routes) {
      const say = (what: string) =>
        note(done, total, `round ${round + 1} of ${rounds}: ${route.what}, ${what}`)
      const open = await route.open(guest)
      const limits = await limitsOf(guest, open, profile.sysfs.limit)
      const take = (bytes: number, way: Way, block: number) =>
        takeSample(guest, { route: route.id, open, bytes, way, block, limits })
      const its = sizesFor(route.most, sizes)
      let prepared = measured.prepared.get(route.id)
      if (!prepared) {
        say('copies that are not measured')
        prepared = await prepare(guest, route, open, { profile, most: Math.max(...its), ways, take })
        measured.prepared.set(route.id, prepared)
      }
      const { block, withoutOffload } = prepared
      // Every other round the other way round: what warms up or drifts is not always to the same one's good.
      const order = round % 2 ? [...ways].reverse() : ways
      for (const bytes of its) {
        say(showBytes(bytes))
        for (const way of order) {
          if (way === 'offload' && withoutOffload) continue
          measured.samples.push(await take(bytes, way, block))
        }
        done += 1
      }
      await guest.set(limits)
      await open.close()
      await guest.requireSound()
    }
  }
  return measured
}

/** The files of the limits, and what they hold. */
async function limitsOf(
  guest: CopyGuest,
  { queues }: OpenRoute,
  limit: string,
): Promise<Map<string, number>> {
  const files = queues.map((device) => `/sys/class/block/${device.slice('/dev/'.length)}/queue/${limit}`)
  const values = await guest.numbers(files)
  return new Map(files.map((file, index) => [file, values[index] as number]))
}
