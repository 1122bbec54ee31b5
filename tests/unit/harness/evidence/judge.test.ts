import { expect, test } from 'vitest'
import type { DeviceActivity } from '../../../../harness/evidence/device-trace.ts'
import type { Move } from '../../../../harness/evidence/judge.ts'
import { judgeMoves, judgeUntouched } from '../../../../harness/evidence/judge-device.ts'
import { judgeNoFallback, judgeResult, judgeTracepoints } from '../../../../harness/evidence/judge-guest.ts'
import { copied, fallback, idle, KiB, limits, offload, offloaded, range, transfer } from './support.ts'

/** The same, each command changed. */
const changed = (change: { disk?: string; ranges?: number; bytes?: number }): DeviceActivity => ({
  ...offloaded,
  copies: offloaded.copies.map((one) => ({ ...one, ...change })),
})
const overLink = { ...idle, reads: [transfer(0, 16 * KiB)], writes: [transfer(64 * KiB, 16 * KiB)] }

test('what must have happened is accepted', () => {
  expect(() => judgeMoves(offloaded, [offload], limits)).not.toThrow()
  expect(() => judgeMoves(overLink, [fallback], limits)).not.toThrow()
  expect(() => judgeUntouched({ ...idle, reads: [transfer(0, 512)] })).not.toThrow()
})

test.each<[string, DeviceActivity | undefined, Move, RegExp]>([
  ['no trace', undefined, offload, /no trace/],
  ['nothing at all', idle, offload, /Copy sources of small: 0\+16384 is missing/],
  ['a fallback for an offload', overLink, offload, /read over the link of small: 0\+16384 is too much/],
  ['an offload for a fallback', offloaded, fallback, /Copy destinations of small: 65536\+16384 is too much/],
  [
    'a range copied twice',
    copied([0, 8 * KiB], [8 * KiB, 8 * KiB], [0, 512]),
    offload,
    /512 bytes more than once/,
  ],
  [
    'a write elsewhere',
    { ...offloaded, writes: [transfer(0, 512)] },
    offload,
    /written over the link of small: 0\+512/,
  ],
  ['an error', { ...offloaded, errors: ['invalid_opc opc 0x19'] }, offload, /reported an error: invalid_opc/],
  ['a range above MSSRL', copied([0, 16 * KiB]), offload, /bytes in a range of small: 16384, above 8192/],
  [
    'a command above MCL',
    changed({ bytes: 65536 }),
    offload,
    /bytes in a Copy command of small: 65536, above 32768/,
  ],
  [
    'a command that may be above MCL',
    {
      ...copied(...Array.from({ length: 5 }, (_, index): [number, number] => [index * 8 * KiB, 8 * KiB])),
      copies: [5, 4].map((ranges) => ({ disk: 'small', ranges, format: 0, bytes: undefined })),
    },
    { ...offload, bytes: 40 * KiB },
    /bytes in a Copy command of small: 40960, above 32768/,
  ],
  [
    'a discard',
    { ...offloaded, others: ['dsm nr 1 attr 0x4'] },
    offload,
    /was told besides: dsm nr 1 attr 0x4/,
  ],
  ['a command above MSRC', changed({ ranges: 5 }), offload, /ranges in a Copy command of small: 5, above 4/],
  ['another disk', changed({ disk: 'nocopy' }), offload, /nocopy, which does not take any/],
  ['a command that did not end', changed({ ranges: 2 }), offload, /have done 2 of their 4 ranges/],
])('refuses %s', (_, activity, move, message) => {
  expect(() => judgeMoves(activity, [move], limits)).toThrow(message)
})

test('writing back is allowed where the cache was dirty, and nowhere else', () => {
  const activity = { ...offloaded, writes: [transfer(4 * KiB, 4 * KiB)] }
  const dirty = { disk: 'small', ...range(0, 16 * KiB) }
  expect(() => judgeMoves(activity, [offload], limits, { writeback: [dirty] })).not.toThrow()
  expect(() =>
    judgeMoves(activity, [offload], limits, { writeback: [{ ...dirty, bytes: 4 * KiB }] }),
  ).toThrow(/too much/)
})

test('a fallback onto a dirty cache must still be written, writing back or not', () => {
  const dirty = { disk: 'small', ...range(64 * KiB, 16 * KiB) }
  expect(() => judgeMoves(overLink, [fallback], limits, { writeback: [dirty] })).not.toThrow()
  const both = { ...overLink, writes: [...overLink.writes, ...overLink.writes] }
  expect(() => judgeMoves(both, [fallback], limits, { writeback: [dirty] })).not.toThrow()
  expect(() => judgeMoves({ ...overLink, writes: [] }, [fallback], limits, { writeback: [dirty] })).toThrow(
    /written over the link of small: 65536\+16384 is missing/,
  )
})

test('commands in flight at once are within the limits when no choice of their ranges is above', () => {
  const inFlight = changed({})
  for (const copy of inFlight.copies) copy.bytes = undefined
  expect(() => judgeMoves(inFlight, [offload], limits)).not.toThrow()
})

