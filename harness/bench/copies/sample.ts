/** One measurement: copies of one size, on one route, by one way, a few in a row. */

import type { DeviceActivity } from '../../evidence/device-trace.ts'
import { totalBytes } from '../../evidence/ranges.ts'
import { Failure } from '../../failure.ts'
import { blkcopy, type CopyGuest } from './guest.ts'
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
  /** Bytes over the link per byte copied. */
  link: number
  /** Commands to the device for one copy. */
  commands: number
}

const MiB = 1024 * 1024
const GiB = 1024 * MiB

/** Copies in a row come to at least so many bytes: the time of small ones is told from that of a clock's tick. */
const enough = 16 * MiB

/** Busy time is counted in ticks of 10 ms: below so many milliseconds it is noise. */
const leastBusyMs = 50

export interface SampleOptions {
  route: string
  open: OpenRoute
  bytes: number
  way: Way
  /** Of dd's reads and writes, bytes. */
  block: number
  /** The file of a queue's limit by its device's path in /dev, and what it was at first. */
  limits: ReadonlyMap<string, string>
}

/** @throws Failure('infra') when a copy fails, or does not go the way that it should */
export async function takeSample(guest: CopyGuest, options: SampleOptions): Promise<CopySample> {
  const { route, open, bytes, way, block, limits } = options
  const set = [...limits]
    .flatMap(([file, usual]) => [',', 'set', file, way === 'offload' ? usual : '0'])
    .slice(1)
  await guest.run([blkcopy, ...set])
  const repeat = way === 'kcopyd' ? 1 : Math.max(1, enough / bytes)
  const before = await countersOf(guest, open)
  const { output, activity } = await guest.traced(commandOf(open, bytes, way, block, repeat))
  const after = await countersOf(guest, open)
  const [, ns = '', busy = ''] = /\bns=(\d+) busy_ms=(\d+)$/m.exec(output) ?? []
  if (way !== 'kcopyd') checkResult(output, bytes, way)
  const copied = bytes * repeat
  const { link, commands } = before && after ? between(before, after) : overTheLink(activity)
  return {
    ...{ route, bytes, way },
    ms: Number(ns) / 1e6 / repeat,
    cpu: Number(busy) < leastBusyMs ? null : (Number(busy) / 1000) * (GiB / copied),
    link: link / copied,
    commands: commands / repeat,
  }
}

interface Counters {
  commands: number
  mebibytes: number
}

/** What units of a target in the guest have been sent, and have moved, since they were made. */
async function countersOf(guest: CopyGuest, { counters }: OpenRoute): Promise<Counters | undefined> {
  if (!counters) return undefined
  const files = counters.flatMap((directory) =>
    ['num_cmds', 'read_mbytes', 'write_mbytes'].map((name) => `${directory}/${name}`),
  )
  const values = (await guest.run([blkcopy, 'get', ...files])).trim().split('\n').map(Number)
  const sum = (some: number[]) => some.reduce((total, value) => total + value, 0)
  return {
    commands: sum(values.filter((_, index) => index % 3 === 0)),
    mebibytes: sum(values.filter((_, index) => index % 3 !== 0)),
  }
}

/** The counters have whole mebibytes only: a sixteenth of what the smallest samples copy, and all of kcopyd's up to that. */
function between(before: Counters, after: Counters): { link: number; commands: number } {
  return {
    link: (after.mebibytes - before.mebibytes) * MiB,
    commands: after.commands - before.commands,
  }
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
    // One region, so that all of it is one copy of kcopyd's.
    const sectors = bytes / 512
    const legs = [...spot(from, 512), ...spot(to, 512)].join(' ')
    return ['/bin/dmtable', 'time', 'mirror', `0 ${sectors} mirror core 1 ${sectors} 2 ${legs}`]
  }
  const call = way === 'dd' ? ['--call=read_write', '--direct=both', `--block=${Math.min(block, bytes)}`] : []
  const words = [...spot(from, 1), ...spot(to, 1), String(bytes)]
  return [blkcopy, 'copy', '--time', `--repeat=${repeat}`, ...call, ...words]
}

function checkResult(output: string, bytes: number, way: Way): void {
  const [all, error, copied, offloaded] =
    /^result error=(\w+) copied=(\d+) offloaded=(\d+)/m.exec(output) ?? []
  const wanted = way === 'offload' ? bytes : 0
  if (error === '0' && Number(copied) === bytes && Number(offloaded) === wanted) return
  throw new Failure('infra', `a copy of ${bytes} bytes by ${way} is not one: ${all ?? output}`, {
    command: 'copylab run nvme dm scsi',
    remedy: 'timing a series makes sense when its cases pass',
  })
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
