/** One measurement: copies of one size, on one route, by one way, a few in a row. */

import type { DeviceActivity } from '../../evidence/device-trace.ts'
import { totalBytes } from '../../evidence/ranges.ts'
import { Failure } from '../../failure.ts'
import { type Counters, contradiction } from './evidence.ts'
import { blkcopy, type CopyGuest, casesFirst } from './guest.ts'
import type { OpenRoute, Spot } from './routes.ts'

/**
 * `offload`, `fallback`: BLKCOPY, with the limits of the queues as they are, or 0. `dd`: reads and writes with O_DIRECT.
 * `kcopyd`: dm-mirror brings its second leg up to date, without offload.
 */
export const ways = ['offload', 'fallback', 'dd', 'kcopyd'] as const
export type Way = (typeof ways)[number]

export interface CopySample {
  route: string
  /** Of one copy. */
  bytes: number
  way: Way
  /** Milliseconds for one copy. */
  ms: number
  /** Seconds that the guest's CPUs work for a GiB; null when so little was copied that it is in a few ticks' error. */
  cpu: number | null
  /** Bytes over the link per byte copied; null when so little was copied that counters of MiB do not tell. */
  link: number | null
  /** Commands to the device for one copy. */
  commands: number
}

const MiB = 1024 * 1024
const GiB = 1024 * MiB

/** Copies in a row come to at least so many bytes: the time of small ones is told from that of a clock's tick. */
export const enough = 16 * MiB

/** Busy time is counted in ticks of 10 ms: below so many milliseconds it is noise. */
export const leastBusyMs = 50

export interface SampleOptions {
  route: string
  open: OpenRoute
  bytes: number
  way: Way
  /** Of dd's reads and writes, bytes. */
  block: number
  /** The file of a queue's limit by its device's path in /dev, and what it was at first. */
  limits: ReadonlyMap<string, number>
}

/** @throws Failure('infra') when a copy fails, or does not go the way that it should */
export async function takeSample(guest: CopyGuest, options: SampleOptions): Promise<CopySample> {
  const { route, open, bytes, way, block, limits } = options
  const asked = [...limits].map(([file, usual]) => [file, way === 'offload' ? usual : 0] as const)
  await guest.set(new Map(asked))
  const repeat = way === 'kcopyd' ? 1 : Math.max(1, enough / bytes)
  const copied = bytes * repeat
  const before = await countersOf(guest, open)
  const command = commandOf(open, bytes, way, block, repeat)
  const { output, activity } = await guest.traced(command)
  const after = await countersOf(guest, open)
  const counted = before && after && between(before, after)
  const why = contradiction({ way, output, copied, activity, counted })
  if (why) {
    throw new Failure('infra', `${route}, copies of ${bytes} bytes by ${way} are none: ${why}`, casesFirst)
  }
  const { ns, busyMs } = timesOf(output)
  const { link, commands } = counted ? overTheUnits(counted, copied) : overTheLink(activity)
  return {
    ...{ route, bytes, way },
    ms: ns / 1e6 / repeat,
    cpu: busyMs < leastBusyMs ? null : (busyMs / 1000) * (GiB / copied),
    link: link === null ? null : link / copied,
    commands: commands / repeat,
  }
}

/** Of a line of blkcopy or dmtable. */
function timesOf(output: string): { ns: number; busyMs: number } {
  const [, ns, busy] = /\bns=([1-9]\d*) busy_ms=(\d+)$/m.exec(output) ?? []
  if (ns === undefined) throw new Error(`the guest says no times: ${output}`)
  return { ns: Number(ns), busyMs: Number(busy) }
}

async function countersOf(guest: CopyGuest, { counters }: OpenRoute): Promise<Counters | undefined> {
  if (!counters) return undefined
  const names = ['num_cmds', 'read_mbytes', 'write_mbytes']
  const files = counters.flatMap((directory) => names.map((name) => `${directory}/${name}`))
  const values = await guest.numbers(files)
  const sum = (some: number[]) => some.reduce((total, value) => total + value, 0)
  const moved = values.filter((_, index) => index % names.length !== 0)
  return {
    commands: sum(values.filter((_, index) => index % names.length === 0)),
    mebibytes: sum(moved),
    rounded: moved.length,
  }
}

function between(before: Counters, after: Counters): Counters {
  return {
    commands: after.commands - before.commands,
    mebibytes: after.mebibytes - before.mebibytes,
    rounded: after.rounded,
  }
}

/** The counters have whole mebibytes only, which says nothing of a few. */
function overTheUnits({ mebibytes, commands }: Counters, copied: number) {
  return { link: copied < enough ? null : mebibytes * MiB, commands }
}

function commandOf(
  { from, to }: OpenRoute,
  bytes: number,
  way: Way,
  block: number,
  repeat: number,
): string[] {
  const spot = ({ device, offset }: Spot, unit: number) => [device, String(offset / unit)]
  if (way === 'kcopyd') {
    // One region, so that all of it is one copy of kcopyd's. Without handle_errors a write that fails counts as done.
    const sectors = bytes / 512
    const legs = [...spot(from, 512), ...spot(to, 512)].join(' ')
    return [
      '/bin/dmtable',
      'time',
      'mirror',
      `0 ${sectors} mirror core 1 ${sectors} 2 ${legs} 1 handle_errors`,
    ]
  }
  const call = way === 'dd' ? ['--call=read_write', '--direct=both', `--block=${Math.min(block, bytes)}`] : []
  const words = [...spot(from, 1), ...spot(to, 1), String(bytes)]
  return [blkcopy, 'copy', '--time', `--repeat=${repeat}`, ...call, ...words]
}

/**
 * Bytes over the link to and from the disks: data of reads and writes, and the lists of ranges that Copy commands fetch,
 * whose entries have 32 bytes in formats 0 and 2, 40 in 1 and 3 (NVM Command Set Specification, Copy command).
 */
export function overTheLink({ copies, reads, writes }: DeviceActivity): { link: number; commands: number } {
  const lists = copies.map(({ ranges, format }) => ranges * (format % 2 ? 40 : 32))
  const data = [...reads, ...writes].filter(({ carriesData }) => carriesData)
  return {
    link: totalBytes(data) + lists.reduce((total, bytes) => total + bytes, 0),
    commands: copies.length + reads.length + writes.length,
  }
}
