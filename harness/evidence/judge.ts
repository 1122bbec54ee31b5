/** Holds what a witness said against what must have happened. Pure; throws `Refusal` with everything that is wrong. */
import type { CopyCommand, DeviceActivity } from './device-trace.ts'
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

/** A copy as it must show on the disks, or a piece of one; offsets and lengths in bytes. */
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
 * @param locate where a traced range, sector and bytes, lies on the disks; undefined for a device that the case does not know
 */
export function judgeTracepoints(
  traced: readonly TracedCopy[],
  moves: readonly Move[],
  names: { offload: string; fallback: string },
  locate: (device: string, sector: number, bytes: number) => Placed[] | undefined,
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
      const places = seen.flatMap(({ [side]: { device, sector }, bytes }): Placed[] => {
        return locate(device, sector, bytes) ?? [{ disk: `device ${device}`, offset: 0, bytes }]
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

/** What else the devices may have done, and how many commands must have failed. */
export interface Circumstances {
  /** Ranges that the guest may write besides, since its page cache was dirty. */
  writeback?: readonly Placed[]
  /**
   * Parts of disks where the driver of a volume reads and writes what it likes, by the volume's name. A move from or to that
   * name is looked for nowhere else. Empty: no disk has these bytes.
   */
  areas?: ReadonlyMap<string, readonly Placed[]>
  /** Commands that ended in an error, and moved nothing. */
  failed?: number
  /** The device was reset: commands may have ended in errors, and Copy commands before their last range. */
  reset?: boolean
}

/**
 * The device did just these moves: Copy commands within the limits for offloaded ones and nothing of them over the
 * link, reads and writes over the link for the others, and not a byte written anywhere else.
 */
export function judgeMoves(
  activity: DeviceActivity | undefined,
  moves: readonly Move[],
  limits: ReadonlyMap<string, CopyCommandLimits>,
  { writeback = [], areas = new Map(), failed = 0 }: Circumstances = {},
): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copies, copySources, copyDestinations, reads, writes } = activity
  const problems = neverRight(activity, failed)
  const offloads = moves.filter(({ offloaded }) => offloaded)
  const fallbacks = moves.filter(({ offloaded }) => !offloaded)
  const seen = ({ disk }: { disk: string }) => !areas.has(disk)
  const sources = (list: readonly Move[]) => list.map(({ from, bytes }) => ({ ...from, bytes })).filter(seen)
  const destinations = (list: readonly Move[]) => list.map(({ to, bytes }) => ({ ...to, bytes })).filter(seen)
  const unseen = new Set(copies.flatMap(({ disk, sourcesUnseen }) => (sourcesUnseen ? [disk] : [])))
  const free = [...areas.values()].flat()

  problems.push(...checkLimits(activity, limits))
  problems.push(
    ...compareByDisk(copySources, sources(offloads.filter(({ to }) => !unseen.has(to.disk))), 'Copy sources'),
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
      writes.filter((write) => !covered(write, [...writeback, ...free])),
    ),
    ...checkAreas(activity, moves, areas),
  )
  if (problems.length) throw new Refusal('device', problems)
}

/** A volume that keeps its bytes where it likes takes no offloaded copy, and must still write them somewhere. */
function checkAreas(
  { writes }: DeviceActivity,
  moves: readonly Move[],
  areas: NonNullable<Circumstances['areas']>,
): string[] {
  const problems: string[] = []
  for (const [name, ranges] of areas) {
    const mine = moves.filter(({ from, to }) => from.disk === name || to.disk === name)
    if (mine.some(({ offloaded }) => offloaded))
      problems.push(`no device can copy from or to ${name} by itself`)
    const written = totalBytes(writes.filter((write) => covered(write, ranges)))
    const wanted = totalBytes(mine.filter(({ to }) => to.disk === name))
    if (ranges.length && written < wanted)
      problems.push(`${written} bytes were written for ${name}, not ${wanted}`)
  }
  return problems
}

/**
 * The devices did a part of the moves of a copy that was cut short, its first `done` bytes at least, each by its way, and
 * nothing besides. Where commands have failed or the device was reset, Copy commands may have come before reads and writes.
 */
