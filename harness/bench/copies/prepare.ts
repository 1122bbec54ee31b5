/** What comes before the first sample of a route. */
import { Failure } from '../../failure.ts'
import type { Profile } from '../../series/profile.ts'
import { offers } from '../../series/resolve.ts'
import { median } from '../figures.ts'
import { blkcopy, type CopyGuest } from './guest.ts'
import type { OpenRoute, Route } from './routes.ts'
import type { CopySample, Way } from './sample.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** What dd is tried with, bytes. */
const blocks = [64 * KiB, 256 * KiB, MiB, 4 * MiB]

/** Of the copies that dd's best block is found by. */
const trial = 16 * MiB

export interface Preparation {
  profile: Profile
  /** Of the route's largest copy, bytes. */
  most: number
  ways: readonly Way[]
  /** A sample of copies of so many bytes; dd's have a block size, bytes. */
  take: (bytes: number, way: Way, block: number) => Promise<CopySample>
}

export interface Prepared {
  /** dd's best block, bytes. */
  block: number
  /** Why the route has no offload. */
  withoutOffload: string | undefined
}

/**
 * Fills the source, asks whether the route offloads here, copies once by each way, and finds dd's best block.
 *
 * The files behind the disks have no blocks yet. Whatever copies first would have to wait for the host to find some.
 * @throws Failure('infra')
 */
export async function prepare(
  guest: CopyGuest,
  route: Route,
  open: OpenRoute,
  { profile, most, ways, take }: Preparation,
): Promise<Prepared> {
  const { device, offset } = open.from
  await guest.run([blkcopy, 'fill', device, String(offset), String(most), '1', '0', ',', 'flush', device])
  const withoutOffload = await whyNoOffload(guest, route, open, profile)
  for (const way of ways) if (way !== 'offload' || !withoutOffload) await take(most, way, MiB)
  const times = new Map(blocks.map((block) => [block, [] as number[]]))
  for (let turn = 0; turn < 3; turn += 1)
    for (const block of blocks) times.get(block)?.push((await take(Math.min(trial, most), 'dd', block)).ms)
  const [best] = [...times].sort(([, a], [, b]) => median(a) - median(b))
  return { block: best?.[0] ?? MiB, withoutOffload }
}

/** By the series, and by the device, which has the last word where it may. */
async function whyNoOffload(
  guest: CopyGuest,
  { path, what }: Route,
  { from, to }: OpenRoute,
  profile: Profile,
): Promise<string | undefined> {
  if (!offers(profile, path)) return profile.lacks[path] ?? 'the series does not offload there'
  if (!path.startsWith('scsi') && guest.isMultipath('near') && profile.lacks['nvme-multipath'])
    return profile.lacks['nvme-multipath']
  const words = [from.device, String(from.offset), to.device, String(to.offset), '4096']
  // BLK_COPY_NO_FALLBACK
  const asked = await guest.run([blkcopy, 'copy', '--flags=1', ...words])
  if (/^result error=0 copied=4096 offloaded=4096$/m.test(asked)) return undefined
  if (path === 'nvme-cross-namespace' && /^result error=EOPNOTSUPP /m.test(asked)) {
    const lack = await whyNoFormat2(guest, to.device)
    if (lack) return lack
  }
  throw new Failure(
    'infra',
    `${what}: the series '${profile.name}' is said to offload there, and does not: ${asked.trim()}`,
    { command: 'copylab run nvme dm scsi', remedy: 'timing a series makes sense when its cases pass' },
  )
}

async function whyNoFormat2(guest: CopyGuest, device: string): Promise<string | undefined> {
  const output = await guest.run([blkcopy, 'identify', device])
  const [, text] = /^identify .*\bocfs=(\d+)/m.exec(output) ?? []
  if (text === undefined) throw new Error(`the guest says no OCFS: ${output}`)
  const ocfs = Number(text)
  // NVM Command Set Specification 1.0, Identify Controller, bytes 535:534.
  if (ocfs & (1 << 2)) return undefined
  return `this QEMU's NVMe controllers have no Copy descriptor format 2 (OCFS 0x${ocfs.toString(16)})`
}
