/** Where to where is copied: devices of the topology, and what is stacked on them. */
import type { Path } from '../../series/profile.ts'
import type { CopyGuest } from './guest.ts'
import { largest } from './topology.ts'
import { openUnits } from './units.ts'

const MiB = 1024 * 1024
const SECTOR = 512

/** A device and an offset on it, bytes. */
export interface Spot {
  device: string
  offset: number
}

export interface OpenRoute {
  from: Spot
  to: Spot
  /** Devices whose queue limits decide on offloading: their paths in /dev. */
  queues: string[]
  /** Of units of a target in the guest, whose link only the guest sees: LIO's directories of counters. */
  counters?: string[]
  close(): Promise<void>
}

export interface Route {
  /** In the names of figures. */
  id: string
  what: string
  /** What the series' profile calls it. */
  path: Path
  /** Of the largest copy, bytes. */
  most: number
  /** Options of the kernel that it needs. */
  options: readonly string[]
  open(guest: CopyGuest): Promise<OpenRoute>
}

const nothing = async () => {}

const nvme = ['CONFIG_BLK_DEV_NVME']
const lio = ['CONFIG_BLK_DEV_SD', 'CONFIG_LOOPBACK_TARGET', 'CONFIG_TCM_IBLOCK']

/** AES is slow where the processor is emulated. */
const mostEncrypted = 16 * MiB

export const routes: readonly Route[] = [
  {
    ...{ id: 'nvme', what: 'NVMe, inside of a namespace', path: 'nvme-same-namespace', most: largest },
    options: nvme,
    async open(guest) {
      const device = guest.device('near')
      return { ...inside(device, largest), queues: [device], close: nothing }
    },
  },
  {
    ...{ id: 'nvme-across', what: 'NVMe, from a namespace to another', path: 'nvme-cross-namespace' },
    ...{ most: largest, options: nvme },
    async open(guest) {
      const [from, to] = [guest.device('near'), guest.device('far')]
      const spots = { from: { device: from, offset: 0 }, to: { device: to, offset: 0 } }
      return { ...spots, queues: [from, to], close: nothing }
    },
  },
  {
    ...{ id: 'dm-linear', what: 'dm-linear on one namespace', path: 'dm-linear', most: largest },
    options: ['CONFIG_BLK_DEV_DM'],
    open: (guest) => volume(guest, 2 * largest, (under) => `linear ${under} 0`, largest),
  },
  {
    ...{ id: 'dm-crypt', what: 'dm-crypt (aes-xts) on one namespace', path: 'dm-crypt', most: mostEncrypted },
    options: ['CONFIG_DM_CRYPT', 'CONFIG_CRYPTO_AES', 'CONFIG_CRYPTO_XTS'],
    open: (guest) =>
      volume(
        guest,
        2 * mostEncrypted,
        (under) => `crypt aes-xts-plain64 ${'5a'.repeat(32)} 0 ${under} 0`,
        mostEncrypted,
      ),
  },
  {
    ...{ id: 'scsi', what: 'SCSI (LIO), inside of a unit', path: 'scsi-same-unit', most: largest },
    options: lio,
    async open(guest) {
      const { devices, counters, close } = await openUnits(guest, ['near'])
      const [device = ''] = devices
      return { ...inside(device, largest), queues: devices, counters, close }
    },
  },
  {
    ...{ id: 'scsi-across', what: 'SCSI (LIO), from a unit to another', path: 'scsi-cross-unit' },
    ...{ most: largest, options: lio },
    async open(guest) {
      const { devices, counters, close } = await openUnits(guest, ['near', 'far'])
      const [from = '', to = ''] = devices
      const spots = { from: { device: from, offset: 0 }, to: { device: to, offset: 0 } }
      return { ...spots, queues: devices, counters, close }
    },
  },
]

function inside(device: string, distance: number): Pick<OpenRoute, 'from' | 'to'> {
  return { from: { device, offset: 0 }, to: { device, offset: distance } }
}

/** A volume of so many bytes at the beginning of a namespace. */
async function volume(
  guest: CopyGuest,
  bytes: number,
  target: (under: string) => string,
  distance: number,
): Promise<OpenRoute> {
  const under = guest.device('near')
  const line = `0 ${bytes / SECTOR} ${target(under)}`
  const output = await guest.run(['/bin/dmtable', 'create', 'bench', line])
  const [, device] = /^dmtable device=(\S+)/m.exec(output) ?? []
  if (!device) throw new Error(`dmtable says no device: ${output}`)
  return {
    ...inside(device, distance),
    queues: [under, device],
    close: async () => void (await guest.run(['/bin/dmtable', 'remove', 'bench'])),
  }
}
