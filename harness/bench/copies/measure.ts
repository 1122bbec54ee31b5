/** All routes, sizes and ways in turn, as often as there are rounds, in one guest. */
import type { Profile } from '../../series/profile.ts'
import { offers } from '../../series/resolve.ts'
import { median } from '../figures.ts'
import { blkcopy, type CopyGuest } from './guest.ts'
import { type OpenRoute, type Route, routes } from './routes.ts'
import { type CopySample, takeSample, type Way, ways } from './sample.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** Of a copy, bytes; powers of two, as a mirror's region must be. */
export const copySizes = [4 * KiB, 64 * KiB, MiB, 16 * MiB, 128 * MiB, 1024 * MiB]

/** What dd is tried with, bytes. */
const blocks = [64 * KiB, 256 * KiB, MiB, 4 * MiB]

/** Of the copies that dd's best block is found by. */
const trial = 16 * MiB

export interface CopyMeasurement {
  samples: CopySample[]
  /** dd's best block by the route, bytes. */
  blocks: Map<string, number>
  /** Why a route has no offload, by the route. */
  withoutOffload: Map<string, string>
}

export interface MeasureOptions {
  profile: Profile
  rounds: number
  note: (done: number, what: string) => void
}

/** @throws Failure('infra') when a copy fails, or does not go the way that it should */
export async function measureCopies(
  guest: CopyGuest,
  { profile, rounds, note }: MeasureOptions,
): Promise<CopyMeasurement> {
  const measured: CopyMeasurement = { samples: [], blocks: new Map(), withoutOffload: new Map() }
  for (let round = 0; round < rounds; round += 1) {
    for (const route of routes) {
      note(round, route.what)
      const open = await route.open(guest)
      try {
        const limits = await limitsOf(guest, open, profile.sysfs.limit)
        const take = (bytes: number, way: Way, block: number) =>
          takeSample(guest, { route: route.id, open, bytes, way, block, limits })
        if (round === 0) await prepare(guest, route, open, { profile, take, measured })
        const block = measured.blocks.get(route.id) ?? trial
        // Every other round the other way round: what warms up or drifts is not always to the same one's good.
        const order = round % 2 ? [...ways].reverse() : ways
        for (const bytes of copySizes.filter((size) => size <= route.most)) {
          for (const way of order) {
            if (way === 'offload' && measured.withoutOffload.has(route.id)) continue
            measured.samples.push(await take(bytes, way, block))
          }
        }
        await restore(guest, limits)
      } finally {
        await open.close()
      }
    }
  }
  return measured
}

interface Preparation {
  profile: Profile
  take: (bytes: number, way: Way, block: number) => Promise<CopySample>
  measured: CopyMeasurement
}

/** Fills the source, asks whether the route offloads here, and finds dd's best block. */
async function prepare(
  guest: CopyGuest,
  route: Route,
  { from, to }: OpenRoute,
  { profile, take, measured }: Preparation,
): Promise<void> {
  const words = [from.device, String(from.offset), to.device, String(to.offset)]
  const fill = ['fill', ...words.slice(0, 2), String(route.most), '1', '0']
  await guest.run([blkcopy, ...fill, ',', 'flush', from.device])
  if (!offers(profile, route.path)) {
    measured.withoutOffload.set(route.id, profile.lacks[route.path] ?? 'the series does not offload there')
  } else {
    // BLK_COPY_NO_FALLBACK: the device has the last word.
    const asked = await guest.run([blkcopy, 'copy', '--flags=1', ...words, '4096'])
    if (/^result error=EOPNOTSUPP/m.test(asked))
      measured.withoutOffload.set(route.id, 'this QEMU does not copy there')
  }
  const times = new Map(blocks.map((block) => [block, [] as number[]]))
  for (let turn = 0; turn < 3; turn += 1)
    for (const block of blocks)
      times.get(block)?.push((await take(Math.min(trial, route.most), 'dd', block)).ms)
  const [best] = [...times].sort(([, a], [, b]) => median(a) - median(b))
  if (best) measured.blocks.set(route.id, best[0])
}

/** The files of the limits, and what they hold. */
async function limitsOf(
  guest: CopyGuest,
  { queues }: OpenRoute,
  limit: string,
): Promise<Map<string, string>> {
  const files = queues.map((device) => `/sys/class/block/${device.slice('/dev/'.length)}/queue/${limit}`)
  const values = (await guest.run([blkcopy, 'get', ...files])).trim().split('\n')
  return new Map(files.map((file, index) => [file, values[index] ?? '']))
}

async function restore(guest: CopyGuest, limits: ReadonlyMap<string, string>): Promise<void> {
  const set = [...limits].flatMap(([file, usual]) => [',', 'set', file, usual]).slice(1)
  await guest.run([blkcopy, ...set])
}
