import { expect, test } from 'vitest'
import type { DeviceActivity } from '../../../../harness/evidence/device-trace.ts'
import type { Move } from '../../../../harness/evidence/judge.ts'
import { judgePart } from '../../../../harness/evidence/judge-part.ts'
import { copied, fallback, idle, KiB, limits, offload, offloaded, range, transfer } from './support.ts'

test('a copy that was cut short did its beginning, and nothing besides', () => {
  const judge = (activity: DeviceActivity, done: number) => () => judgePart(activity, [offload], done, limits)
  expect(judge(copied([0, 8 * KiB]), 8 * KiB)).not.toThrow()
  // More may have been under way.
  expect(judge(offloaded, 8 * KiB)).not.toThrow()
  expect(judge(copied([0, 8 * KiB]), 12 * KiB)).toThrow(/65536\+12288 of small was not copied by the device/)
  expect(judge(copied([8 * KiB, 16 * KiB]), 0)).toThrow(/Copy sources of small: 8192\+16384 is too much/)
  expect(judge({ ...idle, writes: [transfer(0, 512)] }, 0)).toThrow(/written over the link of small: 0\+512/)
})

test('what has failed does not stand for what was done in its place', () => {
  const judge = (activity: DeviceActivity, move: Move) => () =>
    judgePart(activity, [move], 16 * KiB, limits, { reset: true })
  const both = { ...offloaded, writes: [transfer(64 * KiB, 16 * KiB)] }
  expect(judge(both, fallback)).not.toThrow()
  expect(judge(offloaded, offload)).not.toThrow()
  expect(judge(offloaded, fallback)).toThrow(/65536\+16384 of small was not written/)
  expect(judge({ ...both, ...copied() }, offload)).toThrow(/65536\+16384 of small was not copied by the/)
  expect(
    judge(
      { ...both, copyDestinations: [...both.copyDestinations, { disk: 'small', ...range(0, 512) }] },
      fallback,
    ),
  ).toThrow(/Copy destinations of small: 0\+512 is too much/)
})

test('nothing is written where the device was to copy, whatever has failed', () => {
  const both = { ...offloaded, errors: ['req_status'], writes: [transfer(64 * KiB, 512)] }
  for (const o of [{ failed: 1 }, { failed: 'some' as const }, { reset: true }])
    expect(() => judgePart(both, [offload], 0, limits, o)).toThrow(
      /written over the link of small: 65536\+512 is too much/,
    )
})

test('a failure that nobody reported is none, nor is a reset without a command', () => {
  expect(() => judgePart(offloaded, [offload], 0, limits, { failed: 'some' })).toThrow(
    /reported 0 errors, not some/,
  )
  expect(() => judgePart(idle, [offload], 0, limits, { reset: true })).toThrow(
    /had no command that a reset could have met/,
  )
})

test('Copy commands come to nothing where they have failed, and others are counted', () => {
  const judge = (errors: number, failed: 'some' | number = 'some') => {
    const activity = { ...offloaded, errors: Array.from({ length: errors }, () => 'req_status') }
    return () => judgePart(activity, [fallback], 0, limits, { failed })
  }
  expect(judge(2)).not.toThrow()
  expect(judge(1)).toThrow(/2 ranges were copied and not counted, more than the 1 that failed/)
  expect(judge(0, 0)).toThrow(/Copy destinations of small: .* is too much/)
})

test('a Copy command may end before its last range where it has failed or the device was reset', () => {
  const begun: DeviceActivity = {
    ...copied([0, 8 * KiB]),
    copies: [{ disk: 'small', ranges: 2, format: 0, bytes: undefined }],
  }
  const judge = (activity: DeviceActivity, o: { failed?: number; reset?: boolean }) => () =>
    judgePart(activity, [offload], 8 * KiB, limits, o)
  const early = /have done 1 of their 2 ranges/
  expect(judge(begun, {})).toThrow(early)
  expect(judge(begun, { reset: true })).not.toThrow()
  const failing = { ...begun, errors: ['req_status', 'aio'] }
  expect(judge(failing, { failed: 2 })).not.toThrow()
  expect(judge(failing, { failed: 1 })).toThrow(/reported an error: aio/)
  expect(judge(failing, { reset: true })).not.toThrow()
  expect(judge({ ...begun, others: ['dsm'] }, { reset: true })).toThrow(/told besides/)
  // Two have failed and may have done nothing; the third has not.
  const three = { ...failing, copies: [...begun.copies, ...begun.copies, ...begun.copies] }
  expect(judge(three, { failed: 2 })).toThrow(/have done 1 of their 6 ranges/)
  const more = {
    ...copied([0, 4 * KiB], [4 * KiB, 4 * KiB]),
    copies: begun.copies.map((one) => ({ ...one, ranges: 1 })),
  }
  expect(judge(more, { reset: true })).toThrow(/have done 2 of their 1 ranges/)
})
