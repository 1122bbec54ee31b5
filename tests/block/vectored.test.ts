// BLKCOPYV: several ranges of the source, one behind the other in the destination.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { type SourceRange, scatter, total } from '../fixtures/ranges.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** `count` ranges of `bytes` each, the last in the copy being the first on the disk, with gaps between. */
const backwards = (count: number, bytes: number): SourceRange[] =>
  Array.from({ length: count }, (_, index) => [(count - 1 - index) * 2 * bytes, bytes])

kernelCase(
  'block/028',
  'eight ranges are gathered by one Copy command, in their order',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const ranges = backwards(8, KiB(4))
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads('nvme-same-namespace')) expect(copies.map((one) => one.ranges)).toEqual([8])
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/029',
  'ranges of a block, of less and of more than MSSRL',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('small')
    const ranges: SourceRange[] = [
      [MiB(4), 512],
      [MiB(2) + 512, KiB(40)],
      [0, KiB(8)],
      [MiB(6), 1536],
    ]
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(16) + 512) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(16) + 512, data)
  },
)

kernelCase(
  'block/030',
  'more ranges than a Copy command takes',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('small')
    const ranges = backwards(20, KiB(1))
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    // 8 ranges a command: fewer would be no use of them, more are refused by the proof.
    if (session.offloads('nvme-same-namespace')) expect(copies).toHaveLength(3)
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/031',
  '256 ranges of a block',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const ranges = backwards(256, 512)
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/032',
  'ranges that overlap each other, and one twice',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(KiB(64))
    await ns.write(0, data)
    const ranges: SourceRange[] = [
      [KiB(16), KiB(16)],
      [KiB(24), KiB(16)],
      [KiB(16), KiB(16)],
      [0, KiB(64)],
    ]
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    proof.guest(call).moved()
    proof.device(call).moved()
    const parts = ranges.map(([offset, bytes]) => data.part(offset, bytes).data)
    await proof.host(ns).changedOnly(MiB(8), Buffer.concat(parts))
  },
)

kernelCase(
  'block/033',
  'ranges on both sides of the destination and right beside it',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const ranges: SourceRange[] = [
      [MiB(8) + KiB(32), KiB(16)],
      [MiB(8) - KiB(16), KiB(16)],
    ]
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/034',
  'to the last block of the device',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('4k')
    const ranges: SourceRange[] = [
      [KiB(64), KiB(4)],
      [0, KiB(12)],
      [KiB(128), KiB(300)],
    ]
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    const to = ns.at(ns.bytes - total(ranges))
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(to.offset, data)
  },
)

kernelCase(
  'block/035',
  'ranges that no device can copy are read and written',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('scsi0')]
    const ranges: SourceRange[] = [...backwards(9, KiB(4)), [MiB(1) + 512, MiB(1)], [MiB(4), 512]]
    const data = pattern(total(ranges))
    await scatter(from, ranges, data)
    const call = await copy({ path: 'never', from, ranges, to: to.at(512) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(512, data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'block/133',
  'small ranges that no device copies are read side by side, and written at once',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('scsi0')]
    // Some begin and end inside of a page of the buffer, which has room for a hundred.
    const ranges = backwards(160, 2560)
    const data = pattern(total(ranges))
    await scatter(from, ranges, data)
    const call = await copy({ path: 'never', from, ranges, to: to.at(MiB(1)) })
    proof.guest(call).fellBack()
    const { writes } = proof.device(call).fellBack()
    expect(writes.length).toBeLessThan(ranges.length / 10)
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'block/036',
  'ranges that no device can copy and no fallback are EOPNOTSUPP',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, proof }) => {
    const [from, to] = [await disk('large'), await disk('scsi0')]
    const call = await copy(
      { path: 'never', from, ranges: backwards(4, KiB(4)), to: to.at(0) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(to).unchanged()
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'block/037',
  'copy_max_bytes bounds commands of several ranges, too',
  { needs: ['BLKCOPYV', 'limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const ranges = backwards(12, KiB(12))
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(32)))
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads('nvme-same-namespace')) {
      expect(copies.length).toBeGreaterThanOrEqual(Math.ceil(total(ranges) / KiB(32)))
      expect(Math.max(...copies.map((one) => one.ranges))).toBeGreaterThan(1)
    }
    // The device does not say how long each of several commands in flight was, and the tracepoint does.
    const { tracepoints } = session.profile
    const events = call.traced?.filter(({ event, error }) => event === tracepoints?.offload && !error)
    for (const { bytes = 0 } of [...copies, ...(events ?? [])]) expect(bytes).toBeLessThanOrEqual(KiB(32))
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/038',
  'four gathering copies of one source at once',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const ranges = backwards(16, KiB(8))
    const data = pattern(total(ranges))
    await scatter(ns, ranges, data)
    const places = [MiB(8), MiB(12), MiB(16), MiB(20)]
    const call = await copy(
      places.map((to) => ({ path: 'nvme-same-namespace' as const, from: ns, ranges, to: ns.at(to) })),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn(places.map((to) => [to, data]))
  },
)
