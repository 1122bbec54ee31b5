/**
 * The device's own story: QEMU's trace events of NVMe and SCSI commands, read on the host.
 *
 * Events and their arguments: hw/nvme/trace-events, hw/scsi/trace-events and block/trace-events of QEMU 7.2 and 10.0, which
 * have the same ones. NVMe lines carry the namespace id except for `pci_nvme_copy_source_range` and `pci_nvme_copy_out`.
 * Whose range that is tells the line behind it: the device begins the read or the write at once, and QEMU's block layer
 * names the backend. Which backend is which disk is learned from reads and writes over the link; see copy-lines.ts.
 */
import { CopyLines } from './copy-lines.ts'
import type { Range } from './ranges.ts'

/** Give these to the guest's `traceEvents`. */
export const deviceTraceEvents = [
  'pci_nvme_copy',
  'pci_nvme_copy_source_range',
  'pci_nvme_copy_out',
  'pci_nvme_read',
  'pci_nvme_write',
  'pci_nvme_dsm*',
  'pci_nvme_err_*',
  'blk_co_preadv',
  'blk_co_pwritev',
  'scsi_req_parsed',
  'scsi_req_parsed_lba',
]

/** A disk as the device trace names it. */
export type TracedDisk = { name: string; blockSize: number } & (
  | { kind: 'nvme'; nsid: number }
  | { kind: 'scsi'; target: number; lun: number }
)

/** One copy command: NVMe Copy, or a request of null_blk. */
export interface CopyCommand {
  /** The disk that it was sent to, which is the destination. */
  disk: string
  /** Number of source ranges that the command announced. */
  ranges: number
  format: number
  /** Of all its ranges; undefined when other commands were in flight, whose ranges look the same. */
  bytes: number | undefined
  /** The witness does not see where the device reads: nothing of it is in `copySources`. */
  sourcesUnseen?: true
}

/** What a copy command reads inside of the device. */
export interface CopySource extends Range {
  disk: string
  /** The disk that the command was sent to, when it is another one. */
  by?: string
}

/** A read or write over the link, in bytes. */
export interface Transfer extends Range {
  disk: string
  /** False for commands that change the disk without carrying data: Write Zeroes, WRITE SAME, UNMAP. */
  carriesData: boolean
}

export interface DeviceActivity {
  copies: CopyCommand[]
  /** What Copy commands have read, and begun to write, inside of the devices. Bytes. */
  copySources: CopySource[]
  copyDestinations: (Range & { disk: string })[]
  reads: Transfer[]
  writes: Transfer[]
  /** Commands that do none of this, such as discards (of which QEMU does not say the namespace) and resets of zones; no flushes. */
  others: string[]
  /** Errors that the device reported, as QEMU words them. */
  errors: string[]
  /** What disks did on behalf of units that keep their bytes on them, whichever way these were moved. */
  beneath?: { reads: Transfer[]; writes: Transfer[] }
  /** Where two witnesses of the same thing do not say the same, or one cannot be followed: no case expects that. */
  contradictions?: string[]
}

const scsiReads = new Set([0x08, 0x28, 0xa8, 0x88])
const scsiWrites = new Set([0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e])
/** WRITE SAME (10), WRITE SAME (16), UNMAP, EXTENDED COPY, COMPARE AND WRITE, FORMAT UNIT. */
const scsiChanges = new Set([0x41, 0x93, 0x42, 0x83, 0x89, 0x04])

/** An event with its arguments; with `-msg timestamp=on` a line begins with PID@SECONDS: */
const traceLine = /^(?:\d+@[\d.]+:)?((?:pci_nvme|scsi|blk_co)_\w+) (.*)$/

/** Names of disks by the pointer that QEMU's block layer has for their backend. */
export type Backends = ReadonlyMap<string, string>

/** Which backend is which disk, from reads and writes over the link, as every boot has them. */
export function learnBackends(text: string, disks: readonly TracedDisk[]): Backends {
  const backends = new Map<string, string>()
  let nsid: number | undefined
  for (const line of text.split('\n')) {
    const [, event, rest = ''] = traceLine.exec(line) ?? []
    if (event === 'pci_nvme_read' || event === 'pci_nvme_write') {
      nsid = numberAfter(rest, 'nsid', line)
      continue
    }
    const disk = disks.find((one) => one.kind === 'nvme' && one.nsid === nsid)
    nsid = undefined
    if (disk && event?.startsWith('blk_co_')) backends.set(wordAfter(rest, 'blk', line), disk.name)
  }
  return backends
}

/**
 * What the device did, from lines of its trace. Throws when a line names a disk that is not in `disks`.
 * @param backends as learned from the trace since the boot; without them a Copy command is not told from another one in flight
 */
