// Volumes over two disks: what lies on one disk may be offloaded, the rest is read and written.
import { expect } from 'vitest'
import { outside } from '../../harness/evidence/ranges.ts'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'dm/031',
  'a source over two controllers: just the part beside the destination is offloaded',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [near, far] = [await disk('large'), await disk('4k')]
    const from = await dm.table([linear(near, MiB(1), MiB(1)), linear(far, MiB(2), MiB(2))])
    const to = await dm.linear(near, MiB(16), MiB(8))
    const data = pattern(MiB(2))
    await from.write(KiB(4), data)
    const call = await copy({ path: 'dm-linear', from: from.at(KiB(4)), to: to.at(MiB(1)), bytes: MiB(2) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(near).changedOnly(MiB(17), data)
    await proof.host(far).unchanged()
  },
)

kernelCase(
  'dm/032',
  'a destination over two controllers: just the part beside the source is offloaded',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [near, far] = [await disk('large'), await disk('4k')]
    const from = await dm.linear(near, MiB(16), MiB(8))
    const to = await dm.table([linear(near, MiB(1), MiB(1)), linear(far, MiB(2), MiB(2))])
    const data = pattern(MiB(2))
    await from.write(KiB(4), data)
    const call = await copy({ path: 'dm-linear', from: from.at(KiB(4)), to: to.at(KiB(4)), bytes: MiB(2) })
    proof.guest(call).moved()
    proof.device(call).moved()
    const here = MiB(1) - KiB(4)
    await proof.host(near).changedOnly(MiB(1) + KiB(4), data.part(0, here))
    await proof.host(far).changedOnly(MiB(2), data.part(here, data.bytes - here))
  },
)

kernelCase(
  'dm/033',
  'two controllers and no fallback: stops at the boundary and says so',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [near, far] = [await disk('large'), await disk('4k')]
    const from = await dm.table([linear(near, MiB(1), MiB(1)), linear(far, MiB(2), MiB(2))])
    const data = pattern(MiB(1) - KiB(4))
    await from.write(KiB(4), data)
    const call = await copy(
      { path: 'dm-linear', from: from.at(KiB(4)), to: near.at(MiB(16)), bytes: MiB(2) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).stopped('EIO', data.bytes, 'offload')
    proof.device(call).stopped(data.bytes, 'offload')
    await proof.host(near).changedOnly(MiB(16), data)
    await proof.host(far).unchanged()
  },
)

kernelCase(
  'dm/034',
  'two controllers and no fallback: refused when the first byte would need it',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, proof, dm }) => {
    const [near, far] = [await disk('large'), await disk('4k')]
    const from = await dm.table([linear(far, MiB(2), MiB(1)), linear(near, MiB(1), MiB(2))])
    const call = await copy(
      { path: 'dm-linear', from: from.at(KiB(4)), to: near.at(MiB(16)), bytes: MiB(2) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(near).unchanged()
    await proof.host(far).unchanged()
  },
)

kernelCase(
  'dm/035',
  'two controllers, the part that no device can do first',
  { needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [near, far] = [await disk('large'), await disk('4k')]
    const from = await dm.table([linear(far, MiB(2), MiB(1)), linear(near, MiB(1), MiB(2))])
    const data = pattern(MiB(2))
    await from.write(KiB(4), data)
    const call = await copy({ path: 'dm-linear', from: from.at(KiB(4)), to: near.at(MiB(16)), bytes: MiB(2) })
    // The rest may be offloaded or not, as three witnesses say, but what is on the other controller cannot be.
    proof.guest(call).moved('traced')
    const { writes } = proof.device(call).moved('traced')
    expect(outside([{ offset: MiB(16), bytes: MiB(1) - KiB(4) }], writes)).toEqual([])
    await proof.host(near).changedOnly(MiB(16), data)
    await proof.host(far).unchanged()
  },
)

kernelCase(
  'dm/036',
  'two namespaces of one controller',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const [here, there] = [await disk('large'), await disk('small')]
    const from = await dm.table([linear(here, MiB(1), MiB(1)), linear(there, MiB(2), MiB(2))])
    const data = pattern(MiB(2))
    await from.write(KiB(4), data)
    const call = await copy({ path: 'dm-linear', from: from.at(KiB(4)), to: here.at(MiB(16)), bytes: MiB(2) })
    const way = (move: { from: { disk: string }; to: { disk: string } }) =>
      session.offloads(['dm-linear', 'nvme-same-namespace']) &&
      (move.from.disk === move.to.disk || session.offloads('nvme-cross-namespace'))
    proof.guest(call).moved(way)
    proof.device(call).moved(way)
    await proof.host(here).changedOnly(MiB(16), data)
    await proof.host(there).unchanged()
  },
)

kernelCase(
  'dm/037',
  'a volume over NVMe and SCSI is never offloaded, and right on both',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const volume = await dm.table([
      linear(ns, MiB(1), MiB(4)),
      linear(scsi, MiB(2), MiB(4)),
      linear(ns, MiB(16), MiB(4)),
    ])
    const data = pattern(MiB(2))
    await volume.write(KiB(512), data)
    const call = await copy({
      path: 'never',
      from: volume.at(KiB(512)),
      to: volume.at(MiB(7)),
      bytes: MiB(2),
    })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(scsi).changedOnly(MiB(5), data.part(0, MiB(1)))
    await proof.host(ns).changedOnly(MiB(16), data.part(MiB(1), MiB(1)))
  },
)

kernelCase(
  'dm/038',
  'a volume over two null_blk devices, which copy for each other',
  { needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ copy, pattern, proof, dm, session }) => {
    const [first, second] = [
      await session.nullBlk({ maxCopySectors: 128 }),
      await session.nullBlk({ maxCopySectors: 1024 }),
    ]
    const volume = await dm.table([linear(first, MiB(2), MiB(2) + 512), linear(second, MiB(1), MiB(4))])
    const data = pattern(KiB(600))
    await volume.write(MiB(2) - KiB(300), data)
    const call = await copy({
      path: ['dm-linear', 'null-blk'],
      from: volume.at(MiB(2) - KiB(300)),
      to: volume.at(MiB(4)),
      bytes: data.bytes,
    })
    const way = session.offloads(['dm-linear', 'null-blk']) ? 'offload' : 'fallback'
    proof.guest(call).moved(way)
    proof.device(call).moved(way)
    await proof.host(first).unchanged()
    await proof.host(second).changedOnly(MiB(1) + MiB(2) - 512, data)
  },
)

kernelCase(
  'dm/039',
  'from dm-linear over blocks of 512 bytes to dm-linear over blocks of 4096 bytes, and back',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const small = await dm.linear(await disk('large'), MiB(1) + 512, MiB(8))
    const big = await dm.linear(await disk('large4k'), KiB(4), MiB(8))
    const [there, back] = [pattern(MiB(1)), pattern(MiB(1))]
    await small.write(512 * 8, there)
    await big.write(0, back)
    // No Copy command can do this: it counts in the blocks of one format.
    const call = await copy([
      { path: 'never', from: small.at(512 * 8), to: big.at(MiB(4)), bytes: MiB(1) },
      { path: 'never', from: big.at(0), to: small.at(MiB(4)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(big).changedOnly(MiB(4), there)
    await proof.host(small).changedOnly(MiB(4), back)
  },
)
