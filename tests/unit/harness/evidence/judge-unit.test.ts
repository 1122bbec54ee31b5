import { describe, expect, test } from 'vitest'
import type { DeviceActivity } from '../../../../harness/evidence/device-trace.ts'
import type { Move } from '../../../../harness/evidence/judge.ts'
import { judgeMoves } from '../../../../harness/evidence/judge-device.ts'
import type { Range } from '../../../../harness/evidence/ranges.ts'

const idle: DeviceActivity = {
  ...{ copies: [], copySources: [], copyDestinations: [] },
  ...{ reads: [], writes: [], others: [], errors: [] },
}

describe('a unit and the disk that it keeps its bytes on', () => {
  const under = new Map([['unit', { disk: 'below', cached: false, before: 0 }]])
  const limits = new Map([['unit', { rangeBytes: 4096, commandBytes: 4096, ranges: 1 }]])
  const move: Move = {
    from: { disk: 'unit', offset: 0 },
    to: { disk: 'unit', offset: 8192 },
    bytes: 4096,
    offloaded: true,
  }
  const activity = (reads: readonly Range[], writes: readonly Range[]): DeviceActivity => ({
    ...idle,
    copies: [{ disk: 'unit', ranges: 1, format: 0, bytes: 4096, sourcesUnseen: true }],
    copyDestinations: [{ disk: 'unit', offset: 8192, bytes: 4096 }],
    beneath: {
      reads: reads.map((range) => ({ ...range, disk: 'below', carriesData: true })),
      writes: writes.map((range) => ({ ...range, disk: 'below', carriesData: true })),
    },
  })
  const [source, destination] = [
    { offset: 0, bytes: 4096 },
    { offset: 8192, bytes: 4096 },
  ]

  test('what the unit copied was read from the disk and written to it', () => {
    judgeMoves(activity([source], [destination]), [move], limits, { under })
  })

  test.each([
    [[], [destination], 'not read from the disk under the unit'],
    [[source], [], 'not written to the disk under the unit'],
    [[source], [destination, { offset: 0, bytes: 512 }], 'is too much'],
  ])('not otherwise: %j, %j', (reads, writes, problem) => {
    expect(() => judgeMoves(activity(reads, writes), [move], limits, { under })).toThrow(problem)
  })

  test('a cache in between may have had the source', () => {
    const cached = new Map([['unit', { disk: 'below', cached: true, before: 0 }]])
    judgeMoves(activity([], [destination]), [move], limits, { under: cached })
  })

  test('witnesses that contradict each other', () => {
    const both = { ...activity([source], [destination]), contradictions: ['one says so'] }
    expect(() => judgeMoves(both, [move], limits, { under })).toThrow('one says so')
  })
})