export function judgePart(
  activity: DeviceActivity | undefined,
  moves: readonly Move[],
  done: number,
  limits: ReadonlyMap<string, CopyCommandLimits>,
  { writeback = [], areas = new Map(), failed = 0, reset = false }: Circumstances = {},
): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copySources, copyDestinations, writes } = activity
  const problems = neverRight(activity, reset ? activity.errors.length : failed)
  const mayFail = reset || failed > 0
  const offloads = mayFail ? moves : moves.filter(({ offloaded }) => offloaded)
  const free = [...writeback, ...[...areas.values()].flat()]
  const tooMuch = (seen: readonly Placed[], allowed: readonly Placed[], what: string) => {
    const extra = seen.filter((range) => !covered(range, allowed))
    if (extra.length) problems.push(`${what} of ${extra[0]?.disk}: ${showRanges(extra)} is too much`)
  }
  problems.push(...checkLimits(activity, limits, mayFail))
  tooMuch(
    copySources,
    offloads.map(({ from, bytes }) => ({ ...from, bytes })),
    'Copy sources',
  )
  tooMuch(
    copyDestinations,
    offloads.map(({ to, bytes }) => ({ ...to, bytes })),
    'Copy destinations',
  )
  tooMuch(writes, [...moves.map(({ to, bytes }) => ({ ...to, bytes })), ...free], 'written over the link')
  for (const way of [true, false]) {
    const missing = firstBytes(moves, done)
      .filter(({ offloaded, to }) => offloaded === way && !areas.has(to.disk))
      .map(({ to, bytes }) => ({ ...to, bytes }))
      .filter((range) => !covered(range, way ? copyDestinations : writes))
    const how = way ? 'copied by the device' : 'written'
    if (missing.length) problems.push(`${showRanges(missing)} of ${missing[0]?.disk} was not ${how}`)
  }
  if (problems.length) throw new Refusal('device', problems)
}

/** The first bytes of a copy that is in pieces. */
export function firstBytes(moves: readonly Move[], bytes: number): Move[] {
  let left = bytes
  return moves.flatMap((move) => {
    const part = Math.min(left, move.bytes)
    left -= part
    return part > 0 ? [{ ...move, bytes: part }] : []
  })
}

/** The device neither copied nor wrote nor discarded anything. */
export function judgeUntouched(activity: DeviceActivity | undefined, failed = 0): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copies, writes } = activity
  const problems = neverRight(activity, failed)
  if (copies.length) problems.push(`saw ${copies.length} Copy commands, not none`)
  if (writes.length) problems.push(`was written to: ${writes[0]?.disk} ${showRanges(writes)}`)
  if (problems.length) throw new Refusal('device', problems)
}

export type Placed = Range & { disk: string }

/** What no copy makes a device do; errors only as many as the case has made. */
function neverRight({ errors, discards }: DeviceActivity, failed = 0): string[] {
  return [
    ...(errors.length === failed ? [] : errors.map((error) => `reported an error: ${error}`)),
    ...(errors.length < failed ? [`reported ${errors.length} errors, not ${failed}`] : []),
    ...discards.map((discard) => `was told to discard: ${discard}`),
  ]
}

function covered(write: Placed, allowed: readonly Placed[]): boolean {
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
  mayEndEarly = false,
): string[] {
  const problems: string[] = []
  for (const disk of new Set(copies.map((copy) => copy.disk))) {
    const limit = limits.get(disk)
    if (!limit) {
      problems.push(`a Copy command of ${disk}, which does not take any`)
      continue
    }
    const mine = copies.filter((copy) => copy.disk === disk)
    const sources = copySources.filter((range) => (range.by ?? range.disk) === disk)
    const destinations = copyDestinations.filter((range) => range.disk === disk)
    const check = (value: number, bound: number, what: string) => {
      if (value > bound) problems.push(`${what} of ${disk}: ${value}, above ${bound}`)
    }
    check(Math.max(0, ...sources.map(({ bytes }) => bytes)), limit.rangeBytes, 'bytes in a range')
    check(Math.max(...mine.map(({ ranges }) => ranges)), limit.ranges, 'ranges in a Copy command')
    check(Math.max(...mine.map(mostBytes(sources))), limit.commandBytes, 'bytes in a Copy command')
    check(totalBytes(destinations), mine.length * limit.commandBytes, 'bytes in all Copy commands')
    const announced = mine.reduce((sum, { ranges }) => sum + ranges, 0)
    const unseen = mine.every(({ sourcesUnseen }) => sourcesUnseen)
    const wrong = (seen: number) => (mayEndEarly ? seen > announced : seen !== announced)
    if ((!unseen && wrong(sources.length)) || wrong(destinations.length)) {
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
