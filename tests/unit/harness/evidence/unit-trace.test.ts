import { expect, test } from 'vitest'
import { parseUnitTrace, type TracedUnit } from '../../../../harness/evidence/unit-trace.ts'

const units: TracedUnit[] = [
  { name: 'fine', address: '1:0:1:0', number: '8:0', blockSize: 512 },
  { name: 'coarse', address: '1:0:1:1', number: '8:16', blockSize: 4096 },
]

/** As /sys/kernel/tracing/trace of 6.12 words them. */
const event = (name: string, rest: string) =>
  `   kworker/0:1H-42      [000] ..s1.    12.345678: ${name}: ${rest}\n`
const scsi = (what: string, lun: number, raw: string, rest = '') =>
  event(
    `scsi_dispatch_cmd_${what}`,
    `host_no=1 channel=0 id=1 lun=${lun} data_sgl=1 prot_sgl=0 prot_op=SCSI_PROT_NORMAL driver_tag=7 scheduler_tag=-1 cmnd=(X lba=0 raw=${raw})${rest}`,
  )
const result = (host: string, status: string, sense = 'key=0 asc=0 ascq=0') =>
  ` result=(driver=DRIVER_OK host=${host} message=COMMAND_COMPLETE status=${status}) sense=(${sense})`
const good = result('DID_OK', 'SAM_STAT_GOOD')
const done = (lun: number, raw: string, rest = good) => scsi('done', lun, raw, rest)
const request = (number: string, rest: string) => event('block_rq_complete', `${number} ${rest}`)
const copy = '83 00 00 00 00 00 00 00 00 00 00 00 00 6c 00 00'

test('reads and writes have their ranges in the CDB', () => {
  const { reads, writes, errors } = parseUnitTrace(
    done(0, '28 00 00 00 00 10 00 00 08 00') +
      done(1, '8a 00 00 00 00 01 00 00 00 02 00 00 00 03 00 00') +
      done(0, '08 01 00 02 00 00') +
      done(0, '35 00 00 00 00 00 00 00 00 00'),
    units,
  )
  expect(reads).toEqual([
    { disk: 'fine', offset: 0x10 * 512, bytes: 4096, carriesData: true },
    // READ (6): no blocks are 256.
    { disk: 'fine', offset: 0x10002 * 512, bytes: 256 * 512, carriesData: true },
  ])
  const offset = (2 ** 32 + 2) * 4096
  expect(writes).toEqual([{ disk: 'coarse', offset, bytes: 3 * 4096, carriesData: true }])
  expect(errors).toEqual([])
})

test('a copy is an EXTENDED COPY command and a request with its destination', () => {
  const { copies, copyDestinations, errors, sent } = parseUnitTrace(
    scsi('start', 1, copy) + done(1, copy) + request('8,16', 'CWS () 2048 + 128 none,0,0 [0]'),
    units,
  )
  expect(copies).toEqual([{ disk: 'coarse', ranges: 1, format: 0, bytes: 65536, sourcesUnseen: true }])
  expect(copyDestinations).toEqual([{ disk: 'coarse', offset: 1048576, bytes: 65536 }])
  expect(errors).toEqual([])
  expect([...sent]).toEqual([
    ['fine', 0],
    ['coarse', 1],
  ])
})

test('a request that ended well without a command for it is a contradiction, and so is the contrary', () => {
  const alone = parseUnitTrace(request('8,0', 'CWS () 2048 + 128 none,0,0 [0]'), units)
  expect(alone.contradictions).toEqual(['fine: 1 copies have ended well, and 0 EXTENDED COPY commands'])
  // A case may expect an error, and nobody expects that.
  expect(alone.errors).toEqual([])
  expect(parseUnitTrace(done(0, copy), units).contradictions).toHaveLength(1)
})

test('commands of other forms move bytes and change them as well', () => {
  const { reads, writes } = parseUnitTrace(
    done(0, 'a8 00 00 00 00 10 00 00 00 08 00 00') +
      done(0, 'ae 00 00 00 00 20 00 00 00 08 00 00') +
      done(0, '41 00 00 00 00 30 00 00 08 00'),
    units,
  )
  expect(reads).toEqual([{ disk: 'fine', offset: 0x10 * 512, bytes: 4096, carriesData: true }])
  expect(writes).toEqual([
    { disk: 'fine', offset: 0x20 * 512, bytes: 4096, carriesData: true },
    { disk: 'fine', offset: 0, bytes: 0, carriesData: false },
  ])
})

test('what failed is an error, and has moved nothing', () => {
  const sense = result('DID_OK', 'SAM_STAT_CHECK_CONDITION', 'key=0x5 asc=0x20 ascq=0x0')
  const { copies, errors, timeouts } = parseUnitTrace(
    done(0, copy, sense) +
      request('8,0', 'CWS () 2048 + 0 none,0,0 [0]') +
      request('8,0', 'CWS () 2048 + 128 none,0,0 [-95]') +
      scsi('timeout', 0, copy, result('DID_OK', 'SAM_STAT_GOOD')) +
      done(0, '12 01 80 00 40 00', sense),
    units,
  )
  expect(copies).toEqual([])
  expect(errors).toEqual([
    'fine 83h: DID_OK SAM_STAT_CHECK_CONDITION key=0x5 asc=0x20 ascq=0x0',
    'fine 83h: timeout',
  ])
  expect([...timeouts]).toEqual([['fine', 1]])
})

test('RECOVERED ERROR is a success', () => {
  const sense = result('DID_OK', 'SAM_STAT_CHECK_CONDITION', 'key=0x1 asc=0x17 ascq=0')
  const text = done(0, copy, sense) + request('8,0', 'CWS () 2048 + 128 none,0,0 [0]')
  const { copies, errors, contradictions } = parseUnitTrace(text, units)
  expect(copies).toHaveLength(1)
  expect([errors, contradictions]).toEqual([[], []])
  const reset = done(0, copy, result('DID_RESET', 'SAM_STAT_CHECK_CONDITION', 'key=0x1 asc=0x17 ascq=0'))
  expect(parseUnitTrace(reset, units).errors).toHaveLength(1)
})

test('a command that ended well is not believed by a kernel that fails its request: an error', () => {
  const text = done(0, copy) + request('8,0', 'CWS () 2048 + 128 none,0,0 [-5]')
  const { copies, errors, contradictions } = parseUnitTrace(text, units)
  expect([copies, contradictions]).toEqual([[], []])
  expect(errors).toEqual(['fine 83h: ended well, and its request did not'])
  const two = parseUnitTrace(done(0, copy) + text, units)
  expect(two.contradictions).toHaveLength(1)
  expect(two.errors).toEqual([])
})

test('more than one segment is not what the witness can follow', () => {
  const two = copy.replace('6c', '88')
  const text = done(0, two) + request('8,0', 'CWS () 0 + 8 none,0,0 [0]')
  expect(parseUnitTrace(text, units).contradictions).toEqual([
    expect.stringContaining('136 bytes, not one segment'),
  ])
})

test('other units are let be, and lines that are not understood are errors', () => {
  const other = scsi('done', 9, copy, good)
  expect(parseUnitTrace(other, units).errors).toEqual([])
  expect(() => parseUnitTrace(event('scsi_dispatch_cmd_done', 'something else'), units)).toThrow(
    'cannot read',
  )
})
