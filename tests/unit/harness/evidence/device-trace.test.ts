import { expect, test } from 'vitest'
import { parseDeviceTrace, type TracedDisk } from '../../../../harness/evidence/device-trace.ts'
import { union } from '../../../../harness/evidence/ranges.ts'

const disks: TracedDisk[] = [
  { name: 'small', kind: 'nvme', nsid: 1, blockSize: 512 },
  { name: '4k', kind: 'nvme', nsid: 3, blockSize: 4096 },
  { name: 'scsi4k', kind: 'scsi', target: 0, lun: 1, blockSize: 4096 },
]

const parse = (...lines: string[]) => parseDeviceTrace(`${lines.join('\n')}\n`, disks)

test('a Copy command of two ranges, as QEMU 7.2 traces it', () => {
  const { copies, reads, writes } = parse(
    'pci_nvme_copy cid 5 nsid 1 nr 2 format 0x0',
    'pci_nvme_copy_source_range slba 0x0 nlb 16',
    'pci_nvme_copy_out slba 0x4000 nlb 16',
    'pci_nvme_copy_source_range slba 0x10 nlb 8',
    'pci_nvme_copy_out slba 0x4010 nlb 8',
  )
  expect(copies).toEqual([
    {
      ...{ disk: 'small', ranges: 2, format: 0 },
      sources: [
        { offset: 0, bytes: 8192 },
        { offset: 8192, bytes: 4096 },
      ],
      destinations: [
        { offset: 0x4000 * 512, bytes: 8192 },
        { offset: 0x4010 * 512, bytes: 4096 },
      ],
    },
  ])
  expect([reads, writes]).toEqual([[], []])
})

test('two Copy commands in flight are told apart', () => {
  const { copies } = parse(
    'pci_nvme_copy cid 5 nsid 1 nr 2 format 0x0',
    'pci_nvme_copy_source_range slba 0x0 nlb 16',
    'pci_nvme_copy cid 6 nsid 3 nr 1 format 0x0',
    'pci_nvme_copy_source_range slba 0x100 nlb 4',
    'pci_nvme_copy_out slba 0x200 nlb 4',
    'pci_nvme_copy_out slba 0x4000 nlb 16',
    'pci_nvme_copy_source_range slba 0x10 nlb 16',
    'pci_nvme_copy_out slba 0x4010 nlb 16',
  )
  expect(copies.map(({ disk, destinations }) => [disk, destinations])).toEqual([
    [
      'small',
      [
        { offset: 0x4000 * 512, bytes: 8192 },
        { offset: 0x4010 * 512, bytes: 8192 },
      ],
    ],
    ['4k', [{ offset: 0x200 * 4096, bytes: 16384 }]],
  ])
})

test('commands whose first destinations come in any order: the ranges in all are right', () => {
  // As QEMU 7.2 traced three commands of a copy from 0x40 to 0x4040
  const { copies } = parse(
    ...['0x40', '0x60', '0x80'].flatMap((lba) => [
      'pci_nvme_copy cid 1 nsid 1 nr 2 format 0x0',
      `pci_nvme_copy_source_range slba ${lba} nlb 16`,
    ]),
    ...['0x4080', '0x4060', '0x4040'].map((lba) => `pci_nvme_copy_out slba ${lba} nlb 16`),
    ...['0x50', '0x70', '0x90'].map((lba) => `pci_nvme_copy_source_range slba ${lba} nlb 16`),
    ...['0x4090', '0x4070', '0x4050'].map((lba) => `pci_nvme_copy_out slba ${lba} nlb 16`),
  )
  const all = (side: 'sources' | 'destinations') => union(copies.flatMap((copy) => copy[side]))
  expect(all('sources')).toEqual([{ offset: 0x40 * 512, bytes: 0x60 * 512 }])
  expect(all('destinations')).toEqual([{ offset: 0x4040 * 512, bytes: 0x60 * 512 }])
  expect(copies.map(({ sources, destinations }) => [sources.length, destinations.length])).toEqual([
    [2, 2],
    [2, 2],
    [2, 2],
  ])
})

test('a choice that leads nowhere is taken back', () => {
  // The first destination fits either command; only at the last line it turns out whose it was.
  const { copies } = parse(
    'pci_nvme_copy cid 1 nsid 1 nr 2 format 0x0',
    'pci_nvme_copy_source_range slba 0x0 nlb 4',
    'pci_nvme_copy cid 2 nsid 1 nr 1 format 0x0',
    'pci_nvme_copy_source_range slba 0x100 nlb 4',
    'pci_nvme_copy_out slba 0x200 nlb 4',
    'pci_nvme_copy_out slba 0x300 nlb 4',
    'pci_nvme_copy_source_range slba 0x4 nlb 2',
    'pci_nvme_copy_out slba 0x304 nlb 2',
  )
  expect(copies.map(({ destinations }) => union(destinations))).toEqual([
    [{ offset: 0x300 * 512, bytes: 6 * 512 }],
    [{ offset: 0x200 * 512, bytes: 4 * 512 }],
  ])
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

test('a line that is not understood is an error, not nothing', () => {
  expect(() => parse('pci_nvme_read cid 1 nsid 9 nlb 1 count 512 lba 0x0')).toThrow(
    /a disk that the topology does not/,
  )
  expect(() => parse('pci_nvme_read cid 1 nsid 1 count 512 lba 0x0')).toThrow(/without 'nlb'/)
  expect(() => parse('pci_nvme_copy_out slba 0x0 nlb 1')).toThrow(/does not add up/)
  expect(() => parse('pci_nvme_copy_source_range slba 0x0 nlb 1')).toThrow(/does not add up/)
})
