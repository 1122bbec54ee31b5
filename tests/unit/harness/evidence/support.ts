/** A copy of 16 KiB inside of the disk `small`, and what its devices say of it. */
import type { DeviceActivity } from '../../../../harness/evidence/device-trace.ts'
import type { Move } from '../../../../harness/evidence/judge.ts'

export const KiB = 1024
export const limits = new Map([['small', { rangeBytes: 8 * KiB, commandBytes: 32 * KiB, ranges: 4 }]])
export const idle: DeviceActivity = {
  ...{ copies: [], copySources: [], copyDestinations: [] },
  ...{ reads: [], writes: [], others: [], errors: [] },
}

export const offload: Move = {
  from: { disk: 'small', offset: 0 },
  to: { disk: 'small', offset: 64 * KiB },
  bytes: 16 * KiB,
  offloaded: true,
}
export const fallback: Move = { ...offload, offloaded: false }
export const range = (offset: number, bytes: number) => ({ offset, bytes })
/** Copy commands of one range each. */
export const copied = (...ranges: [at: number, bytes: number][]): DeviceActivity => ({
  ...idle,
  copies: ranges.map(([, bytes]) => ({ disk: 'small', ranges: 1, format: 0, bytes })),
  copySources: ranges.map(([at, bytes]) => ({ disk: 'small', ...range(at, bytes) })),
  copyDestinations: ranges.map(([at, bytes]) => ({ disk: 'small', ...range(64 * KiB + at, bytes) })),
})
export const transfer = (offset: number, bytes: number) => ({
  disk: 'small',
  ...range(offset, bytes),
  carriesData: true,
})

export const offloaded = copied([0, 8 * KiB], [8 * KiB, 8 * KiB])
