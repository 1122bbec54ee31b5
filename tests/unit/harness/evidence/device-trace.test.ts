import { expect, test } from 'vitest'
import {
  learnBackends,
  parseDeviceTrace,
  showsBoot,
  type TracedDisk,
} from '../../../../harness/evidence/device-trace.ts'
import { union } from '../../../../harness/evidence/ranges.ts'

const disks: TracedDisk[] = [
  { name: 'small', kind: 'nvme', nsid: 1, blockSize: 512 },
  { name: '4k', kind: 'nvme', nsid: 3, blockSize: 4096 },
  { name: 'scsi4k', kind: 'scsi', target: 0, lun: 1, blockSize: 4096 },
]

const parse = (...lines: string[]) => parseDeviceTrace(`${lines.join('\n')}\n`, disks)

test('a Copy command of two ranges, as QEMU 7.2 traces it', () => {
  const { copies, copySources, copyDestinations, reads, writes } = parse(
    'pci_nvme_copy cid 5 nsid 1 nr 2 format 0x0',
    'pci_nvme_copy_source_range slba 0x0 nlb 16',
    'pci_nvme_copy_out slba 0x4000 nlb 16',
    'pci_nvme_copy_source_range slba 0x10 nlb 8',
    'pci_nvme_copy_out slba 0x4010 nlb 8',
  )
  expect(copies).toEqual([{ disk: 'small', ranges: 2, format: 0, bytes: 12288 }])
  expect(copySources).toEqual([
    { disk: 'small', offset: 0, bytes: 8192 },
    { disk: 'small', offset: 8192, bytes: 4096 },
  ])
  expect(copyDestinations).toEqual([
    { disk: 'small', offset: 0x4000 * 512, bytes: 8192 },
    { disk: 'small', offset: 0x4010 * 512, bytes: 4096 },
  ])
  expect([reads, writes]).toEqual([[], []])
})

test('commands in flight on two disks are told apart by what adjoins', () => {
  const { copies, copyDestinations } = parse(
    'pci_nvme_copy cid 5 nsid 1 nr 2 format 0x0',
    'pci_nvme_copy_source_range slba 0x0 nlb 16',
    'pci_nvme_copy_out slba 0x4000 nlb 16',
    'pci_nvme_copy cid 6 nsid 3 nr 1 format 0x0',
    'pci_nvme_copy_source_range slba 0x100 nlb 4',
    'pci_nvme_copy_source_range slba 0x10 nlb 16',
    'pci_nvme_copy_out slba 0x4010 nlb 16',
    'pci_nvme_copy_out slba 0x200 nlb 4',
  )
  expect(copyDestinations).toEqual([
    { disk: 'small', offset: 0x4000 * 512, bytes: 8192 },
    { disk: 'small', offset: 0x4010 * 512, bytes: 8192 },
    { disk: '4k', offset: 0x200 * 4096, bytes: 16384 },
  ])
  expect(copies.map(({ bytes }) => bytes)).toEqual([undefined, undefined])
})

test('commands in flight on one disk: the ranges in all are right', () => {
  // As QEMU 7.2 traced three commands of a copy from 0x40 to 0x4040
  const { copies, copySources, copyDestinations } = parse(
    ...['0x40', '0x60', '0x80'].flatMap((lba) => [
      'pci_nvme_copy cid 1 nsid 1 nr 2 format 0x0',
      `pci_nvme_copy_source_range slba ${lba} nlb 16`,
    ]),
    ...['0x4080', '0x4060', '0x4040'].map((lba) => `pci_nvme_copy_out slba ${lba} nlb 16`),
    ...['0x50', '0x70', '0x90'].map((lba) => `pci_nvme_copy_source_range slba ${lba} nlb 16`),
    ...['0x4090', '0x4070', '0x4050'].map((lba) => `pci_nvme_copy_out slba ${lba} nlb 16`),
    'pci_nvme_copy cid 1 nsid 1 nr 1 format 0x0',
    'pci_nvme_copy_source_range slba 0xa0 nlb 1',
    'pci_nvme_copy_out slba 0x40a0 nlb 1',
  )
  expect(union(copySources)).toEqual([{ offset: 0x40 * 512, bytes: 0x61 * 512 }])
  expect(union(copyDestinations)).toEqual([{ offset: 0x4040 * 512, bytes: 0x61 * 512 }])
  expect(copies.map(({ bytes }) => bytes)).toEqual([undefined, undefined, undefined, 512])
})

