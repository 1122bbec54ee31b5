/** Holds what the devices did against what must have happened. Pure; throws `Refusal` with everything that is wrong. */
import type { DeviceActivity } from './device-trace.ts'
import {
  type CopyCommandLimits,
  compareByDisk,
  covered,
  type Move,
  type Placed,
  Refusal,
  within,
} from './judge.ts'
import { checkLimits } from './judge-limits.ts'
import { checkAreas, checkBeneath } from './judge-volumes.ts'
import { showRanges } from './ranges.ts'

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
  /** Commands that neither copy, read nor write. */
  others?: number
  /** The device was reset: any command may have ended in an error, and any Copy command before its last range. */
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
  { writeback = [], areas = new Map(), failed = 0, others = 0, under = new Map() }: Circumstances = {},
): void {
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copies, copySources, copyDestinations, reads, writes } = activity
  const problems = neverRight(activity, failed, others)
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

/** The device neither copied nor wrote anything, nor was it told anything else but to read. */
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

/** What no copy makes a device do; errors and other commands only as many as the case has made. */
export function neverRight(
  { errors, others: seen, contradictions = [] }: DeviceActivity,
  failed: NonNullable<Circumstances['failed']> = 0,
  others = 0,
): string[] {
  const wrong = failed === 'some' ? !errors.length : errors.length !== failed
  const tooFew = errors.length < (failed === 'some' ? 1 : failed)
  return [
    ...contradictions,
    ...(wrong ? errors.map((error) => `reported an error: ${error}`) : []),
    ...(tooFew ? [`reported ${errors.length} errors, not ${failed}`] : []),
    ...(seen.length > others ? seen.map((one) => `was told besides: ${one}`) : []),
    ...(seen.length < others ? [`was told ${seen.length} other things, not ${others}`] : []),
  ]
}
