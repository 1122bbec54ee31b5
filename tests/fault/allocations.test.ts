// Every allocation of a call fails in turn: it comes back each time, with ENOMEM and nothing done or with all of it done.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** More than any call allocates; that the last one has no fault any more is checked. */
const most = 400

/** Copies 64 KiB in two ranges time and again; in the nth call the nth allocation fails, until a call has no nth one. */
async function sweep(
  { disk, session, copy, pattern, proof }: CaseTools,
  to: string,
  options: CopyOptions,
): Promise<void> {
  const [ns, destination] = [await disk('large'), await disk(to)]
  const data = pattern(KiB(64))
  await ns.write(0, data)
  // Else allocations that may wait are spared (Documentation/fault-injection).
  await session.failAllocations({ times: 0, probability: 0 })
  const path = ns === destination ? 'nvme-same-namespace' : 'never'
  const changes: Change[] = []
  let refused = 0
  for (let nth = 1; ; nth++) {
    expect(nth).toBeLessThan(most)
    // Another place each time, so that one that is not copied to shows.
    const place = destination.at(MiB(4) + nth * KiB(64))
    const call = await copy(
      options.by === 'BLKCOPYV'
        ? { path, from: ns, ranges: twoRanges, to: place }
        : { path, from: ns.at(0), to: place, bytes: KiB(64) },
      { ...options, failNth: nth },
    )
    if (call.results[0]?.error === '0') {
      // A fault may have cost it the offload; the last one has none.
      const way = call.injected ? 'traced' : 'profile'
      proof.guest(call).moved(way)
      proof.device(call).moved(way)
      changes.push([place.offset, data])
    } else {
      refused += 1
      proof.guest(call).refused('ENOMEM')
      proof.device(call).untouched()
    }
    if (!call.injected) break
  }
  // No call does without memory of its own.
  expect(refused).toBeGreaterThan(0)
  await proof.host(destination).changedOnlyIn(changes)
  if (ns !== destination) await proof.host(ns).unchanged()
}

const twoRanges: [number, number][] = [
  [0, KiB(16)],
  [KiB(16), KiB(48)],
]

kernelCase(
  'fault/014',
  'each allocation of an offloaded BLKCOPY',
  { needs: ['tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'large', {})
  },
)

kernelCase(
  'fault/015',
  'each allocation of a BLKCOPY that is read and written',
  { needs: ['tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'scsi0', {})
  },
)

kernelCase(
  'fault/016',
  'each allocation of BLKCOPYV',
  { needs: ['BLKCOPYV', 'tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'large', { by: 'BLKCOPYV' })
  },
)

kernelCase(
  'fault/017',
  'each allocation of copy_file_range',
  { needs: ['copy_file_range', 'tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'large', { by: 'copy_file_range', direct: true })
  },
)
