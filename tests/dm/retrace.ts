/** A copy whose volumes were given other tables while it ran: which of its pieces went where. */
import { encryptXtsPlain64 } from '../../harness/evidence/crypt.ts'
import { type Move, Refusal } from '../../harness/evidence/judge.ts'
import { judgeMoves } from '../../harness/evidence/judge-device.ts'
import type { Pattern } from '../../harness/evidence/pattern.ts'
import { outside, type Range, showRanges, totalBytes, union } from '../../harness/evidence/ranges.ts'
import { type CopyCall, piecesOf } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import type { Row } from '../fixtures/rows.ts'
import type { Session } from '../fixtures/session.ts'
import type { Medium, Segment } from '../fixtures/target.ts'

/** Tables of one row each that were live in turn; for a disk, which has none, its own place. */
export interface Tables {
  from: readonly Row[]
  to: readonly Row[]
}

export interface Retraced {
  /** What must have changed on a disk, by where the device was seen to write. */
  changes: (medium: Medium) => Change[]
  offloaded: number
  readAndWritten: number
  /** Bytes that were read by each table of the source, as far as the device shows: requests of null_blk do not name sources. */
  read: number[]
  /** Bytes that were written by each table of the destination. */
  written: number[]
}

interface Piece {
  /** In the volumes. */
  source: number
  destination: number
  bytes: number
  offloaded: boolean
}

/**
 * Joins what two witnesses say: the tracepoints, which name places of the volumes, cover each request once and bear out
 * its result; and for each of them the device has moved the bytes at the place that one of the tables gives, offloaded or
 * not, and done nothing else. The host must then be asked for `changes`.
 * @param content what the source volume holds from its start on, under each of its tables
 * @param errors that copies may have ended in; what was traced as copied must be there all the same
 * @throws Refusal
 */
export function retrace(
  session: Session,
  call: CopyCall,
  tables: Tables,
  content: Pattern,
  errors: readonly string[] = [],
): Retraced {
  const pieces = guestPieces(session, call, errors)
  const { activity, witnesses } = call
  if (!activity) throw new Refusal('device', ['there is no trace of the devices'])
  const [reads, writes] = [byDisk(activity.reads), byDisk(activity.writes)]
  const [copySources, copyDestinations] = [byDisk(activity.copySources), byDisk(activity.copyDestinations)]
  const unseen = new Set(activity.copies.flatMap((copy) => (copy.sourcesUnseen ? [copy.disk] : [])))
  const changes = new Map<Medium, Change[]>()
  const read = tables.from.map(() => 0)
  const written = tables.to.map(() => 0)
  const moves = pieces.map((piece): Move => {
    const { source, destination, bytes, offloaded } = piece
    const [to, after] = choose(tables.to, destination, bytes, offloaded ? copyDestinations : writes)
    const seen = offloaded ? (unseen.has(to.disk) ? undefined : copySources) : reads
    const [from, before] = choose(tables.from, source, bytes, seen)
    if (seen) read[before] = (read[before] ?? 0) + bytes
    written[after] = (written[after] ?? 0) + bytes
    for (const { medium, offset, data } of storedBy(
      tables.to[after],
      destination,
      content.part(source, bytes),
    )) {
      const list = changes.get(medium) ?? []
      list.push([offset, data])
      changes.set(medium, list)
    }
    return { from, to, bytes, offloaded }
  })
  judgeMoves(activity, moves, session.copyLimits)
  witnesses.device = true
  const offloaded = totalBytes(pieces.filter((piece) => piece.offloaded))
  const readAndWritten = totalBytes(pieces) - offloaded
  return { changes: (medium) => changes.get(medium) ?? [], offloaded, readAndWritten, read, written }
}

