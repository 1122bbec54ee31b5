/** A range of bytes. */
export interface Range {
  offset: number
  bytes: number
}

/** The union of ranges, in order and without overlaps or empty ranges. */
export function union(ranges: readonly Range[]): Range[] {
  const result: Range[] = []
  for (const { offset, bytes } of [...ranges].sort((a, b) => a.offset - b.offset)) {
    if (!bytes) continue
    const last = result.at(-1)
    if (last && offset <= last.offset + last.bytes) {
      last.bytes = Math.max(last.bytes, offset + bytes - last.offset)
    } else {
      result.push({ offset, bytes })
    }
  }
  return result
}

/** What of `ranges` lies outside of `allowed`. */
export function outside(ranges: readonly Range[], allowed: readonly Range[]): Range[] {
  let left = union(ranges)
  for (const hole of union(allowed)) {
    const end = hole.offset + hole.bytes
    left = left.flatMap(({ offset, bytes }) => [
      { offset, bytes: Math.min(offset + bytes, hole.offset) - offset },
      { offset: Math.max(offset, end), bytes: offset + bytes - Math.max(offset, end) },
    ])
    left = left.filter(({ bytes }) => bytes > 0)
  }
  return left
}

/** What of `ranges` lies inside of `bounds`. */
export function inside(ranges: readonly Range[], bounds: readonly Range[]): Range[] {
  return outside(ranges, outside(ranges, bounds))
}

export function totalBytes(ranges: readonly { bytes: number }[]): number {
  return ranges.reduce((sum, { bytes }) => sum + bytes, 0)
}

export function showRanges(ranges: readonly Range[]): string {
  const shown = ranges.slice(0, 4).map(({ offset, bytes }) => `${offset}+${bytes}`)
  if (ranges.length > shown.length) shown.push(`… ${ranges.length} ranges`)
  return shown.join(', ') || 'nothing'
}
