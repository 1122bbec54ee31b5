/** Disks with room for a copy of a GiB, inside of each and from one to the other. */
import type { CopyLimits, Topology } from '../../../qemu/topology.ts'

const MiB = 1024 * 1024

/** Of the largest copy, bytes. */
export const largest = 1024 * MiB

/** Enough for commands of 128 MiB, which is what the block layer's default allows. */
const copy: CopyLimits = { mssrl: 65535, mcl: 262144, msrc: 15 }

export const benchTopology: Topology = {
  name: 'bench',
  nvme: [
    {
      serial: 'copylab-bench',
      namespaces: [
        { name: 'near', nsid: 1, bytes: 2 * largest, blockSize: 512, copy },
        { name: 'far', nsid: 2, bytes: largest, blockSize: 512, copy },
      ],
    },
  ],
  scsi: [],
}
