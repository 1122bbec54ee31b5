import { expect, test } from 'vitest'
import { checkTopology, defaultTopology, disksOf, slower, type Topology } from '../../../qemu/topology.ts'

test('the default topology keeps its own rules', () => {
  checkTopology(defaultTopology)
  expect(disksOf(defaultTopology).map(({ name }) => name)).toEqual([
    'small',
    'large',
    'large4k',
    'wide',
    'zns',
    'zns4k',
    'zns-slow',
    'zns-bad',
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

test('with a slow guest the disks that take their time are slower, and nothing else changes', () => {
  const speeds = ({ nvme }: Topology) =>
    nvme.flatMap(({ namespaces }) => namespaces.map((ns) => ns.bytesPerSecond))
  const before = speeds(defaultTopology)
  expect(before.filter((speed) => speed)).toHaveLength(3)
  const slow = slower(defaultTopology, 4)
  expect(speeds(slow)).toEqual(before.map((speed) => speed && speed / 4))
  expect(JSON.stringify(slow).replace(/"bytesPerSecond":\d+/g, '')).toBe(
    JSON.stringify(defaultTopology).replace(/"bytesPerSecond":\d+/g, ''),
  )
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

test('zones that Linux would not take are named', () => {
  const zoned = (zones: object): Topology => ({
    name: 'wrong',
    nvme: [
      {
        serial: 'z',
        namespaces: [
          { name: 'z', nsid: 1, bytes: 8192, blockSize: 512, zoned: { zoneBytes: 2048, ...zones } },
        ],
      },
    ],
    scsi: [],
  })
  const wrong = (zones: object) => expect(() => checkTopology(zoned(zones)))
  wrong({ capacityBytes: 1536, maxOpen: 2, maxActive: 2 }).not.toThrow()
  wrong({ zoneBytes: 1536 }).toThrow("disk 'z': zones of 1536 bytes are no power of two")
  wrong({ zoneBytes: 16384 }).toThrow('do not fill 8192 bytes')
  wrong({ capacityBytes: 4096 }).toThrow('4096 cannot be its capacity')
  wrong({ capacityBytes: 100 }).toThrow('100 cannot be its capacity')
  wrong({ maxOpen: 3, maxActive: 2 }).toThrow('3 open zones are more than the 2 active ones')
})
