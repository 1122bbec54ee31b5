/** What drivers did on disks that they keep the bytes of volumes and units on. Pure. */
import type { DeviceActivity } from './device-trace.ts'
import { covered, type Move, type Placed } from './judge.ts'
import type { Circumstances } from './judge-device.ts'
import { showRanges, totalBytes } from './ranges.ts'

/**
 * Whoever moved the bytes of a unit, they went to and came from the disk under it: all of `done`, and nothing was
 * written outside of `moves`.
 */
export function checkBeneath(
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
export function checkAreas(
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
