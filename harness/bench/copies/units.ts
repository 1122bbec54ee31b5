/**
 * SCSI units that copy by EXTENDED COPY, for a bench: LIO in the guest on the loopback fabric, its bytes on namespaces of
 * the topology. The link is the one between initiator and target, so what crosses it is told by the target's counters.
 */
import {
  diskFrom,
  fabric,
  makeLun,
  makePort,
  makeStore,
  removeLun,
  removePort,
  removeStore,
  scsiDeviceAt,
  storeDirectory,
} from '../../lio.ts'
import { blkcopy, type CopyGuest } from './guest.ts'

const port = `${fabric}/naa.6001400000000001/tpgt_1`

export interface OpenUnits {
  /** Their paths in /dev. */
  devices: string[]
  /** LIO's directories of counters, one a unit: num_cmds, read_mbytes, write_mbytes. */
  counters: string[]
  close(): Promise<void>
}

/** Units of one target, each with all of a disk of the topology. */
export async function openUnits(guest: CopyGuest, disks: readonly string[]): Promise<OpenUnits> {
  const made = await guest.run([blkcopy, 'mkdir', fabric, ',', ...makePort(port, 'naa.6001500000000001')])
  const units = disks.map((disk, index) => ({
    store: storeDirectory('iblock', index + 1, disk),
    lun: `${port}/lun/lun_${index}`,
    control: `udev_path=${guest.device(disk)}`,
    serial: String(index + 1).padStart(24, '0'),
    scsiDevice: scsiDeviceAt(`${made.trim()}:${index}`),
  }))
  const devices: string[] = []
  for (const { store, lun, control, serial, scsiDevice } of units) {
    const words = [...makeStore(store, control, serial), ',', ...makeLun(lun, store, scsiDevice)]
    devices.push(diskFrom(await guest.run([blkcopy, ...words])).device)
  }
  // That there is one more unit is told by UNIT ATTENTION once; a read takes it.
  for (const device of devices) await guest.run([blkcopy, 'dump', device, '0', '512'])
  return {
    devices,
    counters: units.map(({ store }) => `${store}/statistics/scsi_lu`),
    async close() {
      for (const { store, lun } of units)
        await guest.run([blkcopy, ...removeLun(lun), ',', ...removeStore(store)])
      await guest.run([blkcopy, ...removePort(port), ',', 'rmdir', fabric])
    },
  }
}
