import { mkdtempSync, rmSync } from 'node:fs'
import { appendFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type CopySample,
  copyFigures,
  copySizes,
  linkBytes,
  measureCopies,
  parseTimes,
  requireCopies,
} from '../../../../harness/bench/copies.ts'
import type { DeviceActivity } from '../../../../harness/evidence/device-trace.ts'
import { parseDeviceTrace } from '../../../../harness/evidence/device-trace.ts'
import type { Profile } from '../../../../harness/series/profile.ts'
import type { GuestDisk } from '../../../../qemu/guest.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-test-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const MiB = 1024 * 1024
const line = (ns: number, offloaded = 4096) => `result error=0 copied=4096 offloaded=${offloaded} ns=${ns}\n`

test('times are those of the ioctl, in milliseconds', () => {
  const output = [1_500_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000].map((ns) => line(ns)).join('')
  expect(parseTimes(output, 4096, 'offload')).toEqual([1.5, 2, 3, 4, 5])
})

test('a copy that went the other way, or failed, is not timed', () => {
  const five = (text: string) => text.repeat(5)
  expect(() => parseTimes(five(line(1, 0)), 4096, 'offload')).toThrow('offloaded=0')
  expect(() => parseTimes(five(line(1)), 4096, 'fallback')).toThrow('by fallback is not one')
  expect(() => parseTimes(five('result error=EIO copied=0 offloaded=0 ns=1\n'), 4096, 'fallback')).toThrow(
    'EIO',
  )
  expect(() => parseTimes(line(1), 4096, 'offload')).toThrow('1 results for 5 copies')
})

test('over the link go the data of reads and writes, and the lists of Copy commands', () => {
  const trace = [
    'pci_nvme_copy cid 1 nsid 2 nr 2 format 0x0',
    'pci_nvme_copy_source_range slba 0x0 nlb 8',
    'pci_nvme_copy_out slba 0x100 nlb 8',
    'pci_nvme_copy_source_range slba 0x8 nlb 8',
    'pci_nvme_copy_out slba 0x108 nlb 8',
    'pci_nvme_read cid 1 nsid 2 nlb 16 count 8192 lba 0x0',
    'pci_nvme_read cid 1 nsid 1 nlb 16 count 8192 lba 0x0',
    "pci_nvme_write cid 1 opname 'NVME_NVM_CMD_WRITE' nsid 2 nlb 4 count 2048 lba 0x0",
    "pci_nvme_write cid 1 opname 'NVME_NVM_CMD_WRITE_ZEROES' nsid 2 nlb 4 count 2048 lba 0x0",
  ].join('\n')
  const activity = parseDeviceTrace(trace, [
    { name: 'small', blockSize: 512, kind: 'nvme', nsid: 1 },
    { name: 'large', blockSize: 512, kind: 'nvme', nsid: 2 },
  ])
  expect(linkBytes(activity, 'large')).toBe(2 * 32 + 8192 + 2048)
})

test('entries of a format with an end-to-end tag are longer', () => {
  const copies = [{ disk: 'large', ranges: 3, format: 1 }] as DeviceActivity['copies']
  expect(linkBytes({ copies, reads: [], writes: [] } as never, 'large')).toBe(120)
})

const profile: Profile = {
  name: 'mine',
  sysfs: { limit: 'copy_max_bytes', hardwareLimit: 'copy_max_hw_bytes' },
  tracepoints: null,
  lacks: { 'nvme-multipath': 'not on nodes' },
  madeFor: {},
  checkpatch: { ignore: [] },
}

