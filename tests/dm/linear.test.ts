// dm-linear moves addresses and leaves bytes alone.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'dm/001',
  'inside of dm-linear over NVMe',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.linear(ns, MiB(4), MiB(16))
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/002',
  'between two dm-linear volumes of one namespace',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('small')
    // Swapped on the disk, so that a copy that forgets to map goes wrong
    const first = await dm.linear(ns, MiB(16), MiB(8))
    const second = await dm.linear(ns, KiB(512), MiB(8))
    const data = pattern(KiB(256))
    await first.write(KiB(4), data)
    const call = await copy({
      path: 'dm-linear',
      from: first.at(KiB(4)),
      to: second.at(MiB(1)),
      bytes: KiB(256),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'dm/003',
  'from dm-linear over NVMe to dm-linear over SCSI',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const from = await dm.linear(await disk('large'), MiB(1), MiB(8))
    const to = await dm.linear(await disk('scsi0'), MiB(2), MiB(8))
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(4), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'dm/004',
  'a destination past the end of dm-linear is ENOSPC',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, proof, dm }) => {
    // The namespace goes on where the volume ends.
    const ns = await disk('large')
    const volume = await dm.linear(ns, 0, MiB(8))
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(0),
      to: volume.at(MiB(8) - KiB(32)),
      bytes: KiB(64),
    })
    proof.guest(call).refused('ENOSPC')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'dm/009',
  'no fallback changes nothing on dm-linear',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const volume = await dm.linear(await disk('large'), MiB(3), MiB(16))
    const data = pattern(MiB(1))
    await volume.write(KiB(4), data)
    const call = await copy(
      { path: 'dm-linear', from: volume.at(KiB(4)), to: volume.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/010',
  'linear on linear on linear, each at another offset',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const lowest = await dm.linear(ns, MiB(2) + KiB(4), MiB(24))
    const middle = await dm.linear(lowest, MiB(1) + 512, MiB(20))
    const volume = await dm.linear(middle, KiB(64) + 1024, MiB(16))
    const data = pattern(MiB(1) + 512)
    await volume.write(512, data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(512),
      to: volume.at(MiB(8)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/011',
  'from three levels of dm-linear to the disk below them, and back',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('small')
    const volume = await dm.linear(
      await dm.linear(await dm.linear(ns, MiB(1), MiB(8)), 512, MiB(7)),
      MiB(1),
      MiB(4),
    )
    const [down, up] = [pattern(KiB(96)), pattern(KiB(96))]
    await volume.write(0, down)
    await ns.write(MiB(16), up)
    const call = await copy([
      { path: 'dm-linear', from: volume.at(0), to: ns.at(MiB(24)), bytes: KiB(96) },
      { path: 'dm-linear', from: ns.at(MiB(16)), to: volume.at(MiB(2)), bytes: KiB(96) },
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    const [{ offset } = { offset: 0 }] = volume.map(MiB(2), KiB(96))
    await proof.host(ns).changedOnlyIn([
      [MiB(24), down],
      [offset, up],
    ])
  },
)

kernelCase(
  'dm/012',
  'dm-linear over a partition',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const part = await session.partition(ns, MiB(5), MiB(20))
    const volume = await dm.linear(part, MiB(1), MiB(16))
    const data = pattern(MiB(1))
    await volume.write(KiB(8), data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(KiB(8)),
      to: volume.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/013',
  'dm-linear over null_blk',
  { needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ copy, pattern, proof, dm, session }) => {
    const memory = await session.nullBlk({ maxCopySectors: 256 })
    const volume = await dm.linear(memory, MiB(1), MiB(6))
    const data = pattern(MiB(1) + KiB(4))
    await volume.write(KiB(4), data)
    const call = await copy({
      path: ['dm-linear', 'null-blk'],
      from: volume.at(KiB(4)),
      to: volume.at(MiB(3)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(memory).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'dm/014',
  'dm-linear over blocks of 4096 bytes',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const volume = await dm.linear(await disk('4k'), KiB(4) * 3, MiB(16))
    const data = pattern(KiB(4) * 333)
    await volume.write(KiB(4), data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(KiB(4)),
      to: volume.at(MiB(8)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/015',
  'half a block of the disk below dm-linear is EINVAL',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, proof, dm }) => {
    const volume = await dm.linear(await disk('4k'), KiB(4), MiB(16))
    const request = { path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(8)), bytes: KiB(4) } as const
    const call = await copy([
      { ...request, bytes: KiB(2) },
      { ...request, from: volume.at(512) },
      { ...request, to: volume.at(MiB(8) + KiB(2)) },
    ])
    proof.guest(call).refused('EINVAL')
    proof.device(call).untouched()
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'dm/016',
  'two volumes over the same sectors: a copy onto itself is not given to the device',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const [first, second] = [await dm.linear(ns, MiB(4), MiB(8)), await dm.linear(ns, MiB(5), MiB(8))]
    const data = pattern(KiB(64))
    await first.write(MiB(1), data)
    // NVMe forbids that a source overlaps the destination; only below the volumes can it be seen that this one does.
    const call = await copy({ path: 'never', from: first.at(MiB(1)), to: second.at(0), bytes: KiB(64) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'dm/017',
  'a copy longer than every limit of the disk below dm-linear',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('small')
    const volume = await dm.linear(ns, MiB(1) + 512, MiB(16))
    const data = pattern(MiB(1) + 512)
    await volume.write(512 * 3, data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(512 * 3),
      to: volume.at(MiB(8)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads(['dm-linear', 'nvme-same-namespace']))
      expect(copies.length).toBeGreaterThan(MiB(1) / (ns.limits?.commandBytes ?? 1))
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/018',
  'overlapping ranges of one volume are EINVAL',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, proof, dm }) => {
    const volume = await dm.linear(await disk('large'), MiB(1), MiB(16))
    const call = await copy({ path: 'dm-linear', from: volume.at(0), to: volume.at(KiB(60)), bytes: KiB(64) })
    proof.guest(call).refused('EINVAL')
    proof.device(call).untouched()
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'dm/019',
  'from dm-linear over a disk that copies to dm-linear over one that does not, and back',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const copying = await dm.linear(await disk('large'), MiB(1), MiB(8))
    const plain = await dm.linear(await disk('nocopy'), MiB(2), MiB(8))
    const [there, back] = [pattern(MiB(1)), pattern(MiB(1))]
    await copying.write(0, there)
    await plain.write(0, back)
    const call = await copy([
      { path: 'never', from: copying.at(0), to: plain.at(MiB(4)), bytes: MiB(1) },
      { path: 'never', from: plain.at(0), to: copying.at(MiB(4)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(plain).changedOnly(MiB(4), there)
    await proof.host(copying).changedOnly(MiB(4), back)
  },
)
