/** Holds what the devices did of a copy that was cut short against what they may have done. Pure; throws `Refusal`. */
import type { DeviceActivity } from './device-trace.ts'
import { type CopyCommandLimits, covered, firstBytes, type Move, type Placed, Refusal } from './judge.ts'
import { type Circumstances, neverRight } from './judge-device.ts'
import { checkLimits } from './judge-limits.ts'
import { checkBeneath } from './judge-volumes.ts'
import { showRanges } from './ranges.ts'

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
