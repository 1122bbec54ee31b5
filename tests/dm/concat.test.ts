// Volumes of several dm-linear targets: a copy that crosses from one to the next is cut there.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'dm/020',
  'a source over the boundary of two targets on one disk',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    // Swapped on the disk, so that what runs on past the boundary is wrong
    const volume = await dm.table([linear(ns, MiB(20), MiB(4)), linear(ns, MiB(2), MiB(8))])
    const data = pattern(MiB(1))
    await volume.write(MiB(4) - KiB(300), data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(MiB(4) - KiB(300)),
      to: volume.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/021',
  'a destination over the boundary of two targets on one disk',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(20), MiB(4)), linear(ns, MiB(2), MiB(8))])
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(0),
      to: volume.at(MiB(4) - KiB(700)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(4) - KiB(700), data)
  },
)

kernelCase(
  'dm/022',
  'both sides over boundaries at different places, no fallback',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const from = await dm.table([
      linear(ns, MiB(8), MiB(1) + 512),
      linear(ns, 0, KiB(12)),
      linear(ns, MiB(4), MiB(2)),
    ])
    const to = await dm.table([
      linear(ns, MiB(24), MiB(1) + 512 * 5),
      linear(ns, MiB(17), KiB(4)),
      linear(ns, MiB(20), MiB(2)),
    ])
    const data = pattern(MiB(2) + 512 * 3)
    await from.write(512, data)
    const call = await copy(
      { path: 'dm-linear', from: from.at(512), to: to.at(512 * 7), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(512 * 7, data)
  },
)

kernelCase(
  'dm/023',
  'no fallback over a boundary of the source, and over one of the destination',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('small')
    const volume = await dm.table([linear(ns, MiB(20), MiB(4)), linear(ns, MiB(2), MiB(8))])
    const [first, second] = [pattern(KiB(128)), pattern(KiB(128))]
    await volume.write(MiB(4) - KiB(62), first)
    const reading = await copy(
      { path: 'dm-linear', from: volume.at(MiB(4) - KiB(62)), to: volume.at(MiB(8)), bytes: KiB(128) },
      { flags: NO_FALLBACK },
    )
    proof.guest(reading).moved()
    proof.device(reading).moved()
    await proof.host(volume).changedOnly(MiB(8), first)

    await volume.write(0, second)
    const writing = await copy(
      { path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(4) - KiB(3)), bytes: KiB(128) },
      { flags: NO_FALLBACK },
    )
    proof.guest(writing).moved()
    proof.device(writing).moved()
    await proof.host(volume).changedOnly(MiB(4) - KiB(3), second)
  },
)

kernelCase(
  'dm/024',
  'targets of one block each, in reverse order',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const blocks = 64
    const reversed = (start: number) =>
      dm.table(Array.from({ length: blocks }, (_, index) => linear(ns, start - 512 * index, 512)))
    const [from, to] = [await reversed(MiB(4)), await reversed(MiB(16))]
    const data = pattern(512 * blocks)
    await from.write(0, data)
    const call = await copy({ path: 'dm-linear', from: from.at(0), to: to.at(0), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(0, data)
  },
)

kernelCase(
  'dm/025',
  'a boundary on an odd sector in the middle of a command',
  { needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(9), MiB(1) + 512 * 7), linear(ns, MiB(1), MiB(4))])
    const data = pattern(KiB(256))
    await volume.write(MiB(1) - KiB(128), data)
    await session.setQueue(volume, session.profile.sysfs.limit, String(KiB(64)))
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(MiB(1) - KiB(128)),
      to: volume.at(MiB(3)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    const { copySources } = proof.device(call).moved()
    for (const { bytes } of copySources) expect(bytes).toBeLessThanOrEqual(KiB(64))
    await proof.host(volume).changedOnly(MiB(3), data)
  },
)

kernelCase(
  'dm/026',
  'boundaries at two levels',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const lower = await dm.table([
      linear(ns, MiB(16), MiB(1)),
      linear(ns, MiB(2), MiB(1) + 512),
      linear(ns, MiB(8), MiB(4)),
    ])
    const upper = await dm.table([linear(lower, MiB(3), MiB(1) + KiB(4)), linear(lower, KiB(512), MiB(2))])
    const data = pattern(MiB(2) + KiB(64))
    await upper.write(KiB(64), data)
    const call = await copy({
      path: 'dm-linear',
      from: upper.at(KiB(64)),
      to: ns.at(MiB(20)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(20), data)
  },
)

kernelCase(
  'dm/027',
  'blocks of 4096 bytes, boundaries on both sides',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('4k')
    const from = await dm.table([linear(ns, MiB(8), KiB(4) * 5), linear(ns, 0, MiB(2))])
    const to = await dm.table([linear(ns, MiB(20), KiB(4) * 130), linear(ns, MiB(12), MiB(2))])
    const data = pattern(MiB(1))
    await from.write(KiB(4), data)
    const call = await copy({ path: 'dm-linear', from: from.at(KiB(4)), to: to.at(KiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(KiB(8), data)
  },
)

kernelCase(
  'dm/028',
  'several sources over boundaries in one call',
  { needs: ['CONFIG_BLK_DEV_DM', 'BLKCOPYV'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([
      linear(ns, MiB(16), MiB(1)),
      linear(ns, 0, MiB(1)),
      linear(ns, MiB(8), MiB(4)),
    ])
    const parts = [pattern(KiB(64)), pattern(KiB(4)), pattern(KiB(128) + 512)]
    const places = [MiB(1) - KiB(20), KiB(100), MiB(2) - KiB(77)]
    const ranges: [number, number][] = []
    for (const [index, part] of parts.entries()) {
      const place = places[index] ?? 0
      await volume.write(place, part)
      ranges.push([place, part.bytes])
    }
    const to = volume.at(MiB(4))
    const call = await copy({ path: 'dm-linear', from: volume, ranges, to })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(to.offset, Buffer.concat(parts.map(({ data }) => data)))
  },
)

kernelCase(
  'dm/029',
  'several sources, and a destination over a boundary, no fallback',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'BLKCOPYV'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const from = await dm.table([linear(ns, MiB(3), KiB(512)), linear(ns, 0, MiB(1))])
    const to = await dm.table([linear(ns, MiB(30), KiB(256) + 512), linear(ns, MiB(16), MiB(4))])
    const data = pattern(MiB(1))
    await from.write(0, data)
    // Backwards
    const starts = Array.from({ length: 16 }, (_, index) => KiB(64) * (15 - index))
    const ranges = starts.map((start): [number, number] => [start, KiB(64)])
    const call = await copy({ path: 'dm-linear', from, ranges, to: to.at(KiB(16)) }, { flags: NO_FALLBACK })
    proof.guest(call).moved()
    proof.device(call).moved()
    const wanted = Buffer.concat(starts.map((start) => data.part(start, KiB(64)).data))
    await proof.host(to).changedOnly(KiB(16), wanted)
  },
)

kernelCase(
  'dm/030',
  'copy_file_range over boundaries of both sides',
  { needs: ['CONFIG_BLK_DEV_DM', 'copy_file_range'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const from = await dm.table([linear(ns, MiB(8), MiB(1)), linear(ns, 0, MiB(4))])
    const to = await dm.table([linear(ns, MiB(24), MiB(2) - 512), linear(ns, MiB(16), MiB(4))])
    const data = pattern(MiB(3))
    await from.write(KiB(12), data)
    const call = await copy(
      { path: 'dm-linear', from: from.at(KiB(12)), to: to.at(KiB(4)), bytes: data.bytes },
      { by: 'copy_file_range', direct: true },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(KiB(4), data)
  },
)
