/**
 * SCSI units that copy by EXTENDED COPY, for a bench: LIO in the guest on the loopback fabric, its bytes on namespaces of
 * the topology. The link is the one between initiator and target, so what crosses it is told by the target's counters.
 */
import type { CopyGuest } from './guest.ts'

const configfs = '/sys/kernel/config/target'
const fabric = `${configfs}/loopback`
const target = `${fabric}/naa.6001400000000001`
const port = `${target}/tpgt_1`
const tool = '/bin/blkcopy'

export interface OpenUnits {
  /** Their paths in /dev. */
  devices: string[]
  /** LIO's directories of counters, one a unit: num_cmds, read_mbytes, write_mbytes. */
  counters: string[]
  close(): Promise<void>
}

/** Units of one target, each with all of a disk of the topology. */
export async function openUnits(guest: CopyGuest, disks: readonly string[]): Promise<OpenUnits> {
  const made = await guest.run([
    ...[tool, 'mkdir', fabric, target, port, ','],
    ...['set', `${port}/nexus`, 'naa.6001500000000001', ',', 'get', `${port}/address`],
  ])
  const units = disks.map((disk, index) => ({
    store: `${configfs}/core/iblock_${index + 1}/${disk}`,
    lun: `${port}/lun/lun_${index}`,
    path: guest.device(disk),
    serial: String(index + 1).padStart(24, '0'),
    address: `${made.trim()}:${index}`,
  }))
  const devices: string[] = []
  for (const { store, lun, path, serial, address } of units) {
    const output = await guest.run([
      ...[tool, 'mkdir', parentOf(store), store, ',', 'set', `${store}/control`, `udev_path=${path}`, ','],
      ...['set', `${store}/wwn/vpd_unit_serial`, serial, ',', 'set', `${store}/enable`, '1', ','],
      ...['mkdir', lun, ',', 'link', store, `${lun}/port`, ','],
      ...['scsi-disk', `/sys/bus/scsi/devices/${address}`],
    ])
    devices.push(/^scsi-disk device=(\S+)/m.exec(output)?.[1] ?? '')
  }
  // That there is one more unit is told by UNIT ATTENTION once; a read takes it.
  for (const device of devices) await guest.run([tool, 'dump', device, '0', '512'])
  return {
    devices,
    counters: units.map(({ store }) => `${store}/statistics/scsi_lu`),
    async close() {
      for (const { store, lun } of units) {
        await guest.run([
          ...[tool, 'unlink', `${lun}/port`, ',', 'rmdir', lun, ','],
          ...['rmdir', store, parentOf(store)],
        ])
      }
      await guest.run([tool, 'set', `${port}/nexus`, 'NULL', ',', 'rmdir', port, target, fabric])
    },
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
