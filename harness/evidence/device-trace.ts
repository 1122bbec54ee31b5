/**
 * The device's own story: QEMU's trace events of NVMe and SCSI commands, read on the host.
 *
 * Events and their arguments: hw/nvme/trace-events and hw/scsi/trace-events of QEMU 7.2. NVMe lines carry the
 * namespace id except for `pci_nvme_copy_source_range` and `pci_nvme_copy_out`; see copy-lines.ts.
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
  'scsi_req_parsed',
  'scsi_req_parsed_lba',
]

/** A disk as the device trace names it. */
export type TracedDisk = { name: string; blockSize: number } & (
  | { kind: 'nvme'; nsid: number }
  | { kind: 'scsi'; target: number; lun: number }
)

/** One NVMe Copy command. */
export interface CopyCommand {
  disk: string
  /** Number of source ranges that the command announced. */
  ranges: number
  format: number
  /** Of all its ranges; undefined when other commands were in flight, whose ranges look the same. */
  bytes: number | undefined
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
  copySources: (Range & { disk: string })[]
  copyDestinations: (Range & { disk: string })[]
  reads: Transfer[]
  writes: Transfer[]
  /** Dataset Management commands (discards) as QEMU words them; its lines do not say of which namespace. */
  discards: string[]
  /** Errors that the device reported, as QEMU words them. */
  errors: string[]
}

const scsiReads = new Set([0x08, 0x28, 0xa8, 0x88])
const scsiWrites = new Set([0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e])
/** WRITE SAME (10), WRITE SAME (16), UNMAP, EXTENDED COPY, COMPARE AND WRITE, FORMAT UNIT. */
const scsiChanges = new Set([0x41, 0x93, 0x42, 0x83, 0x89, 0x04])

/** What the device did, from lines of its trace. Throws when a line names a disk that is not in `disks`. */
export function parseDeviceTrace(text: string, disks: readonly TracedDisk[]): DeviceActivity {
  const lines = new CopyLines()
  const activity: DeviceActivity = {
    copies: lines.copies,
    copySources: lines.sources,
    copyDestinations: lines.destinations,
    ...{ reads: [], writes: [], discards: [], errors: [] },
  }
  const scsiLengths = new Map<string, number>()

  for (const line of text.split('\n')) {
    // With `-msg timestamp=on` a line begins with PID@SECONDS:
    const match = /^(?:\d+@[\d.]+:)?((?:pci_nvme|scsi)_\w+) (.*)$/.exec(line)
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
        const known = lines[direction](field('slba'), field('nlb'))
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
          activity.discards.push(line.slice(line.indexOf('pci_nvme_dsm') + 9))
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

function numberAfter(rest: string, name: string, line: string): number {
  const match = new RegExp(`(?:^| )${name} (0x[0-9a-f]+|\\d+)`).exec(rest)
  if (!match) throw new Error(`the device trace has a line without '${name}': ${line}`)
  return Number(match[1])
}
