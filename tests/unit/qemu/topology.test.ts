import { expect, test } from 'vitest'
import { checkTopology, defaultTopology, disksOf, type Topology } from '../../../qemu/topology.ts'

test('the default topology keeps its own rules', () => {
  checkTopology(defaultTopology)
  expect(disksOf(defaultTopology).map(({ name }) => name)).toEqual([
    'small',
    'large',
    'large4k',
    'wide',
    '4k',
    'nocopy',
    'meta',
    'pi',
    'bad',
    'slow',
    'shared',
    'left',
    'right',
    'scsi0',
    'scsi4k',
  ])
})

test('every broken rule is named', () => {
  const disk = { bytes: 1000, blockSize: 512 } as const
  const topology: Topology = {
    name: 'wrong',
    nvme: [
      { serial: 'a-serial-that-is-too-long', namespaces: [{ ...disk, name: 'one', nsid: 1 }] },
      { serial: 'b', namespaces: [{ ...disk, name: 'one', nsid: 1, bytes: 512, onlyOn: 1 }] },
    ],
    scsi: [{ ...disk, name: 'Two', serial: 'b', bytes: 512 }],
  }
  expect(() => checkTopology(topology)).toThrow(
    "topology 'wrong': disk name 'one' is used twice; namespace number '1' is used twice; serial 'b' is used twice; " +
      "disk 'one': 1000 bytes are not whole blocks; disk name 'Two' is not lower case letters, digits, -; " +
      "NVMe serial 'a-serial-that-is-too-long' does not have 1 to 20 characters; " +
      "disk 'one' is only on controller 1 of 1",
  )
})
