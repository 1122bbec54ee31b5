import { Failure } from '../harness/failure.ts'

/** Limits of the NVMe Copy command as in Identify Namespace: `mssrl` and `mcl` in logical blocks, `msrc` 0-based. */
export interface CopyLimits {
  mssrl: number
  mcl: number
  msrc: number
}

/** Of a namespace of the Zoned Namespace Command Set; all its zones are sequential. Bytes. */
export interface Zones {
  zoneBytes: number
  /** What can be written of a zone; all unless given. */
  capacityBytes?: number
  /** Zones that can be open, or active, at once; any number unless given. */
  maxOpen?: number
  maxActive?: number
  /** Reads, and sources of copies, may cross zone boundaries (OZCS, Read Across Zone Boundaries). */
  crossRead?: true
}

export interface NvmeNamespace {
  name: string
  nsid: number
  bytes: number
  blockSize: 512 | 4096
  /** Absent: the namespace takes no Copy command. */
  copy?: CopyLimits
  /** 8 bytes of metadata a block, with protection information of type 1 in them or without. */
  metadata?: 'plain' | 'pi'
  zoned?: Zones
  /** Attached to this one of the controllers that share the others; 0 is the first. */
  onlyOn?: number
  /** Bytes at which each read, or each write, fails inside of the device. */
  bad?: { read: number; write: number }
  /** What the device reads and writes in a second, bytes, so that commands can be found under way. */
  bytesPerSecond?: number
}

export interface NvmeController {
  /** At most 20 characters; the guest finds the controller by it. */
  serial: string
  /** So many controllers in one subsystem share the namespaces; 1 unless given. */
  paths?: number
  namespaces: NvmeNamespace[]
}

export interface ScsiUnit {
  name: string
  /** VPD page 0x80; the guest finds the unit by it. */
  serial: string
  bytes: number
  blockSize: 512 | 4096
}

/**
 * The disks of a virtual machine. Names are unique, and so are namespace numbers over all controllers, because
 * a line of QEMU's trace names the namespace and not the controller.
 */
export interface Topology {
  name: string
  nvme: NvmeController[]
  scsi: ScsiUnit[]
}

const MiB = 1024 * 1024

/** Limits that no copy of a case comes near. */
const roomy: CopyLimits = { mssrl: 4096, mcl: 8192, msrc: 15 }

export const defaultTopology: Topology = {
  name: 'default',
  nvme: [
    {
      serial: 'copylab-nvme-a',
      namespaces: [
        { name: 'small', nsid: 1, bytes: 32 * MiB, blockSize: 512, copy: { mssrl: 16, mcl: 64, msrc: 7 } },
        {
          name: 'large',
          nsid: 2,
          bytes: 32 * MiB,
          blockSize: 512,
          copy: roomy,
        },
        { name: 'large4k', nsid: 8, bytes: 16 * MiB, blockSize: 4096, copy: roomy },
        // The longest ranges that MSSRL can tell, and room for one that is longer.
        {
          ...{ name: 'wide', nsid: 9, bytes: 64 * MiB, blockSize: 512 },
          copy: { mssrl: 65535, mcl: 131072, msrc: 1 },
        },
        {
          ...{ name: 'zns', nsid: 14, bytes: 16 * MiB, blockSize: 512 },
          copy: { mssrl: 512, mcl: 2048, msrc: 7 },
          zoned: { zoneBytes: 2 * MiB, capacityBytes: 1.5 * MiB, maxOpen: 3, maxActive: 4 },
        },
        {
          ...{ name: 'zns4k', nsid: 15, bytes: 16 * MiB, blockSize: 4096, copy: roomy },
          zoned: { zoneBytes: 4 * MiB, crossRead: true },
        },
        {
          ...{ name: 'zns-slow', nsid: 16, bytes: 8 * MiB, blockSize: 512, copy: roomy },
          ...{ zoned: { zoneBytes: 2 * MiB }, bytesPerSecond: MiB },
        },
        {
          ...{ name: 'zns-bad', nsid: 17, bytes: 8 * MiB, blockSize: 512, copy: roomy },
          ...{ zoned: { zoneBytes: 2 * MiB }, bad: { read: MiB, write: 5 * MiB } },
        },
      ],
    },
    {
      serial: 'copylab-nvme-b',
      namespaces: [
        { name: '4k', nsid: 3, bytes: 32 * MiB, blockSize: 4096, copy: { mssrl: 64, mcl: 128, msrc: 3 } },
        { name: 'nocopy', nsid: 4, bytes: 16 * MiB, blockSize: 512 },
        { name: 'meta', nsid: 5, bytes: 8 * MiB, blockSize: 512, copy: roomy, metadata: 'plain' },
        { name: 'pi', nsid: 6, bytes: 8 * MiB, blockSize: 512, copy: roomy, metadata: 'pi' },
        {
          ...{ name: 'bad', nsid: 10, bytes: 16 * MiB, blockSize: 512, copy: roomy },
          bad: { read: 4 * MiB, write: 12 * MiB },
        },
        { name: 'slow', nsid: 11, bytes: 16 * MiB, blockSize: 512, copy: roomy, bytesPerSecond: 2 * MiB },
      ],
    },
    {
      serial: 'copylab-nvme-m',
      paths: 2,
      namespaces: [
        {
          ...{ name: 'shared', nsid: 7, bytes: 16 * MiB, blockSize: 512, copy: roomy },
          bytesPerSecond: 4 * MiB,
        },
        { name: 'left', nsid: 12, bytes: 4 * MiB, blockSize: 512, copy: roomy, onlyOn: 0 },
        { name: 'right', nsid: 13, bytes: 4 * MiB, blockSize: 512, copy: roomy, onlyOn: 1 },
      ],
    },
  ],
  scsi: [
    { name: 'scsi0', serial: 'copylab-scsi0', bytes: 32 * MiB, blockSize: 512 },
    { name: 'scsi4k', serial: 'copylab-scsi4k', bytes: 16 * MiB, blockSize: 4096 },
  ],
}

