/** Holds what a witness said against what must have happened. Pure; throws `Refusal` with everything that is wrong. */
import type { CopyCommand, DeviceActivity, Transfer } from './device-trace.ts'
import type { TracedCopy } from './guest-trace.ts'
import { inside, outside, type Range, showRanges, totalBytes, union } from './ranges.ts'

export class Refusal extends Error {
  readonly witness: 'guest' | 'device' | 'host'
  constructor(witness: Refusal['witness'], problems: readonly string[]) {
    super(problems.map((problem) => `${witness}: ${problem}`).join('\n'))
    this.name = 'Refusal'
    this.witness = witness
  }
}

/** A copy as it must show on the disks; offsets and lengths in bytes. */
export interface Move {
  from: { disk: string; offset: number }
  to: { disk: string; offset: number }
  bytes: number
  /** By the device itself, else by reading and writing. */
  offloaded: boolean
}

/** What one Copy command of a namespace may do. */
export interface CopyCommandLimits {
  rangeBytes: number
  commandBytes: number
  ranges: number
}

/** The result of the call, numbers as the kernel wrote them. */
export interface CallResult {
  /** Name of the errno, or `0`. */
  error: string
  copied: string
  offloaded: string
}

/** The guest says that all of `bytes` was copied, `offloaded` of them by the device. */
export function judgeResult(result: CallResult, expected: CallResult): void {
  const problems = (['error', 'copied', 'offloaded'] as const)
    .filter((key) => result[key] !== expected[key])
    .map((key) => `${key} is ${result[key]}, not ${expected[key]}`)
  if (problems.length) throw new Refusal('guest', problems)
}

/**
 * The tracepoints tell the same story as the results: the ranges of offloaded moves in offload events without error,
 * those of the others in fallback events, each byte once.
 * @param locate where a traced range lies on the disks; undefined for a device that the case does not know
 */
export function judgeTracepoints(
  traced: readonly TracedCopy[],
  moves: readonly Move[],
  names: { offload: string; fallback: string },
  locate: (device: string, sector: number) => { disk: string; offset: number } | undefined,
): void {
  const problems: string[] = []
  for (const offloaded of [true, false]) {
    const event = offloaded ? names.offload : names.fallback
    const seen = traced.filter((copy) => copy.event === event && copy.error === 0)
    const wanted = moves.filter((move) => move.offloaded === offloaded)
    if (totalBytes(seen) !== totalBytes(wanted)) {
      problems.push(`${event} traced ${totalBytes(seen)} bytes, not ${totalBytes(wanted)}`)
      continue
    }
    for (const [side, key] of [['source', 'from'] as const, ['destination', 'to'] as const]) {
      const places = seen.map((copy) => {
        const place = locate(copy[side].device, copy[side].sector)
        return {
          disk: place?.disk ?? `device ${copy[side].device}`,
          offset: place?.offset ?? 0,
          bytes: copy.bytes,
        }
      })
      problems.push(
        ...compareByDisk(
          places,
          wanted.map((move) => ({ ...move[key], bytes: move.bytes })),
          `${event} ${side}`,
        ),
      )
    }
  }
  if (problems.length) throw new Refusal('guest', problems)
}

/**
 * The device did just these moves: Copy commands within the limits for offloaded ones and nothing of them over the
 * link, reads and writes over the link for the others, and not a byte written anywhere else.
 * @param writeback ranges that the guest may write besides, since its page cache was dirty
 */
export function judgeMoves(
  activity: DeviceActivity | undefined,
  moves: readonly Move[],
  limits: ReadonlyMap<string, CopyCommandLimits>,
  writeback: readonly (Range & { disk: string })[] = [],
): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copySources, copyDestinations, reads, writes } = activity
  const problems = neverRight(activity)
  const offloads = moves.filter(({ offloaded }) => offloaded)
  const fallbacks = moves.filter(({ offloaded }) => !offloaded)
  const sources = (list: readonly Move[]) => list.map(({ from, bytes }) => ({ ...from, bytes }))
  const destinations = (list: readonly Move[]) => list.map(({ to, bytes }) => ({ ...to, bytes }))

  problems.push(...checkLimits(activity, limits))
  problems.push(
    ...compareByDisk(copySources, sources(offloads), 'Copy sources'),
    ...compareByDisk(copyDestinations, destinations(offloads), 'Copy destinations'),
    ...compareByDisk(
      within(reads, sources(moves)),
      within(sources(fallbacks), sources(moves)),
      'read over the link',
    ),
    ...compareByDisk(
      writes,
      destinations(fallbacks),
      'written over the link',
      writes.filter((write) => !covered(write, writeback)),
    ),
  )
  if (problems.length) throw new Refusal('device', problems)
}

