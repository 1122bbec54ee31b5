/** What witnesses are held against, and how. Pure; throws `Refusal` with everything that is wrong. */
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

export type Placed = Range & { disk: string }

/** The first bytes of a copy that is in pieces. */
export function firstBytes(moves: readonly Move[], bytes: number): Move[] {
  let left = bytes
  return moves.flatMap((move) => {
    const part = Math.min(left, move.bytes)
    left -= part
    return part > 0 ? [{ ...move, bytes: part }] : []
  })
}

export function covered(write: Placed, allowed: readonly Placed[]): boolean {
  const sameDisk = allowed.filter(({ disk }) => disk === write.disk)
  return write.bytes > 0 && outside([write], sameDisk).length === 0
}

export function within(ranges: readonly Placed[], bounds: readonly Placed[]): Placed[] {
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
export function compareByDisk(
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
