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
  const holes = union(allowed)
  const left: Range[] = []
  let next = 0
  for (const { offset, bytes } of union(ranges)) {
    const end = offset + bytes
    let at = offset
    // A hole may reach into the range after this one, so the last one is looked at again.
    for (; next < holes.length; next++) {
      const hole = holes[next] as Range
      if (hole.offset >= end) break
      if (hole.offset > at) left.push({ offset: at, bytes: hole.offset - at })
      at = Math.max(at, hole.offset + hole.bytes)
      if (at >= end) break
    }
    if (at < end) left.push({ offset: at, bytes: end - at })
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