/** The ranges that the guest has traced as copied; they make up the requests, or what those say is there, and nothing else. */
function guestPieces(session: Session, call: CopyCall, errors: readonly string[]): Piece[] {
  const { traced, requests, results, wrongReads, witnesses } = call
  const { tracepoints } = session.profile
  if (!traced || !tracepoints) throw new Refusal('guest', ['its tracepoints are missing, or some were lost'])
  const all = traced
    .filter(({ error }) => error === 0)
    .map(({ event, source, destination, bytes }): Piece => {
      const offloaded = event === tracepoints.offload
      return { source: source.sector * 512, destination: destination.sector * 512, bytes, offloaded }
    })
  const problems = [...wrongReads]
  let counted = 0
  for (const [index, request] of requests.entries()) {
    const { from, to, bytes } = onePiece(request)
    const mine = all.filter(({ destination }) => destination >= to.offset && destination < to.offset + bytes)
    const { error = '', copied, offloaded } = results[index] ?? {}
    const there = Number(copied)
    const wrong = [
      ...((error === '0' ? there === bytes : errors.includes(error) && there < bytes)
        ? []
        : [`error ${error}, copied ${copied}`]),
      ...coverage(mine, { offset: to.offset, bytes }, there),
      ...(mine.some(({ source, destination }) => source - from.offset !== destination - to.offset)
        ? ['traced with another distance of source and destination']
        : []),
    ]
    const inside = mine.filter((piece) => piece.offloaded && piece.destination < to.offset + there)
    if (String(totalBytes(inside)) !== offloaded)
      wrong.push(`offloaded ${offloaded}, and traced as offloaded ${totalBytes(inside)}`)
    problems.push(...wrong.map((one) => `copy ${index + 1} of ${bytes} bytes: ${one}`))
    counted += mine.length
  }
  if (counted !== all.length)
    problems.push(`${all.length - counted} ranges were traced that nobody asked for`)
  if (problems.length) throw new Refusal('guest', problems)
  witnesses.guest = true
  return all
}

/** All of a request that is said to be there was traced, nothing was outside of the request, and nothing twice. */
function coverage(pieces: readonly Piece[], whole: Range, there: number): string[] {
  const ranges = pieces.map(({ destination, bytes }): Range => ({ offset: destination, bytes }))
  const missing = outside([{ offset: whole.offset, bytes: there }], ranges)
  const extra = outside(ranges, [whole])
  return [
    ...(missing.length ? [`${showRanges(missing)} was not traced`] : []),
    ...(extra.length ? [`${showRanges(extra)} was traced`] : []),
    ...(totalBytes(ranges) === totalBytes(union(ranges)) ? [] : ['some of it was traced twice']),
  ]
}

function onePiece(request: CopyCall['requests'][number]) {
  const [piece, ...more] = piecesOf(request)
  if (!piece || more.length) throw new Error('retrace works for copies of one source range')
  return piece
}

type Seen = ReadonlyMap<string, Range[]>

function byDisk(ranges: readonly (Range & { disk: string })[]): Seen {
  const disks = [...new Set(ranges.map(({ disk }) => disk))]
  return new Map(disks.map((disk) => [disk, union(ranges.filter((range) => range.disk === disk))]))
}

/** Where the first of the tables that the device bears out has a range, and which one that is; the first one if nothing can be seen. */
function choose(
  tables: readonly Row[],
  offset: number,
  bytes: number,
  seen: Seen | undefined,
): [place: { disk: string; offset: number }, table: number] {
  const places = tables.map((row) => placeOf(row, offset, bytes))
  const table = places.findIndex(
    ({ disk, offset }) => !seen || !outside([{ offset, bytes }], seen.get(disk) ?? []).length,
  )
  const place = places[table]
  if (place) return [place, table]
  const known = places.map((one) => `${one.disk} ${one.offset}+${bytes}`).join(' nor ')
  throw new Refusal('device', [`a range was traced as copied, and neither ${known} was seen`])
}

function placeOf({ kept }: Row, offset: number, bytes: number): Segment {
  const [place, ...more] = typeof kept === 'object' ? kept.on.map(kept.start + offset, bytes) : []
  if (!place || more.length) throw new Error('retrace works for tables of one row that lie in one piece')
  return place
}

function storedBy(row: Row | undefined, offset: number, content: Pattern) {
  if (typeof row?.kept !== 'object') return []
  const { on, start, key } = row.kept
  return on.stored(start + offset, key ? encryptXtsPlain64(key, content.data, offset) : content.data)
}
