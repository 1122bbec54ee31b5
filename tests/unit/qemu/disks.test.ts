import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createImages, describeMissing, matchDisks } from '../../../qemu/disks.ts'
import { disksOf, type Topology } from '../../../qemu/topology.ts'
import { temporaryDirectory } from './support.ts'

const topology: Topology = {
  name: 't',
  nvme: [
    {
      serial: 'ctrl-a',
      namespaces: [
        { name: 'one', nsid: 1, bytes: 1024, blockSize: 512 },
        { name: 'two', nsid: 2, bytes: 1024, blockSize: 512 },
      ],
    },
  ],
  scsi: [{ name: 'unit', serial: 'lun-x', bytes: 4096, blockSize: 4096 }],
}

/** sysfs as the kernel shows it: names do not follow the numbers of the namespaces. */
const sysfs = new Map(
  Object.entries({
    '/sys/block/nvme3n1/nsid': '2\n',
    '/sys/block/nvme3n1/device/serial': 'ctrl-a              \n',
    '/sys/block/nvme3n1/size': '2\n',
    '/sys/block/nvme3n2/nsid': '1\n',
    '/sys/block/nvme3n2/device/serial': 'ctrl-a              \n',
    '/sys/block/nvme3n2/size': '2\n',
    '/sys/block/sdq/device/vpd_pg80': '\0\x80\0\x05lun-x',
    '/sys/block/sdq/size': '8\n',
  }).map(([path, text]) => [path, Buffer.from(text, 'latin1')]),
)

test('disks are found by serial and namespace', () => {
  const { disks, missing } = matchDisks(topology, '/d', sysfs)
  expect(missing).toEqual([])
  expect(disks.get('one')).toEqual({
    name: 'one',
    device: '/dev/nvme3n2',
    backing: '/d/one.raw',
    bytes: 1024,
    blockSize: 512,
    kind: 'nvme',
    nsid: 1,
  })
  expect(disks.get('two')?.device).toBe('/dev/nvme3n1')
  expect(disks.get('unit')).toMatchObject({ device: '/dev/sdq', kind: 'scsi' })
})

test('a multipath node is known by its hidden paths, which are no disks', () => {
  const paths = new Map(sysfs)
  for (const path of ['nvme3c4n1', 'nvme3c5n1']) {
    paths.set(`/sys/block/${path}/nsid`, Buffer.from('2\n'))
    paths.set(`/sys/block/${path}/device/serial`, Buffer.from('ctrl-a              \n'))
    paths.set(`/sys/block/${path}/size`, Buffer.from('2\n'))
  }
  const { disks } = matchDisks(topology, '/d', paths)
  expect(disks.get('two')).toMatchObject({ device: '/dev/nvme3n1', multipath: true })
  expect(disks.get('one')).not.toHaveProperty('multipath')
})

test('without multipath in the kernel, a namespace of two controllers is one of its two disks', () => {
  const twice = new Map(sysfs)
  for (const device of ['nvme4n1', 'nvme5n1']) {
    twice.set(`/sys/block/${device}/nsid`, Buffer.from('2\n'))
    twice.set(`/sys/block/${device}/device/serial`, Buffer.from('ctrl-a              \n'))
    twice.set(`/sys/block/${device}/size`, Buffer.from('2\n'))
  }
  const { disks, missing } = matchDisks(topology, '/d', twice)
  expect(missing).toEqual([])
  expect(disks.get('two')).toMatchObject({ device: '/dev/nvme3n1' })
  expect(disks.get('two')).not.toHaveProperty('multipath')
  expect([...disks.keys()]).toEqual(['one', 'two', 'unit'])
})

test('a zoned disk that the kernel hides is not there, and is not waited for', () => {
  const [controller] = topology.nvme
  const [one, two] = controller?.namespaces ?? []
  if (!controller || !one || !two) throw new Error('the topology has two namespaces')
  const zoned = {
    ...topology,
    nvme: [{ ...controller, namespaces: [{ ...one, zoned: { zoneBytes: 1024 } }, two] }],
  }
  expect([...matchDisks(zoned, '/d', sysfs).disks.keys()]).toEqual(['one', 'two', 'unit'])
  const hidden = new Map(sysfs).set('/sys/block/nvme3n2/size', Buffer.from('0\n'))
  expect(matchDisks(zoned, '/d', hidden).missing).toEqual([])
  expect([...matchDisks(zoned, '/d', hidden).disks.keys()]).toEqual(['two', 'unit'])
  expect(matchDisks(topology, '/d', hidden).missing).toHaveLength(1)
  hidden.delete('/sys/block/nvme3n2/size')
  expect(matchDisks(zoned, '/d', hidden).missing).toHaveLength(1)
})

test('a disk of another size is not the disk', () => {
  const wrong = new Map(sysfs).set('/sys/block/sdq/size', Buffer.from('16\n'))
  const { missing } = matchDisks(topology, '/d', wrong)
  expect(describeMissing(missing, wrong)).toBe(
    "disk 'unit' (scsi serial lun-x, 4096 bytes) did not appear; the guest has nvme3n1, nvme3n2, sdq",
  )
})

test('images have the sizes of the disks, and those of another guest are not taken over', async () => {
  const directory = temporaryDirectory()
  await createImages(topology, directory)
  for (const { name, bytes } of disksOf(topology))
    expect(statSync(join(directory, `${name}.raw`)).size).toBe(bytes)
  await expect(createImages(topology, directory)).rejects.toThrow('EEXIST')
})
