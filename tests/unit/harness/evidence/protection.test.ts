import { expect, test } from 'vitest'
import { blankMetadata, crcT10Dif, metadataOf } from '../../../../harness/evidence/protection.ts'

test('CRC-16 T10-DIF', () => {
  // The check value of the algorithm's catalogue, and one of the kernel's own (crypto/testmgr.h, crct10dif).
  expect(crcT10Dif(Buffer.from('123456789'))).toBe(0xd0db)
  expect(crcT10Dif(Buffer.from('abc'))).toBe(0x443b)
  expect(crcT10Dif(Buffer.alloc(512))).toBe(0)
})

test('protection information of type 1 names the data and the place', () => {
  const data = Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 'abc')])
  const tuples = metadataOf('pi', data, 512 * 7, 512)
  expect(tuples.length).toBe(16)
  expect(tuples.subarray(0, 8).toString('hex')).toBe('0000000000000007')
  expect(tuples.readUInt16BE(8)).toBe(crcT10Dif(data.subarray(512)))
  expect(tuples.readUInt32BE(12)).toBe(8)
})

test('metadata without protection information is zero; what nobody wrote is not checked', () => {
  expect(metadataOf('plain', Buffer.alloc(1024, 1), 0, 512)).toEqual(Buffer.alloc(16))
  expect(blankMetadata(2)).toEqual(Buffer.alloc(16, 0xff))
})
