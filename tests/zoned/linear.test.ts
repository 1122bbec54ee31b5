// Device mapper over zoned devices: dm-linear hands copies on, and whoever emulates zone append takes none.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = ['dm-linear', 'dm-linear-zoned'] as const

kernelCase(
  'zoned/060',
  'dm-linear over some zones of a ZNS namespace',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'CONFIG_BLK_DEV_DM'] },
  async ({ disk, session, copy, pattern, proof, dm }) => {
    const ns = await disk('zns')
    const volume = await dm.linear(ns, MiB(4), MiB(8))
    const data = pattern(MiB(1.25))
    await session.zones.append(volume, MiB(2), data)
    const call = await copy({ path, from: volume.at(MiB(2)), to: volume.at(0), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(0, data)
    const state = ['implicitly-open', data.bytes] as const
    await session.zones.are(volume, { 0: state, 1: state })
    await session.zones.are(ns, { 2: state, 3: state })
  },
)

kernelCase(
  'zoned/061',
  'dm-linear, over the boundaries of zones and of two targets that are swapped on the device',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'CONFIG_BLK_DEV_DM'] },
  async ({ disk, session, copy, pattern, proof, dm }) => {
    const ns = await disk('zns4k')
    const volume = await dm.table([
      linear(ns, MiB(4), MiB(4)),
      linear(ns, 0, MiB(4)),
      linear(ns, MiB(8), MiB(8)),
    ])
    const data = pattern(MiB(6))
    await volume.write(MiB(8), data)
    await session.zones.must('finish', volume, MiB(8), MiB(8))
    const call = await copy({ path, from: volume.at(MiB(8)), to: volume.at(0), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(0, data)
    await session.zones.are(ns, { 0: ['implicitly-open', MiB(2)], 1: 'full', 2: 'full', 3: 'full' })
  },
)

kernelCase(
  'zoned/062',
  'dm-linear on dm-linear, writes and copies take turns in a zone',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'CONFIG_BLK_DEV_DM'] },
  async ({ disk, session, copy, pattern, proof, dm }) => {
    const ns = await disk('zns')
    const lower = await dm.linear(ns, MiB(2), MiB(12))
    const volume = await dm.linear(lower, MiB(2), MiB(8))
    const [data, next] = [pattern(KiB(64)), pattern(KiB(32))]
    await session.zones.append(volume, 0, data)
    await session.zones.append(volume, MiB(2), next)
    const call = await copy({ path, from: volume.at(0), to: volume.at(MiB(2) + KiB(32)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    session.zones.expect(volume, MiB(2) + KiB(32), data.data)
    await session.zones.append(volume, MiB(2) + KiB(96), next)
    await proof.host(volume).unchanged()
    await session.zones.are(ns, { 2: ['implicitly-open', KiB(64)], 3: ['implicitly-open', KiB(128)] })
  },
)

kernelCase(
  'zoned/063',
  'dm-linear, no fallback, not at the write pointer: EIO, and the next write succeeds at once',
  {
    needs: ['CONFIG_BLK_DEV_ZONED', 'CONFIG_BLK_DEV_DM'],
    offloads: ['nvme-zoned', 'dm-linear', 'dm-linear-zoned'],
  },
  async ({ disk, session, copy, pattern, proof, dm }) => {
    const ns = await disk('zns')
    const volume = await dm.linear(ns, MiB(4), MiB(8))
    const data = pattern(KiB(64))
    await session.zones.append(volume, 0, data)
    await session.zones.append(volume, MiB(2), data)
    const call = await copy(
      { path, from: volume.at(0), to: volume.at(MiB(2) + KiB(128)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EIO')
    proof.device(call).untouched()
    await session.zones.append(volume, MiB(2) + KiB(64), data)
    await proof.host(volume).unchanged()
    await session.zones.are(volume, { 0: ['implicitly-open', KiB(64)], 1: ['implicitly-open', KiB(128)] })
  },
)

kernelCase(
  'zoned/064',
  'dm-crypt over a ZNS namespace: read, and written in order',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'CONFIG_DM_CRYPT'] },
  async ({ disk, session, copy, pattern, proof, dm }) => {
    const ns = await disk('zns')
    const volume = await dm.crypt(ns)
    const data = pattern(KiB(700))
    await session.zones.append(volume, 0, data)
    const limit = session.profile.sysfs.hardwareLimit
    if (session.offloads('nvme-zoned')) expect(await session.getQueue(volume, limit)).toBe('0')
    const call = await copy({
      path: 'dm-crypt',
      from: volume.at(0),
      to: volume.at(MiB(2)),
      bytes: data.bytes,
    })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(2), data)
    const state = ['implicitly-open', data.bytes] as const
    await session.zones.are(ns, { 0: state, 1: state })
  },
)

kernelCase(
  'zoned/065',
  'dm-linear over null_blk: conventional zones alone, which look like a disk without zones',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED', 'CONFIG_BLK_DEV_DM'] },
  async ({ session, copy, pattern, proof, dm }) => {
    const nb = await session.nullBlk({
      ...{ bytes: MiB(16), maxCopySectors: 8192 },
      zoned: { zoneBytes: MiB(2), conventional: 5 },
    })
    const volume = await dm.linear(nb, 0, MiB(10))
    expect(await session.getQueue(volume, 'zoned')).toBe('none')
    const data = pattern(MiB(3))
    await volume.write(KiB(4), data)
    // The device does not take a copy over a boundary of zones, which nobody above knows of.
    const call = await copy({ path, from: volume.at(KiB(4)), to: volume.at(MiB(5) + 512), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(5) + 512, data)
    await session.zones.are(nb, {})
  },
)

kernelCase(
  'zoned/066',
  'dm-linear over zones of two null_blk devices',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED', 'CONFIG_BLK_DEV_DM'] },
  async ({ session, copy, pattern, proof, dm }) => {
    const options = { bytes: MiB(8), maxCopySectors: 8192, zoned: { zoneBytes: MiB(2) } }
    const [a, b] = [await session.nullBlk(options), await session.nullBlk(options)]
    const volume = await dm.table([linear(a, 0, MiB(4)), linear(b, MiB(4), MiB(4))])
    const data = pattern(MiB(2) + KiB(100))
    await session.zones.append(volume, 0, data)
    const call = await copy({ path, from: volume.at(0), to: volume.at(MiB(4)), bytes: data.bytes })
    // One driver copies between both.
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload')
    await proof.host(volume).changedOnly(MiB(4), data)
    const rest = ['implicitly-open', KiB(100)] as const
    await session.zones.are(a, { 0: 'full', 1: rest })
    await session.zones.are(b, { 2: 'full', 3: rest })
  },
)
