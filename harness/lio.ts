/**
 * Words for the guest's tool (tests/guest/blkcopy.c) that make units of LIO on the loopback fabric, in configfs, and take
 * them away (drivers/target/target_core_configfs.c, drivers/target/loopback). A unit is a backing store, and a LUN of a port.
 */
import { dirname } from 'node:path'

const configfs = '/sys/kernel/config/target'
export const fabric = `${configfs}/loopback`

/** The directory of a backing store, which has a directory of its own for its kind. */
export function storeDirectory(kind: 'iblock' | 'fileio', number: number, name: string): string {
  return `${configfs}/core/${kind}_${number}/${name}`
}

/** The tool prints the address, host:channel:target. @param nexus name of the initiator */
export function makePort(port: string, nexus: string): string[] {
  return [
    ...['mkdir', dirname(port), port, ','],
    ...['set', `${port}/nexus`, nexus, ',', 'get', `${port}/address`],
  ]
}

export function removePort(port: string): string[] {
  return ['set', `${port}/nexus`, 'NULL', ',', 'rmdir', port, dirname(port)]
}

/** @param control where the bytes are, such as `udev_path=/dev/nvme0n1` */
export function makeStore(store: string, control: string, serial: string): string[] {
  return [
    ...['mkdir', dirname(store), store, ',', 'set', `${store}/control`, control, ','],
    ...['set', `${store}/wwn/vpd_unit_serial`, serial, ',', 'set', `${store}/enable`, '1'],
  ]
}

export function removeStore(store: string): string[] {
  return ['rmdir', store, dirname(store)]
}

/** The tool prints what diskFrom() reads. @param scsiDevice where sysfs is to have the SCSI device */
export function makeLun(lun: string, store: string, scsiDevice: string): string[] {
  return ['mkdir', lun, ',', 'link', store, `${lun}/port`, ',', 'scsi-disk', scsiDevice]
}

export function removeLun(lun: string): string[] {
  return ['unlink', `${lun}/port`, ',', 'rmdir', lun]
}

/** What `scsi-disk` of the tool says; the address is host:channel:target:LUN. */
export function diskFrom(output: string): { device: string; number: string; address: string } {
  const [, device, number, address] =
    /^scsi-disk device=(\S+) number=(\S+) address=(\S+)$/m.exec(output) ?? []
  if (!device || !number || !address) throw new Error(`cannot read what scsi-disk says: ${output}`)
  return { device, number, address }
}

/** Of a unit that is shown in the guest. @param address host:channel:target:LUN */
export function scsiDeviceAt(address: string): string {
  return `/sys/bus/scsi/devices/${address}`
}
