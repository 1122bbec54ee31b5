/**
 * What requests the driver of a disk was given, and what came of them: the kernel's block_rq_complete events. For a disk
 * that is emulated in the guest's kernel they stand for the trace of a device.
 *
 * include/trace/events/block.h: `8,0 WS (command) SECTOR + SECTORS priority [ERROR]`; the letters are those of
 * blk_fill_rwbs(), and the series adds CW for the destination of a copy. Sectors of 512 bytes. A request tells where a copy
 * goes and how long it is, not where it comes from.
 */
import type { DeviceActivity } from './device-trace.ts'

/** The trace event of subsystem `block` that must be on. */
export const requestEvent = 'block_rq_complete'

const completion = /: block_rq_complete: (\d+),(\d+) ([A-Z]+) \([^)]*\) (\d+) \+ (\d+) .*\[(-?\d+)\]\s*$/

/**
 * @param disks names by `major:minor`; events of other devices are let be
 * Throws when a line is not understood.
 */
export function parseRequestTrace(text: string, disks: ReadonlyMap<string, string>): DeviceActivity {
  const activity: DeviceActivity = {
    ...{ copies: [], copySources: [], copyDestinations: [] },
    ...{ reads: [], writes: [], others: [], errors: [] },
  }
  for (const line of text.split('\n')) {
    if (!line.includes(': block_rq_complete: ')) continue
    const match = completion.exec(line)
    if (!match) throw new Error(`cannot read the guest's trace line: ${line.trim()}`)
    const [, major, minor, letters = '', sector, sectors, error] = match
    const disk = disks.get(`${major}:${minor}`)
    if (disk === undefined) continue
    // F before the operation: the cache is flushed first; letters after it are flags.
    const operation = letters.replace(/^F(?=.)/, '')
    const range = { disk, offset: Number(sector) * 512, bytes: Number(sectors) * 512 }
    if (Number(error) !== 0) {
      activity.errors.push(`${disk} ${letters} ${range.offset}+${range.bytes}: ${error}`)
    } else if (operation.startsWith('CW')) {
      activity.copies.push({ disk, ranges: 1, format: 0, bytes: range.bytes, sourcesUnseen: true })
      activity.copyDestinations.push(range)
    } else if (operation.startsWith('W')) {
      activity.writes.push({ ...range, carriesData: true })
    } else if (operation.startsWith('R')) {
      activity.reads.push({ ...range, carriesData: true })
    } else if (operation !== 'F' && !operation.startsWith('FF')) {
      activity.others.push(`${disk} ${letters} ${range.offset}+${range.bytes}`)
    }
  }
  return activity
}

/** What several witnesses saw, each of its own disks. */
export function merged(first: DeviceActivity, second: DeviceActivity): DeviceActivity {
  return {
    copies: [...first.copies, ...second.copies],
    copySources: [...first.copySources, ...second.copySources],
    copyDestinations: [...first.copyDestinations, ...second.copyDestinations],
    reads: [...first.reads, ...second.reads],
    writes: [...first.writes, ...second.writes],
    others: [...first.others, ...second.others],
    errors: [...first.errors, ...second.errors],
    beneath: {
      reads: [...(first.beneath?.reads ?? []), ...(second.beneath?.reads ?? [])],
      writes: [...(first.beneath?.writes ?? []), ...(second.beneath?.writes ?? [])],
    },
    contradictions: [...(first.contradictions ?? []), ...(second.contradictions ?? [])],
  }
}

/** What these disks did is beneath: others have sent them what the copies came to. */
export function laidBeneath(activity: DeviceActivity, disks: ReadonlySet<string>): DeviceActivity {
  const mine = ({ disk }: { disk: string }) => disks.has(disk)
  const others = (one: { disk: string }) => !mine(one)
  return {
    ...activity,
    reads: activity.reads.filter(others),
    writes: activity.writes.filter(others),
    beneath: { reads: activity.reads.filter(mine), writes: activity.writes.filter(mine) },
  }
}
