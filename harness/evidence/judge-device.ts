/** Holds what the devices did against what must have happened. Pure; throws `Refusal` with everything that is wrong. */
import type { CopyCommand, DeviceActivity } from './device-trace.ts'
import {
  type CopyCommandLimits,
  compareByDisk,
  covered,
  firstBytes,
  type Move,
  type Placed,
  Refusal,
  within,
} from './judge.ts'
import { showRanges, totalBytes } from './ranges.ts'

/** What else the devices may have done, and how many commands must have failed. */
export interface Circumstances {
  /** Ranges that the guest may write besides, since its page cache was dirty. */
  writeback?: readonly Placed[]
  /**
   * Parts of disks where the driver of a volume reads and writes what it likes, by the volume's name. A move from or to that
   * name is looked for nowhere else. Empty: no disk has these bytes.
   */
  areas?: ReadonlyMap<string, readonly Placed[]>
  /** Commands that ended in an error, and moved nothing; `some`: nobody knows how many, but one at least. */
  failed?: number | 'some'
  /** The device was reset: commands may have ended in errors, and Copy commands before their last range. */
  reset?: boolean
  /** Disks on which units keep their bytes, by the name of the unit. */
  under?: ReadonlyMap<string, Under>
}

export interface Under {
  disk: string
  /** What is read may come from a cache between the two. */
  cached: boolean
  /** Bytes of the unit that are not on the disk, before those that are. */
  before: number
}

/**
 * The device did just these moves: Copy commands within the limits for offloaded ones and nothing of them over the
 * link, reads and writes over the link for the others, and not a byte written anywhere else.
 */
export function judgeMoves(
  activity: DeviceActivity | undefined,
  moves: readonly Move[],
  limits: ReadonlyMap<string, CopyCommandLimits>,
  { writeback = [], areas = new Map(), failed = 0, under = new Map() }: Circumstances = {},
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
    ...checkBeneath(activity, moves, moves, under, writeback),
  )
  if (problems.length) throw new Refusal('device', problems)
}

/**
 * Whoever moved the bytes of a unit, they went to and came from the disk under it: all of `done`, and nothing was
 * written outside of `moves`.
 */
function checkBeneath(
  { beneath }: DeviceActivity,
  moves: readonly Move[],
  done: readonly Move[],
  under: NonNullable<Circumstances['under']>,
  writeback: readonly Placed[],
): string[] {
  const ends = (list: readonly Move[], end: 'from' | 'to', cached: boolean) =>
    list.flatMap((move): Placed[] => {
      const below = under.get(move[end].disk)
      if (!below || (below.cached && !cached)) return []
      return [{ disk: below.disk, offset: move[end].offset - below.before, bytes: move.bytes }]
    })
  const below = ({ disk, offset, bytes }: Placed): Placed => {
    const it = under.get(disk)
    return it ? { disk: it.disk, offset: offset - it.before, bytes } : { disk, offset, bytes }
  }
  const missing = (seen: readonly Placed[], wanted: readonly Placed[]) =>
    wanted.filter((range) => !covered(range, seen))
  const { reads = [], writes = [] } = beneath ?? {}
  const allowed = [...ends(moves, 'to', true), ...writeback.map(below)]
  const show = (ranges: readonly Placed[]) => `${ranges[0]?.disk}: ${showRanges(ranges)}`
  const [unread, unwritten] = [
    missing(reads, ends(done, 'from', false)),
    missing(writes, ends(done, 'to', true)),
  ]
  const extra = writes.filter((write) => !covered(write, allowed))
  return [
    ...(unread.length ? [`not read from the disk under the unit, ${show(unread)}`] : []),
    ...(unwritten.length ? [`not written to the disk under the unit, ${show(unwritten)}`] : []),
    ...(extra.length ? [`written to the disk under the unit, ${show(extra)} is too much`] : []),
  ]
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
  { writeback = [], areas = new Map(), failed = 0, reset = false, under = new Map() }: Circumstances = {},
): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copySources, copyDestinations, writes } = activity
  const problems = neverRight(activity, reset ? activity.errors.length : failed)
  const mayFail = reset || failed !== 0
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
  problems.push(...checkBeneath(activity, moves, firstBytes(moves, done), under, writeback))
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

/** The device neither copied nor wrote nor discarded anything. */
export function judgeUntouched(
  activity: DeviceActivity | undefined,
  failed: Circumstances['failed'] = 0,
): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copies, beneath } = activity
  const writes = [...activity.writes, ...(beneath?.writes ?? [])]
  const problems = neverRight(activity, failed)
  if (copies.length) problems.push(`saw ${copies.length} Copy commands, not none`)
  if (writes.length) problems.push(`was written to: ${writes[0]?.disk} ${showRanges(writes)}`)
  if (problems.length) throw new Refusal('device', problems)
}

/** What no copy makes a device do; errors only as many as the case has made. */
function neverRight(
  { errors, discards, contradictions = [] }: DeviceActivity,
  failed: NonNullable<Circumstances['failed']> = 0,
): string[] {
  const wrong = failed === 'some' ? !errors.length : errors.length !== failed
  const tooFew = errors.length < (failed === 'some' ? 1 : failed)
  return [
    ...contradictions,
    ...(wrong ? errors.map((error) => `reported an error: ${error}`) : []),
    ...(tooFew ? [`reported ${errors.length} errors, not ${failed}`] : []),
    ...discards.map((discard) => `was told to discard: ${discard}`),
  ]
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