export function parseDeviceTrace(
  text: string,
  disks: readonly TracedDisk[],
  backends: Backends = new Map(),
): DeviceActivity {
  const lines = new CopyLines()
  const activity: DeviceActivity = {
    copies: lines.copies,
    copySources: lines.sources,
    copyDestinations: lines.destinations,
    ...{ reads: [], writes: [], others: [], errors: [] },
  }
  const scsiLengths = new Map<string, number>()

  const all = text.split('\n')
  for (const [index, line] of all.entries()) {
    const match = traceLine.exec(line)
    if (!match) continue
    const [, event, rest] = match as unknown as [string, string, string]
    const field = (name: string) => numberAfter(rest, name, line)
    const namespace = () => findDisk(disks, (d) => d.kind === 'nvme' && d.nsid === field('nsid'), line)
    const unit = () =>
      findDisk(
        disks,
        (d) => d.kind === 'scsi' && d.target === field('target') && d.lun === field('lun'),
        line,
      )

    switch (event) {
      case 'pci_nvme_copy': {
        const disk = namespace()
        const command = { disk: disk.name, ranges: field('nr'), format: field('format') }
        lines.announce(command, disk.blockSize)
        break
      }
      case 'pci_nvme_copy_source_range':
      case 'pci_nvme_copy_out': {
        const direction = event === 'pci_nvme_copy_out' ? 'destination' : 'source'
        const [, next = '', backend = ''] = traceLine.exec(all[index + 1] ?? '') ?? []
        const begun = next === (direction === 'source' ? 'blk_co_preadv' : 'blk_co_pwritev')
        const name = begun ? backends.get(wordAfter(backend, 'blk', line)) : undefined
        const where = disks.find((disk) => disk.name === name)
        const known = lines[direction](field('slba'), field('nlb'), where)
        if (!known) throw new Error(`the device trace has a range of no Copy command: ${line}`)
        break
      }
      case 'pci_nvme_read':
      case 'pci_nvme_write': {
        const disk = namespace()
        const transfer = {
          disk: disk.name,
          ...blocks(field('lba'), field('nlb'), disk.blockSize),
          carriesData: !rest.includes('WRITE_ZEROES'),
        }
        activity[event === 'pci_nvme_read' ? 'reads' : 'writes'].push(transfer)
        break
      }
      case 'scsi_req_parsed':
        scsiLengths.set(`${field('target')}:${field('lun')}:${field('tag')}`, field('length'))
        break
      case 'scsi_req_parsed_lba': {
        const command = field('command')
        const reads = scsiReads.has(command)
        if (!reads && !scsiWrites.has(command) && !scsiChanges.has(command)) break
        const disk = unit()
        const carriesData = reads || scsiWrites.has(command)
        // The length of the others is that of their parameters, and QEMU reads an LBA even where there is none.
        const bytes = scsiLengths.get(`${field('target')}:${field('lun')}:${field('tag')}`) ?? 0
        const range = carriesData ? { offset: field('lba') * disk.blockSize, bytes } : { offset: 0, bytes: 0 }
        activity[reads ? 'reads' : 'writes'].push({ disk: disk.name, ...range, carriesData })
        break
      }
      default:
        if (event.startsWith('pci_nvme_err_')) activity.errors.push(`${event.slice(13)} ${rest}`)
        if (event.startsWith('pci_nvme_dsm'))
          activity.others.push(line.slice(line.indexOf('pci_nvme_dsm') + 9))
    }
  }
  return activity
}

/**
 * True when the trace has what no boot can do without: a read of an NVMe namespace (the kernel looks for partitions)
 * and a SCSI command (INQUIRY), where there are such disks. A trace without them does not work, and that nothing is in
 * it proves nothing.
 */
export function showsBoot(text: string, disks: readonly TracedDisk[]): boolean {
  return disks.every(({ kind }) =>
    (kind === 'nvme' ? /^(?:\d+@[\d.]+:)?pci_nvme_read /m : /^(?:\d+@[\d.]+:)?scsi_req_parsed /m).test(text),
  )
}

function blocks(lba: number, count: number, blockSize: number): Range {
  return { offset: lba * blockSize, bytes: count * blockSize }
}

function findDisk(disks: readonly TracedDisk[], is: (disk: TracedDisk) => boolean, line: string): TracedDisk {
  const disk = disks.find(is)
  if (!disk) throw new Error(`the device trace names a disk that the topology does not have: ${line}`)
  return disk
}

function wordAfter(rest: string, name: string, line: string): string {
  const [, word] = new RegExp(`(?:^| )${name} (\\S+)`).exec(rest) ?? []
  if (word === undefined) throw new Error(`the device trace has a line without '${name}': ${line}`)
  return word
}

function numberAfter(rest: string, name: string, line: string): number {
  const match = new RegExp(`(?:^| )${name} (0x[0-9a-f]+|\\d+)`).exec(rest)
  if (!match) throw new Error(`the device trace has a line without '${name}': ${line}`)
  return Number(match[1])
}