/** One disk of a topology, whatever it hangs on, with what identifies it inside the guest. */
export interface Disk {
  name: string
  bytes: number
  blockSize: 512 | 4096
  kind: 'nvme' | 'scsi'
  /** Serial number of the NVMe controller or of the SCSI unit. */
  serial: string
  nsid?: number
  /** Of the raw image: data, and behind it the metadata. */
  imageBytes: number
  zoned: boolean
}

/** All disks of a topology in the order in which they are declared. */
export function disksOf(topology: Topology): Disk[] {
  const nvme = topology.nvme.flatMap(({ serial, namespaces }) =>
    namespaces.map(({ name, bytes, blockSize, nsid, metadata, zoned }): Disk => {
      const imageBytes = bytes + (metadata ? (bytes / blockSize) * 8 : 0)
      const disk = { name, bytes, blockSize, serial, nsid, imageBytes, zoned: zoned !== undefined }
      return { ...disk, kind: 'nvme' }
    }),
  )
  const scsi = topology.scsi.map(({ name, bytes, blockSize, serial }): Disk => {
    return { name, bytes, blockSize, kind: 'scsi', serial, imageBytes: bytes, zoned: false }
  })
  return [...nvme, ...scsi]
}

/** Throws a usage Failure that names every rule a topology breaks. */
export function checkTopology(topology: Topology): void {
  const wrong: string[] = []
  const unique = (what: string, values: (string | number)[]) => {
    const twice = values.filter((value, index) => values.indexOf(value) !== index)
    for (const value of new Set(twice)) wrong.push(`${what} '${value}' is used twice`)
  }
  const disks = disksOf(topology)
  unique(
    'disk name',
    disks.map(({ name }) => name),
  )
  unique(
    'namespace number',
    disks.flatMap(({ nsid }) => nsid ?? []),
  )
  unique(
    'serial',
    [...topology.nvme, ...topology.scsi].map(({ serial }) => serial),
  )
  for (const { name, bytes, blockSize } of disks) {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(name))
      wrong.push(`disk name '${name}' is not lower case letters, digits, -`)
    if (bytes <= 0 || bytes % blockSize) wrong.push(`disk '${name}': ${bytes} bytes are not whole blocks`)
  }
  for (const { serial, paths = 1, namespaces } of topology.nvme) {
    for (const { name, onlyOn = 0, bytes, blockSize, zoned } of namespaces) {
      if (onlyOn >= paths) wrong.push(`disk '${name}' is only on controller ${onlyOn} of ${paths}`)
      if (zoned) wrong.push(...wrongZones(zoned, bytes, blockSize).map((what) => `disk '${name}': ${what}`))
    }
    if (!serial || serial.length > 20) wrong.push(`NVMe serial '${serial}' does not have 1 to 20 characters`)
  }
  for (const { serial } of topology.scsi) {
    // QEMU cuts what page 0x80 shows of a longer one.
    if (!serial || serial.length > 36) wrong.push(`SCSI serial '${serial}' does not have 1 to 36 characters`)
  }
  if (wrong.length) throw new Failure('usage', `topology '${topology.name}': ${wrong.join('; ')}`)
}

function wrongZones(
  { zoneBytes, capacityBytes = zoneBytes, maxOpen = 0, maxActive = 0 }: Zones,
  bytes: number,
  blockSize: number,
): string[] {
  const wrong: string[] = []
  // Linux takes no other sizes (block/blk-zoned.c).
  if (!Number.isInteger(Math.log2(zoneBytes)) || bytes % zoneBytes)
    wrong.push(`zones of ${zoneBytes} bytes are no power of two, or do not fill ${bytes} bytes`)
  if (capacityBytes <= 0 || capacityBytes > zoneBytes || capacityBytes % blockSize)
    wrong.push(`of a zone of ${zoneBytes} bytes ${capacityBytes} cannot be its capacity`)
  if (maxActive && maxOpen > maxActive)
    wrong.push(`${maxOpen} open zones are more than the ${maxActive} active ones`)
  return wrong
}

/** The same disks, of which those that take their time take `times` as much: for guests that take as much themselves. */
export function slower(topology: Topology, times: number): Topology {
  const slow = (ns: NvmeNamespace): NvmeNamespace =>
    ns.bytesPerSecond ? { ...ns, bytesPerSecond: ns.bytesPerSecond / times } : ns
  return {
    ...topology,
    nvme: topology.nvme.map((one) => ({ ...one, namespaces: one.namespaces.map(slow) })),
  }
}