/** As QEMU 10.0 traces the boot and a Copy command of format 2; QEMU 7.2 words them the same. */
const boot = [
  'pci_nvme_read cid 1 nsid 1 nlb 8 count 4096 lba 0x0',
  'blk_co_preadv blk 0x55d1 bs 0x55aa offset 0 bytes 4096 flags 0x0',
  'blk_co_preadv blk 0x55ff bs 0x55ab offset 0 bytes 512 flags 0x0',
  "pci_nvme_write cid 2 opname 'NVME_NVM_CMD_WRITE' nsid 3 nlb 1 count 4096 lba 0x0",
  'blk_co_pwritev blk 0x55d2 bs 0x55ac offset 0 bytes 4096 flags 0x0',
].join('\n')
const begun = (verb: string, backend: string, rest: string) =>
  `blk_co_${verb}v blk ${backend} bs 0x1 ${rest} flags 0x0`

test('backends are learned from what goes over the link', () => {
  expect(learnBackends(boot, disks)).toEqual(
    new Map([
      ['0x55d1', 'small'],
      ['0x55d2', '4k'],
    ]),
  )
})

test('the source namespace of a cross-namespace copy is the backend that is read', () => {
  const { copies, copySources, copyDestinations } = parseDeviceTrace(
    [
      'pci_nvme_copy cid 5 nsid 1 nr 2 format 0x2',
      'pci_nvme_copy_source_range slba 0x10 nlb 2',
      begun('pread', '0x55d2', 'offset 65536 bytes 8192'),
      'pci_nvme_copy_out slba 0x4000 nlb 16',
      begun('pwrite', '0x55d1', 'offset 8388608 bytes 8192'),
      'pci_nvme_copy_source_range slba 0x40 nlb 1',
      begun('pread', '0x55d2', 'offset 262144 bytes 4096'),
      'pci_nvme_copy_out slba 0x4010 nlb 8',
      begun('pwrite', '0x55d1', 'offset 8396800 bytes 4096'),
    ].join('\n'),
    disks,
    learnBackends(boot, disks),
  )
  expect(copies).toEqual([{ disk: 'small', ranges: 2, format: 2, bytes: 12288 }])
  expect(copySources).toEqual([
    { disk: '4k', offset: 65536, bytes: 8192, by: 'small' },
    { disk: '4k', offset: 262144, bytes: 4096, by: 'small' },
  ])
  expect(copyDestinations.map(({ disk }) => disk)).toEqual(['small', 'small'])
})

test('commands in flight on two disks are told apart by their backends, adjoining or not', () => {
  const { copySources, copyDestinations } = parseDeviceTrace(
    [
      'pci_nvme_copy cid 5 nsid 1 nr 2 format 0x0',
      'pci_nvme_copy_source_range slba 0x0 nlb 16',
      begun('pread', '0x55d1', 'offset 0 bytes 8192'),
      'pci_nvme_copy cid 6 nsid 3 nr 2 format 0x0',
      'pci_nvme_copy_source_range slba 0x100 nlb 4',
      begun('pread', '0x55d2', 'offset 1048576 bytes 16384'),
      'pci_nvme_copy_out slba 0x200 nlb 4',
      begun('pwrite', '0x55d2', 'offset 2097152 bytes 16384'),
      'pci_nvme_copy_source_range slba 0x10 nlb 4',
      begun('pread', '0x55d2', 'offset 65536 bytes 16384'),
    ].join('\n'),
    disks,
    learnBackends(boot, disks),
  )
  expect(copySources.map(({ disk, offset }) => [disk, offset])).toEqual([
    ['small', 0],
    ['4k', 1048576],
    ['4k', 65536],
  ])
  expect(copyDestinations).toEqual([{ disk: '4k', offset: 0x200 * 4096, bytes: 16384 }])
})

test('a cross-namespace copy whose source nobody names is an error', () => {
  expect(() =>
    parse('pci_nvme_copy cid 5 nsid 1 nr 1 format 0x2', 'pci_nvme_copy_source_range slba 0x10 nlb 2'),
  ).toThrow(/does not tell the namespace of source 16 of small/)
})

test('reads and writes over the link, with or without timestamps', () => {
  const { reads, writes } = parse(
    "pci_nvme_write cid 17088 opname 'NVME_NVM_CMD_WRITE' nsid 1 nlb 256 count 131072 lba 0x80",
    '1234@1700000000.123456:pci_nvme_read cid 4288 nsid 3 nlb 2 count 8192 lba 0x1',
    "pci_nvme_write cid 1 opname 'NVME_NVM_CMD_WRITE_ZEROES' nsid 1 nlb 8 count 4096 lba 0x0",
  )
  expect(writes).toEqual([
    { disk: 'small', offset: 65536, bytes: 131072, carriesData: true },
    { disk: 'small', offset: 0, bytes: 4096, carriesData: false },
  ])
  expect(reads).toEqual([{ disk: '4k', offset: 4096, bytes: 8192, carriesData: true }])
})