/** The device neither copied nor wrote nor discarded anything. */
export function judgeUntouched(activity: DeviceActivity | undefined): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copies, writes } = activity
  const problems = neverRight(activity)
  if (copies.length) problems.push(`saw ${copies.length} Copy commands, not none`)
  if (writes.length) problems.push(`was written to: ${writes[0]?.disk} ${showRanges(writes)}`)
  if (problems.length) throw new Refusal('device', problems)
}

type Placed = Range & { disk: string }

/** What no copy makes a device do. */
function neverRight({ errors, discards }: DeviceActivity): string[] {
  return [
    ...errors.map((error) => `reported an error: ${error}`),
    ...discards.map((discard) => `was told to discard: ${discard}`),
  ]
}

function covered(write: Transfer, allowed: readonly Placed[]): boolean {
  const sameDisk = allowed.filter(({ disk }) => disk === write.disk)
  return write.bytes > 0 && outside([write], sameDisk).length === 0
}

function within(ranges: readonly Placed[], bounds: readonly Placed[]): Placed[] {
  return ranges.flatMap((range) =>
    inside(
      [range],
      bounds.filter(({ disk }) => disk === range.disk),
    ).map((part) => ({ ...part, disk: range.disk })),
  )
}

/**
 * Same bytes on the same disks, each once.
 * @param strict what of `seen` must be wanted, and once; the others may be, and may have come on top
 */
function compareByDisk(
  seen: readonly Placed[],
  wanted: readonly Placed[],
  what: string,
  strict: readonly Placed[] = seen,
): string[] {
  const problems: string[] = []
  for (const disk of new Set([...seen, ...wanted].map(({ disk }) => disk))) {
    const all = seen.filter((range) => range.disk === disk)
    const mine = strict.filter((range) => range.disk === disk)
    const theirs = wanted.filter((range) => range.disk === disk)
    const missing = outside(theirs, all)
    const extra = outside(mine, theirs)
    const where = `${what} of ${disk}`
    if (missing.length) problems.push(`${where}: ${showRanges(missing)} is missing`)
    if (extra.length) problems.push(`${where}: ${showRanges(extra)} is too much`)
    const twice =
      totalBytes(mine) - totalBytes(union(mine)) - (totalBytes(theirs) - totalBytes(union(theirs)))
    if (twice > 0) problems.push(`${where}: ${twice} bytes more than once`)
    if (mine.some(({ bytes }) => !bytes)) problems.push(`${where}: a command without a range`)
  }
  return problems
}

function checkLimits(
  { copies, copySources, copyDestinations }: DeviceActivity,
  limits: ReadonlyMap<string, CopyCommandLimits>,
): string[] {
  const problems: string[] = []
  for (const disk of new Set(copies.map((copy) => copy.disk))) {
    const limit = limits.get(disk)
    if (!limit) {
      problems.push(`a Copy command of ${disk}, which does not take any`)
      continue
    }
    const mine = copies.filter((copy) => copy.disk === disk)
    const sources = copySources.filter((range) => range.disk === disk)
    const destinations = copyDestinations.filter((range) => range.disk === disk)
    const check = (value: number, bound: number, what: string) => {
      if (value > bound) problems.push(`${what} of ${disk}: ${value}, above ${bound}`)
    }
    check(Math.max(0, ...sources.map(({ bytes }) => bytes)), limit.rangeBytes, 'bytes in a range')
    check(Math.max(...mine.map(({ ranges }) => ranges)), limit.ranges, 'ranges in a Copy command')
    check(Math.max(...mine.map(mostBytes(sources))), limit.commandBytes, 'bytes in a Copy command')
    check(totalBytes(sources), mine.length * limit.commandBytes, 'bytes in all Copy commands')
    const announced = mine.reduce((sum, { ranges }) => sum + ranges, 0)
    if (sources.length !== announced || destinations.length !== announced) {
      problems.push(`Copy commands of ${disk} have done ${destinations.length} of their ${announced} ranges`)
    }
  }
  return problems
}

/**
 * The bytes of a Copy command. Where its ranges cannot be told from those of others in flight, as many as it may have:
 * those of the longest ranges of its disk. So none exceeds the limit unseen, though a kernel that fills its commands
 * unevenly may be refused while it keeps to the limit.
 */
function mostBytes(sources: readonly Placed[]): (command: CopyCommand) => number {
  const lengths = sources.map(({ bytes }) => bytes).sort((a, b) => b - a)
  return ({ bytes, ranges }) => bytes ?? lengths.slice(0, ranges).reduce((sum, length) => sum + length, 0)
}