test('untouched refuses a write without a range, such as UNMAP', () => {
  const unmap = { disk: 'scsi0', ...range(0, 0), carriesData: false }
  expect(() => judgeUntouched({ ...idle, writes: [unmap] })).toThrow(/was written to: scsi0/)
  expect(() => judgeUntouched({ ...idle, others: ['dsm nr 1 attr 0x4'] })).toThrow(/told besides/)
  const reset = { ...offloaded, others: ['null0 ZR 0+4096'] }
  expect(() => judgeMoves(reset, [offload], limits, { others: 1 })).not.toThrow()
  expect(() => judgeMoves(offloaded, [offload], limits, { others: 1 })).toThrow(/0 other things, not 1/)
  expect(() => judgeUntouched(offloaded)).toThrow(/saw 2 Copy commands/)
  expect(() => judgeUntouched(undefined)).toThrow(/no trace/)
})

test('a result must match in every field', () => {
  const result = { error: '0', copied: '512', offloaded: '0' }
  expect(() => judgeResult(result, { ...result })).not.toThrow()
  expect(() => judgeResult({ ...result, copied: '18446744073709551615' }, result)).toThrow(
    'guest: copied is 18446744073709551615, not 512',
  )
})

test('tracepoints must tell of the same ranges', () => {
  const names = { offload: 'block_copy_offload', fallback: 'block_copy_fallback' }
  const locate = (device: string, sector: number, bytes: number) =>
    device === '259:1' ? [{ disk: 'small', offset: sector * 512, bytes }] : undefined
  const place = (sector: number) => ({ device: '259:1', sector })
  const traced = {
    event: 'block_copy_offload',
    source: place(0),
    destination: place(128),
    bytes: 16 * KiB,
    error: 0,
  }
  const judge = (...list: (typeof traced)[]) => judgeTracepoints(list, [offload], names, locate)
  expect(() => judge(traced)).not.toThrow()
  // An attempt that failed moved nothing.
  expect(() => judge(traced, { ...traced, error: -5 })).not.toThrow()
  expect(() => judge()).toThrow('guest: block_copy_offload traced 0 bytes, not 16384')
  expect(() => judge({ ...traced, event: 'block_copy_fallback' })).toThrow(
    /block_copy_fallback traced 16384 bytes, not 0/,
  )
  expect(() => judge({ ...traced, destination: place(0) })).toThrow(
    /destination of small: 65536\+16384 is missing/,
  )
  expect(() => judge({ ...traced, source: { device: '8:0', sector: 0 } })).toThrow(/source of device 8:0/)
})

test('copies of a disk whose sources nobody sees are judged by where they go', () => {
  const unseen = {
    ...offloaded,
    copies: offloaded.copies.map((one) => ({ ...one, sourcesUnseen: true as const })),
    copySources: [],
  }
  expect(() => judgeMoves(unseen, [offload], limits)).not.toThrow()
  expect(() => judgeMoves(unseen, [{ ...offload, bytes: 20 * KiB }], limits)).toThrow(
    /Copy destinations of small: 81920\+4096 is missing/,
  )
  expect(() => judgeMoves({ ...offloaded, copySources: [] }, [offload], limits)).toThrow(
    /Copy sources of small/,
  )
})

test('as many errors as the case has made, and no other number', () => {
  const failed = { ...offloaded, errors: ['small CW: -5'] }
  expect(() => judgeMoves(failed, [offload], limits, { failed: 1 })).not.toThrow()
  expect(() => judgeMoves(failed, [offload], limits)).toThrow(/reported an error: small CW: -5/)
  expect(() => judgeMoves(offloaded, [offload], limits, { failed: 1 })).toThrow(/reported 0 errors, not 1/)
  expect(() => judgeUntouched({ ...idle, errors: ['small CW: -5'] }, 1)).not.toThrow()
})

test('a volume that keeps its bytes where it likes must write as many, and only into its own', () => {
  const areas = new Map([['thin1', [{ disk: 'small', ...range(0, 64 * KiB) }]]])
  const move: Move = {
    ...fallback,
    to: { disk: 'thin1', offset: 0 },
    from: { disk: 'small', offset: 128 * KiB },
  }
  const seen = { ...idle, reads: [transfer(128 * KiB, 16 * KiB)], writes: [transfer(4 * KiB, 32 * KiB)] }
  const judge =
    (activity: DeviceActivity, one = move) =>
    () =>
      judgeMoves(activity, [one], limits, { areas })
  expect(judge(seen)).not.toThrow()
  expect(judge({ ...seen, writes: [transfer(0, 8 * KiB)] })).toThrow(
    /8192 bytes were written for thin1, not 16384/,
  )
  expect(judge({ ...seen, writes: [...seen.writes, transfer(65 * KiB, 512)] })).toThrow(
    /66560\+512 is too much/,
  )
  expect(judge({ ...seen, reads: [] })).toThrow(/read over the link of small: 131072\+16384 is missing/)
  expect(judge(seen, { ...move, offloaded: true })).toThrow(/no device can copy from or to thin1/)
  expect(judge({ ...seen, ...copied([0, 512]) })).toThrow(/Copy destinations of small/)
})

test('a call that forbids it has not tried to fall back', () => {
  const names = { offload: 'block_copy_offload', fallback: 'block_copy_fallback' }
  const place = { device: '259:1', sector: 0 }
  const traced = (event: string) => ({ event, source: place, destination: place, bytes: 512, error: -5 })
  expect(() => judgeNoFallback([traced(names.offload)], names)).not.toThrow()
  expect(() => judgeNoFallback([traced(names.fallback)], names)).toThrow(
    'guest: block_copy_fallback was traced 1 times by a call that forbids it',
  )
})