test('SCSI READ (10), WRITE (16) and UNMAP; what moves no data is let be', () => {
  const { reads, writes } = parse(
    'scsi_req_parsed target 0 lun 1 tag 77 command 40 dir 1 length 4096',
    'scsi_req_parsed_lba target 0 lun 1 tag 77 command 40 lba 3',
    'scsi_req_parsed target 0 lun 1 tag 78 command 138 dir 2 length 8192',
    'scsi_req_parsed_lba target 0 lun 1 tag 78 command 138 lba 1',
    'scsi_req_parsed target 0 lun 1 tag 79 command 66 dir 2 length 24',
    'scsi_req_parsed_lba target 0 lun 1 tag 79 command 66 lba 0',
    'scsi_req_parsed target 0 lun 1 tag 80 command 53 dir 0 length 0',
    'scsi_req_parsed_lba target 0 lun 1 tag 80 command 53 lba 0',
  )
  expect(reads).toEqual([{ disk: 'scsi4k', offset: 12288, bytes: 4096, carriesData: true }])
  expect(writes).toEqual([
    { disk: 'scsi4k', offset: 4096, bytes: 8192, carriesData: true },
    { disk: 'scsi4k', offset: 0, bytes: 0, carriesData: false },
  ])
})

test('errors of the device are kept', () => {
  const { errors } = parse('pci_nvme_err_copy_invalid_format format 0x2')
  expect(errors).toEqual(['copy_invalid_format format 0x2'])
})

test('discards are kept', () => {
  const { others } = parse('pci_nvme_dsm nr 1 attr 0x4', 'pci_nvme_dsm_deallocate slba 64 nlb 8')
  expect(others).toEqual(['dsm nr 1 attr 0x4', 'dsm_deallocate slba 64 nlb 8'])
})

test('a trace works when it has seen the disks being found', () => {
  const read = 'pci_nvme_read cid 1 nsid 1 nlb 8 count 4096 lba 0x0\n'
  const inquiry = '12@1.5:scsi_req_parsed target 0 lun 1 tag 1 command 18 dir 1 length 36\n'
  expect(showsBoot(read + inquiry, disks)).toBe(true)
  expect(showsBoot('', disks)).toBe(false)
  expect(showsBoot(read, disks)).toBe(false)
  expect(showsBoot(inquiry, disks)).toBe(false)
  expect(showsBoot(read, disks.slice(0, 2))).toBe(true)
})

test('a line that is not understood is an error, not nothing', () => {
  expect(() => parse('pci_nvme_read cid 1 nsid 9 nlb 1 count 512 lba 0x0')).toThrow(
    /a disk that the topology does not/,
  )
  expect(() => parse('pci_nvme_read cid 1 nsid 1 count 512 lba 0x0')).toThrow(/without 'nlb'/)
  expect(() => parse('pci_nvme_copy_out slba 0x0 nlb 1')).toThrow(/of no Copy command/)
  expect(() => parse('pci_nvme_copy_source_range slba 0x0 nlb 1')).toThrow(/of no Copy command/)
})

test('commands of a disk that read there and commands that read elsewhere are told apart', () => {
  const { copySources } = parseDeviceTrace(
    [
      'pci_nvme_copy cid 5 nsid 1 nr 2 format 0x0',
      'pci_nvme_copy_source_range slba 0x0 nlb 16',
      begun('pread', '0x55d1', 'offset 0 bytes 8192'),
      'pci_nvme_copy cid 6 nsid 1 nr 2 format 0x2',
      'pci_nvme_copy_source_range slba 0x100 nlb 4',
      begun('pread', '0x55d2', 'offset 1048576 bytes 16384'),
      'pci_nvme_copy_source_range slba 0x10 nlb 16',
      begun('pread', '0x55d1', 'offset 8192 bytes 8192'),
      'pci_nvme_copy_source_range slba 0x300 nlb 4',
      begun('pread', '0x55d2', 'offset 3145728 bytes 16384'),
    ].join('\n'),
    disks,
    learnBackends(boot, disks),
  )
  expect(copySources.map(({ disk, offset, by }) => [disk, offset, by])).toEqual([
    ['small', 0, undefined],
    ['4k', 1048576, 'small'],
    ['small', 8192, undefined],
    ['4k', 3145728, 'small'],
  ])
})
