import { expect, test } from 'vitest'
import { contradiction, type Sampled } from '../../../../../harness/bench/copies/evidence.ts'
import type { Way } from '../../../../../harness/bench/copies/sample.ts'
import type { DeviceActivity } from '../../../../../harness/evidence/device-trace.ts'

const MiB = 2 ** 20
const copied = 16 * MiB

/** Bytes that Copy commands, and reads and writes, have moved. */
function activity(inside: number, outside: number, written = outside): DeviceActivity {
  const range = (bytes: number) => ({ disk: 'near', offset: 0, bytes })
  const copies = inside ? [{ disk: 'near', ranges: 1, format: 0, bytes: inside }] : []
  return {
    ...{ copies, copySources: [range(inside)], copyDestinations: [range(inside)], others: [], errors: [] },
    reads: [{ ...range(outside), carriesData: true }],
    writes: [{ ...range(written), carriesData: true }],
  }
}

function sampled(way: Way, o: Partial<Sampled> & { offloaded?: number } = {}): Sampled {
  const { offloaded = way === 'offload' ? copied : 0, ...rest } = o
  const output =
    way === 'kcopyd'
      ? '0 32768 mirror 2 259:0 259:0 1/1 1 AA 1 core\ndmtable ns=1 busy_ms=0\n'
      : `result error=0 copied=${copied} offloaded=${offloaded} ns=1 busy_ms=0\n`
  const seen = way === 'offload' ? activity(copied, 0) : activity(0, copied)
  return { way, output, copied, activity: seen, counted: undefined, ...rest }
}

const counted = (mebibytes: number, commands = 64) => ({ commands, mebibytes, rounded: 2 })

test.each([
  'offload',
  'fallback',
  'dd',
  'kcopyd',
] as const)('copies by %s that go that way are taken', (way) => {
  expect(contradiction(sampled(way))).toBeUndefined()
  // LIO's disks are read and written, whoever asked for it.
  const unit = { activity: activity(0, copied), counted: counted(way === 'offload' ? 0 : 32) }
  expect(contradiction(sampled(way, unit))).toBeUndefined()
})

test('what the guest says of all copies counts, not of the last one', () => {
  expect(contradiction(sampled('offload', { offloaded: copied - 4096 }))).toContain('offloaded=16773120')
  expect(contradiction(sampled('fallback', { offloaded: 4096 }))).toContain('offloaded=4096')
  const failed = { output: `result error=EIO copied=${copied} offloaded=0 ns=1 busy_ms=0\n` }
  expect(contradiction(sampled('dd', failed))).toContain('error=EIO')
})

test('an offload that reads and writes, or moves too little, is none', () => {
  expect(contradiction(sampled('offload', { activity: activity(copied - 4096, 4096) }))).toBe(
    'of 16777216 bytes the disks were read 4096 and written 4096, ' +
      'and 1 Copy commands have read 16773120 and written 16773120',
  )
  expect(contradiction(sampled('offload', { activity: activity(copied, 4096) }))).toContain('read 4096')
  expect(contradiction(sampled('offload', { activity: activity(copied - 512, 0) }))).toContain('16776704')
})

test.each(['fallback', 'dd', 'kcopyd'] as const)('%s has no Copy commands, and moves all', (way) => {
  expect(contradiction(sampled(way, { activity: activity(4096, copied) }))).toContain('1 Copy commands')
  expect(contradiction(sampled(way, { activity: activity(0, copied - 512) }))).toContain('read 16776704')
  expect(contradiction(sampled(way, { activity: activity(0, copied, 0) }))).toContain('written 0')
})

test.each([
  '0 32768 mirror 2 259:0 259:0 1/1 1 AD 1 core\n',
  '0 32768 mirror 2 259:0 259:0 0/1 1 AA 1 core\n',
  '',
])('a mirror is in sync by its status, and is not by %j', (status) => {
  const output = `${status}dmtable ns=1 busy_ms=0\n`
  expect(contradiction(sampled('kcopyd', { output }))).toContain('the mirror is not in sync')
})

test("a unit's counters tell data that crossed the link from lists of parameters", () => {
  const lio = { activity: activity(0, copied) }
  expect(contradiction(sampled('offload', { ...lio, counted: counted(2) }))).toBeUndefined()
  expect(contradiction(sampled('offload', { ...lio, counted: counted(3) }))).toContain('3 MiB in 64 commands')
  expect(contradiction(sampled('fallback', { ...lio, counted: counted(29) }))).toContain('29 MiB')
  // Its disks are the third to say how much was moved.
  const twice = { activity: activity(0, 2 * copied), counted: counted(32) }
  expect(contradiction(sampled('fallback', twice))).toContain('read 33554432')
})
