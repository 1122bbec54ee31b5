import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CopyGuest } from '../../../../../harness/bench/copies/guest.ts'
import type { OpenRoute } from '../../../../../harness/bench/copies/routes.ts'
import { overTheLink, takeSample, type Way } from '../../../../../harness/bench/copies/sample.ts'
import { type DeviceActivity, parseDeviceTrace } from '../../../../../harness/evidence/device-trace.ts'
import { type Script, scriptedGuest } from './scripted-guest.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-test-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const open: OpenRoute = {
  from: { device: '/dev/nvme0n1', offset: 0 },
  to: { device: '/dev/nvme0n1', offset: 2 ** 30 },
  queues: ['/dev/nvme0n1'],
  close: async () => {},
}
const file = '/sys/class/block/nvme0n1/queue/copy_max_bytes'

async function sample(bytes: number, way: Way, script: Script = {}, route: OpenRoute = open) {
  const { guest, commands } = await scriptedGuest(directory, script)
  const asked = new CopyGuest(guest, new AbortController().signal)
  const limits = new Map([[file, 4194304]])
  const taken = await takeSample(asked, { route: 'nvme', open: route, bytes, way, block: 65536, limits })
  return { taken, commands }
}

test('small copies are made again and again; time and commands are those of one', async () => {
  const { taken, commands } = await sample(65536, 'offload')
  expect(taken).toMatchObject({ ms: 1, link: 32 / 65536, commands: 1, cpu: 64 })
  expect(commands).toEqual([
    `/bin/blkcopy set ${file} 4194304`,
    '/bin/blkcopy copy --time --repeat=256 /dev/nvme0n1 0 /dev/nvme0n1 1073741824 65536',
  ])
})

test('the fallback is forced by a limit of 0; every byte crosses the link twice', async () => {
  const { taken, commands } = await sample(2 ** 30, 'fallback')
  expect(taken).toMatchObject({ ms: 4, link: 2, commands: 2, cpu: 1 })
  expect(commands[0]).toBe(`/bin/blkcopy set ${file} 0`)
})

test('dd reads and writes blocks that are no longer than the copy', async () => {
  const { commands } = await sample(4096, 'dd')
  expect(commands[1]).toContain('--repeat=4096 --call=read_write --direct=both --block=4096 ')
})

test('kcopyd is a mirror of one region; busy time of a few ticks says nothing', async () => {
  const { taken, commands } = await sample(2 ** 20, 'kcopyd')
  expect(taken).toMatchObject({ ms: 9, cpu: null })
  expect(commands[1]).toBe(
    '/bin/dmtable time mirror 0 2048 mirror core 1 2048 2 /dev/nvme0n1 0 /dev/nvme0n1 2097152 1 handle_errors',
  )
})

test('a copy that did not go the way that is timed is no sample', async () => {
  // One of 4096 fell back.
  await expect(sample(4096, 'offload', { offloaded: (bytes) => bytes - 4096 })).rejects.toMatchObject({
    kind: 'infra',
    message: expect.stringContaining(
      'by offload are none: of 16777216 bytes: result error=0 copied=16777216',
    ),
  })
  await expect(sample(4096, 'kcopyd', { mirrored: '1/1 1 AD 1 core' })).rejects.toThrow('not in sync')
})

test('times that cannot be read are an error', async () => {
  for (const times of ['ns=1', 'ns=0 busy_ms=1', 'ns=- busy_ms=-'])
    await expect(sample(4096, 'fallback', { times })).rejects.toThrow('the guest says no times')
})

const unit: OpenRoute = {
  from: { device: '/dev/sda', offset: 0 },
  to: { device: '/dev/sda', offset: 2 ** 30 },
  queues: ['/dev/sda'],
  counters: ['/sys/kernel/config/unit'],
  close: async () => {},
}

test("a unit's commands and bytes are what its counters grow by", async () => {
  const read = await sample(65536, 'fallback', {}, unit)
  expect(read.taken).toMatchObject({ link: 2, commands: 2 })
  const offloaded = await sample(65536, 'offload', {}, unit)
  expect(offloaded.taken).toMatchObject({ link: 0, commands: 1 })
  // Two times 64 KiB are no MiB.
  const mirrored = await sample(65536, 'kcopyd', {}, unit)
  expect(mirrored.taken).toMatchObject({ link: null, commands: 2 })
  await expect(sample(65536, 'dd', { counter: '' }, unit)).rejects.toThrow('are not a number each')
})

test('over the link go the data of reads and writes, and the lists of Copy commands', () => {
  const trace = [
    'pci_nvme_copy cid 1 nsid 2 nr 2 format 0x0',
    'pci_nvme_copy_source_range slba 0x0 nlb 8',
    'pci_nvme_copy_out slba 0x100 nlb 8',
    'pci_nvme_copy_source_range slba 0x8 nlb 8',
    'pci_nvme_copy_out slba 0x108 nlb 8',
    'pci_nvme_read cid 1 nsid 2 nlb 16 count 8192 lba 0x0',
    "pci_nvme_write cid 1 opname 'NVME_NVM_CMD_WRITE' nsid 2 nlb 4 count 2048 lba 0x0",
    "pci_nvme_write cid 1 opname 'NVME_NVM_CMD_WRITE_ZEROES' nsid 2 nlb 4 count 2048 lba 0x0",
  ].join('\n')
  const activity = parseDeviceTrace(trace, [{ name: 'large', blockSize: 512, kind: 'nvme', nsid: 2 }])
  expect(overTheLink(activity)).toEqual({ link: 2 * 32 + 8192 + 2048, commands: 4 })
})

test('entries of a format with an end-to-end tag are longer', () => {
  const copies = [{ disk: 'large', ranges: 3, format: 1 }] as DeviceActivity['copies']
  expect(overTheLink({ copies, reads: [], writes: [] } as never).link).toBe(120)
})
