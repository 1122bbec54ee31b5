// Ends of zones: where a copy is cut, and where there is nothing to be written although the zone goes on.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-zoned'

kernelCase(
  'zoned/020',
  'a destination over the boundary of two zones',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns4k')
    // A command could take all of it.
    const data = pattern(MiB(6))
    await ns.write(MiB(8), data)
    await session.zones.must('finish', ns, MiB(8), MiB(8))
    const call = await copy({ path, from: ns.at(MiB(8)), to: ns.at(0), bytes: data.bytes })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads(path)) expect(copies).toHaveLength(2)
    await proof.host(ns).changedOnly(0, data)
    await session.zones.are(ns, { 0: 'full', 1: ['implicitly-open', MiB(2)], 2: 'full', 3: 'full' })
  },
)

kernelCase(
  'zoned/021',
  'a source over the boundary of two zones, on a device that cannot read across',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns-slow')
    const data = pattern(KiB(256))
    const from = MiB(2) - KiB(100)
    await ns.write(from, data)
    await session.zones.must('finish', ns, 0, MiB(4))
    const call = await copy({ path, from: ns.at(from), to: ns.at(MiB(4)), bytes: data.bytes })
    proof.guest(call).moved()
    const { copies, copySources } = proof.device(call).moved()
    if (session.offloads(path)) {
      expect(copies).toHaveLength(1)
      expect(copySources.map(({ bytes }) => bytes)).toEqual([KiB(100), KiB(156)])
    }
    await proof.host(ns).changedOnly(MiB(4), data)
    await session.zones.are(ns, { 0: 'full', 1: 'full', 2: ['implicitly-open', data.bytes] })
  },
)

kernelCase(
  'zoned/022',
  'a source over the boundary of two zones, on a device that can read across',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns4k')
    const data = pattern(KiB(256))
    await ns.write(MiB(4) - KiB(100), data)
    await session.zones.must('finish', ns, 0, MiB(8))
    const call = await copy({ path, from: ns.at(MiB(4) - KiB(100)), to: ns.at(MiB(8)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
    await session.zones.are(ns, { 0: 'full', 1: 'full', 2: ['implicitly-open', data.bytes] })
  },
)

kernelCase(
  'zoned/023',
  'more ranges than the device takes, since one crosses a boundary: the command is made shorter',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'BLKCOPYV'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns-slow')
    const data = pattern(KiB(64))
    await session.zones.must('finish', ns, 0, MiB(4))
    const crossing = [MiB(2) - KiB(2), KiB(4)] as const
    const ranges = Array.from({ length: 16 }, (_, index) =>
      index === 5 ? crossing : ([index * KiB(8), KiB(4)] as const),
    )
    for (const [index, [offset]] of ranges.entries())
      await ns.write(offset, data.part(index * KiB(4), KiB(4)))
    const call = await copy({ path, from: ns, ranges, to: ns.at(MiB(6)) })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads(path)) expect(copies.map(({ ranges }) => ranges)).toEqual([16, 1])
    await proof.host(ns).changedOnly(MiB(6), data)
    await session.zones.are(ns, { 0: 'full', 1: 'full', 3: ['implicitly-open', data.bytes] })
  },
)

kernelCase(
  'zoned/024',
  'a copy that goes on behind the capacity: EIO, and what a failed command has left is not counted',
  { needs: ['CONFIG_BLK_DEV_ZONED'], offloads: 'nvme-zoned' },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(MiB(2))
    await ns.write(0, data)
    await session.zones.must('finish', ns, 0, MiB(2))
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes })
    const { copied, offloaded } = proof.guest(call).cutShort('EIO')
    // QEMU writes the ranges of a command that fit before it fails, which moves the write pointer.
    expect(copied).toBe(MiB(1))
    expect(offloaded).toBe(MiB(1))
    proof.device(call).reached(copied, 'traced', { failed: 'some' })
    await proof.host(ns).changedUpTo(MiB(8), data, copied)
  },
)

kernelCase(
  'zoned/025',
  'a copy that goes on behind the capacity, and no fallback: EIO, and what commands have copied',
  { needs: ['CONFIG_BLK_DEV_ZONED'], offloads: 'nvme-zoned' },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(MiB(2))
    await ns.write(0, data)
    await session.zones.must('finish', ns, 0, MiB(2))
    const call = await copy(
      { path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).stopped('EIO', MiB(1), 'offload')
    proof.device(call).reached(MiB(1), 'offload', { failed: 'some' })
    await proof.host(ns).changedUpTo(MiB(8), data, MiB(1))
  },
)

kernelCase(
  'zoned/026',
  'a copy into a zone behind its capacity is EIO',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(64))
    await session.zones.append(ns, 0, data)
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(3.5)), bytes: data.bytes })
    proof.guest(call).stopped('EIO', 0)
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
    await session.zones.are(ns, { 0: ['implicitly-open', data.bytes] })
  },
)

kernelCase(
  'zoned/027',
  'one range over the capacity: nothing is written by the device, EIO, and the rest of the zone can be',
  { needs: ['CONFIG_BLK_DEV_ZONED'], offloads: 'nvme-zoned' },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const [data, last] = [pattern(KiB(128)), pattern(KiB(64))]
    await session.zones.append(ns, 0, data)
    const end = MiB(4) + MiB(1.5)
    await session.zones.append(ns, MiB(4), pattern(MiB(1.5) - KiB(64)))
    const call = await copy(
      { path, from: ns.at(0), to: ns.at(end - KiB(64)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EIO')
    proof.device(call).reached(0, 'offload', { failed: 'some' })
    await session.zones.append(ns, end - KiB(64), last)
    await proof.host(ns).unchanged()
    await session.zones.are(ns, { 0: ['implicitly-open', KiB(128)], 2: 'full' })
  },
)