/** A guest that copies as told, and a device that traces it: one command each for offload, a read and a write else. */
function scriptedGuest() {
  const traceLog = join(directory, 'trace')
  const disk: GuestDisk = {
    ...{ name: 'large', device: '/dev/nvme1n2', backing: '', bytes: 32 * MiB, blockSize: 512 },
    ...{ kind: 'nvme', nsid: 2 },
  }
  const commands: string[][] = []
  let limit = '4194304'
  const run = async (words: string[]) => {
    if (words[0] === 'get') return `${limit}\n`
    if (words[0] === 'set') limit = words[2] as string
    if (words[0] !== 'copy') return ''
    const bytes = Number(words.at(-1))
    const blocks = bytes / 512
    const way = Number(limit) ? 'offload' : 'fallback'
    const trace =
      way === 'offload'
        ? `pci_nvme_copy cid 1 nsid 2 nr 1 format 0x0\npci_nvme_copy_source_range slba 0x0 nlb ${blocks}\npci_nvme_copy_out slba 0x4000 nlb ${blocks}\n`
        : `pci_nvme_read cid 1 nsid 2 nlb ${blocks} count 1 lba 0x0\npci_nvme_write cid 1 opname 'W' nsid 2 nlb ${blocks} count 1 lba 0x4000\n`
    await appendFile(traceLog, trace)
    return `result error=0 copied=${bytes} offloaded=${way === 'offload' ? bytes : 0} ns=${way === 'offload' ? 1000 : 2000}\n`
  }
  const exec = async (argv: readonly string[]) => {
    const words = argv.slice(1).join(' ').split(' , ')
    let stdout = ''
    for (const text of words) {
      commands.push(text.split(' '))
      stdout += await run(text.split(' '))
    }
    return { status: 0, stdout: Buffer.from(stdout), stderr: Buffer.alloc(0) }
  }
  return { guest: { disks: new Map([['large', disk]]), traceLog, exec }, commands, traceLog }
}

test('every size is copied both ways in turn, and traced for itself', async () => {
  const { guest, commands, traceLog } = scriptedGuest()
  await writeFile(traceLog, 'pci_nvme_read cid 1 nsid 2 nlb 1 count 512 lba 0x0\n')
  const o = { profile, fallbackFirst: true, signal: new AbortController().signal }
  const samples = await measureCopies(guest, o)
  expect(samples.map(({ bytes, way }) => [bytes, way])).toEqual(
    copySizes.flatMap((bytes) => [
      [bytes, 'fallback'],
      [bytes, 'offload'],
    ]),
  )
  expect(samples[0]).toEqual({ bytes: 4096, way: 'fallback', ms: Array(5).fill(0.002), link: 2 })
  expect(samples[1]).toEqual({ bytes: 4096, way: 'offload', ms: Array(5).fill(0.001), link: 32 / 4096 })
  const limits = commands.filter(([verb]) => verb === 'set')
  expect(limits[0]).toEqual(['set', '/sys/class/block/nvme1n2/queue/copy_max_bytes', '0'])
  expect(limits[1]?.[2]).toBe('4194304')
})

test('a series is asked for what the disk is in this guest', async () => {
  const { guest, commands, traceLog } = scriptedGuest()
  await writeFile(traceLog, '')
  const [disk] = guest.disks.values()
  const nodes = new Map([['large', { ...disk, multipath: true } as GuestDisk]])
  const o = { profile, fallbackFirst: false, signal: new AbortController().signal }
  await expect(measureCopies({ ...guest, disks: nodes }, o)).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/not on nodes; .* multipath node$/),
  })
  expect(commands).toEqual([])
  const offered = { ...o, profile: { ...profile, lacks: {} } }
  expect(await measureCopies({ ...guest, disks: nodes }, offered)).toHaveLength(2 * copySizes.length)
})

test.each([
  'BLKCOPY',
  'limits',
  'nvme-same-namespace',
] as const)('copies cannot be timed without %s', (one) => {
  expect(() => requireCopies(profile)).not.toThrow()
  expect(() => requireCopies({ ...profile, lacks: { [one]: 'not I' } })).toThrow('with fallback; not I')
})

test('what fails in the guest is told', async () => {
  const { guest } = scriptedGuest()
  const exec = async () => ({
    status: 2,
    stdout: Buffer.alloc(0),
    stderr: Buffer.from('blkcopy: cannot open /dev/nvme1n2'),
  })
  const o = { profile, fallbackFirst: false, signal: new AbortController().signal }
  await expect(measureCopies({ ...guest, exec }, o)).rejects.toThrow('cannot open /dev/nvme1n2')
})

test('figures have all copies, and a ratio of medians a round', () => {
  const round = (offload: number[], fallback: number[]) =>
    copySizes.flatMap((bytes): CopySample[] => [
      { bytes, way: 'offload', ms: offload, link: 0.01 },
      { bytes, way: 'fallback', ms: fallback, link: 2 },
    ])
  const figures = copyFigures([round([1, 2, 9], [4, 4, 4]), round([3, 3, 3], [4, 3, 4])])
  const samples = (id: string) => figures.find((one) => one.id === id)?.samples
  expect(samples('copy.65536.offload')).toEqual([1, 2, 9, 3, 3, 3])
  expect(samples('copy.65536.ratio')).toEqual([0.5, 0.75])
  expect(samples('copy.65536.link-fallback')).toEqual([2, 2])
})
