/** Holds what the devices did of a copy that was cut short against what they may have done. Pure; throws `Refusal`. */
import type { DeviceActivity } from './device-trace.ts'
import { type CopyCommandLimits, covered, firstBytes, type Move, type Placed, Refusal } from './judge.ts'
import { type Circumstances, neverRight } from './judge-device.ts'
import { checkLimits, totalOf } from './judge-limits.ts'
import { checkBeneath } from './judge-volumes.ts'
import { showRanges } from './ranges.ts'

/**
 * The devices did a part of the moves of a copy that was cut short, its first `done` bytes at least, each by its way, and
 * nothing besides: no write where the device was to copy. Where commands have failed or the device was reset, Copy
 * commands may have come before reads and writes; the failed ones and no others may have come to nothing.
 */
export function judgePart(
  activity: DeviceActivity | undefined,
  moves: readonly Move[],
  done: number,
  limits: ReadonlyMap<string, CopyCommandLimits>,
  o: Circumstances = {},
): void {
  const { writeback = [], areas = new Map(), failed = 0, others = 0, reset = false, under = new Map() } = o
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const { copies, copySources, copyDestinations, errors, reads, writes } = activity
  const problems = neverRight(activity, reset ? errors.length : failed, others)
  if (reset && !copies.length && !reads.length && !writes.length && !errors.length)
    problems.push('had no command that a reset could have met')
  const fruitless = reset ? copies.length : errors.length
  const offloads = moves.filter(({ offloaded }) => offloaded)
  const fallbacks = moves.filter(({ offloaded }) => !offloaded)
  const mayCopy = fruitless ? moves : offloads
  const free = [...writeback, ...[...areas.values()].flat()]
  const tooMuch = (seen: readonly Placed[], allowed: readonly Placed[], what: string) => {
    const extra = seen.filter((range) => !covered(range, allowed))
    if (extra.length) problems.push(`${what} of ${extra[0]?.disk}: ${showRanges(extra)} is too much`)
  }
  problems.push(...checkLimits(activity, limits, fruitless))
  tooMuch(copySources, sources(mayCopy), 'Copy sources')
  tooMuch(copyDestinations, destinations(mayCopy), 'Copy destinations')
  tooMuch(writes, [...destinations(fallbacks), ...free], 'written over the link')
  // What was copied and then not counted is of commands that have failed: so many have, of so many ranges at most.
  const most = copies.map(({ ranges }) => ranges).sort((a, b) => b - a)
  const mayBeLost = totalOf(most.slice(0, fruitless))
  const lost = copyDestinations.filter((range) => !covered(range, destinations(offloads)))
  if (lost.length > mayBeLost)
    problems.push(`${lost.length} ranges were copied and not counted, more than the ${mayBeLost} that failed`)
  problems.push(...checkBeneath(activity, moves, firstBytes(moves, done), under, writeback))
  for (const way of [true, false]) {
    const wanted = firstBytes(moves, done).filter(
      ({ offloaded, to }) => offloaded === way && !areas.has(to.disk),
    )
    const missing = destinations(wanted).filter((range) => !covered(range, way ? copyDestinations : writes))
    const how = way ? 'copied by the device' : 'written'
    if (missing.length) problems.push(`${showRanges(missing)} of ${missing[0]?.disk} was not ${how}`)
  }
  if (problems.length) throw new Refusal('device', problems)
}

const sources = (moves: readonly Move[]) => moves.map(({ from, bytes }) => ({ ...from, bytes }))
const destinations = (moves: readonly Move[]) => moves.map(({ to, bytes }) => ({ ...to, bytes }))
