import { open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { Failure, type FailureDetails } from '../harness/failure.ts'
import { imagePath } from './argv.ts'
import { type Disk, disksOf, type Topology } from './topology.ts'

/** A disk as it was found in a guest. */
export interface GuestDisk {
  name: string
  /** Device node in this boot, e.g. /dev/nvme0n1. */
  device: string
  /** The raw image on the host. */
  backing: string
  bytes: number
  blockSize: number
  kind: 'nvme' | 'scsi'
  nsid?: number
  /** The device is the multipath node of an NVMe namespace; requests go through hidden ones, a path each. */
  multipath?: true
}

/** A guest came up and did not show all of its disks. */
export class DisksMissing extends Failure {
  /** Of the disks, as the topology has them. */
  readonly names: readonly string[]

  constructor(missing: readonly Disk[], attributes: ReadonlyMap<string, Buffer>, details: FailureDetails) {
    super('infra', describeMissing(missing, attributes), details)
    this.names = missing.map(({ name }) => name)
  }
}

/** Creates the images, sparse and all zero; throws when one is there already. */
export async function createImages(topology: Topology, directory: string): Promise<void> {
  await Promise.all(
    disksOf(topology).map(async ({ name, imageBytes }) => {
      const file = await open(imagePath(directory, name), 'wx', 0o600)
      await file.truncate(imageBytes).finally(() => file.close())
    }),
  )
}

/** What to read in the guest for `matchDisks`. */
export const diskAttributes = [
  '/sys/block/nvme*/nsid',
  '/sys/block/nvme*/device/serial',
  '/sys/block/sd*/device/vpd_pg80',
  '/sys/block/nvme*/size',
  '/sys/block/sd*/size',
]

/**
 * Finds the disks of a topology by serial and namespace, never by the order of their names, which changes from boot to
 * boot. `attributes` maps the paths of `diskAttributes` to contents. Disks that are not there yet are in `missing`. A
 * kernel without CONFIG_BLK_DEV_ZONED hides zoned ones, and shows them empty: these are in neither.
 */
export function matchDisks(
  topology: Topology,
  directory: string,
  attributes: ReadonlyMap<string, Buffer>,
): { disks: Map<string, GuestDisk>; missing: Disk[] } {
  const byIdentity = new Map<string, string>()
  const nodes = new Set<string>()
  for (const [path, contents] of attributes) {
    const device = /^\/sys\/block\/([^/]+)\/size$/.exec(path)?.[1]
    if (!device) continue
    // nvme0c1n1 is one path to nvme0n1: hidden, without a device node, and there before that is.
    const [, subsystem, namespace] = /^(nvme\d+)c\d+(n\d+)$/.exec(device) ?? []
    if (subsystem) {
      nodes.add(`${subsystem}${namespace}`)
      continue
    }
    const text = (attribute: string) =>
      attributes.get(`/sys/block/${device}/${attribute}`)?.toString('latin1').trim()
    const bytes = Number(contents.toString()) * 512
    const page80 = attributes.get(`/sys/block/${device}/device/vpd_pg80`)
    // SPC: the serial number follows a header of 4 bytes.
    const identity = page80
      ? `scsi/${page80.toString('latin1', 4).trim()}`
      : `nvme/${text('device/serial')}/${text('nsid')}`
    // A kernel without multipath shows a shared namespace once for each controller; the first of them will do.
    const key = `${identity}/${bytes}`
    if (!byIdentity.has(key)) byIdentity.set(key, device)
  }

  const disks = new Map<string, GuestDisk>()
  const missing: Disk[] = []
  for (const disk of disksOf(topology)) {
    const { name, bytes, blockSize, kind, serial, nsid } = disk
    const identity = kind === 'nvme' ? `nvme/${serial}/${nsid}` : `scsi/${serial}`
    const device = byIdentity.get(`${identity}/${bytes}`)
    if (!device && disk.zoned && byIdentity.has(`${identity}/0`)) continue
    if (!device) {
      missing.push(disk)
      continue
    }
    const backing = imagePath(directory, name)
    disks.set(name, {
      name,
      device: `/dev/${device}`,
      backing,
      bytes,
      blockSize,
      kind,
      ...(nsid && { nsid }),
      ...(nodes.has(device) && { multipath: true as const }),
    })
  }
  return { disks, missing }
}

/** One line that says which disks were wanted and what the guest has. */
export function describeMissing(missing: readonly Disk[], attributes: ReadonlyMap<string, Buffer>): string {
  const wanted = missing.map(({ name, kind, serial, nsid, bytes }) => {
    return `'${name}' (${kind} serial ${serial}${nsid === undefined ? '' : `, namespace ${nsid}`}, ${bytes} bytes)`
  })
  const present = [...attributes.keys()]
    .filter((path) => basename(path) === 'size')
    .map((path) => basename(dirname(path)))
  return `disk ${wanted.join(', ')} did not appear; the guest has ${present.join(', ') || 'no disks'}`
}
