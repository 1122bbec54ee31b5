import { expect, test } from 'vitest'
import { parseRequestTrace } from '../../../../harness/evidence/request-trace.ts'

const disks = new Map([['252:0', 'nullblk1']])

/** As /sys/kernel/tracing/trace of 6.12 words it. */
const line = (event: string, rest: string) =>
  `   kworker/0:1H-42      [000] ..s1.    12.345678: block_rq_${event}: ${rest}\n`
const parse = (...rest: string[]) =>
  parseRequestTrace(rest.map((one) => line('complete', one)).join(''), disks)

test('reads, writes and copies of the disks that are asked for', () => {
  const { reads, writes, copies, copySources, copyDestinations, errors, others } = parse(
    '252,0 R () 8 + 16 none,0,0 [0]',
    '252,0 WFS () 32 + 8 none,0,0 [0]',
    '252,0 CWS () 2048 + 128 none,0,0 [0]',
    '259,0 W () 0 + 8 none,0,0 [0]',
    '252,0 FF () 0 + 0 none,0,0 [0]',
    '252,0 FWS () 64 + 8 be,0,4 [0]',
  )
  const disk = 'nullblk1'
  expect(reads).toEqual([{ disk, offset: 4096, bytes: 8192, carriesData: true }])
  expect(writes).toEqual([
    { disk, offset: 16384, bytes: 4096, carriesData: true },
    { disk, offset: 32768, bytes: 4096, carriesData: true },
  ])
  expect(copies).toEqual([{ disk, ranges: 1, format: 0, bytes: 65536, sourcesUnseen: true }])
  expect(copyDestinations).toEqual([{ disk, offset: 1048576, bytes: 65536 }])
  expect([copySources, errors, others]).toEqual([[], [], []])
})

test('what failed has moved nothing', () => {
  const { copies, errors } = parse('252,0 CW () 2048 + 128 none,0,0 [-5]')
  expect(copies).toEqual([])
  expect(errors).toEqual(['nullblk1 CW 1048576+65536: -5'])
})

test('operations of no copy are kept, and are no errors', () => {
  const { others, errors } = parse('252,0 DS () 0 + 8 none,0,0 [0]', '252,0 ZRA () 0 + 8 none,0,0 [0]')
  expect(others).toEqual(['nullblk1 DS 0+4096', 'nullblk1 ZRA 0+4096'])
  expect(errors).toEqual([])
})

test('a request that was issued has not ended', () => {
  const text = line('issue', '252,0 W 4096 () 0 + 8 none,0,0 [blkcopy]')
  expect(parseRequestTrace(text, disks).writes).toEqual([])
})

test('a line that is not understood is an error', () => {
  expect(() => parse('252,0 W something else')).toThrow(
    /cannot read the guest's trace line: .*something else/,
  )
})
