// queue/copy_max_bytes and queue/copy_max_hw_bytes of a volume, and of the disks below it.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { crypt, linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { hardwareLimit } from './hardware-limit.ts'

kernelCase(
  'dm/040',
  'copy_max_hw_bytes of a volume is the least of the disks below',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const [large, small] = [await disk('large'), await disk('small')]
    const limits = [await hardwareLimit(session, large), await hardwareLimit(session, small)]
    const least = Math.min(...limits)
    expect(least).toBeGreaterThan(0)
    expect(least).toBeLessThan(Math.max(...limits))
    const volume = await dm.table([linear(large, 0, MiB(8)), linear(small, MiB(1), MiB(8))])
    expect(await hardwareLimit(session, volume)).toBe(least)
    expect(await hardwareLimit(session, await dm.linear(volume, KiB(4), MiB(12)))).toBe(least)
    expect(await hardwareLimit(session, await dm.linear(large, 0, MiB(8)))).toBe(Math.max(...limits))

    // On the disk that could do more, too, no command is longer.
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).moved()
    const { copySources } = proof.device(call).moved()
    for (const { bytes } of copySources) expect(bytes).toBeLessThanOrEqual(least)
    await proof.host(large).changedOnly(MiB(4), data)
    await proof.host(small).unchanged()
  },
)

kernelCase(
  'dm/041',
  'a volume cannot copy when one disk below cannot',
  { needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const [ns, nocopy] = [await disk('large'), await disk('nocopy')]
    const volume = await dm.table([linear(ns, 0, MiB(8)), linear(nocopy, MiB(1), MiB(8))])
    expect(await hardwareLimit(session, volume)).toBe(0)
    expect(await session.getQueue(volume, session.profile.sysfs.limit)).toBe('0')
    const upper = await dm.linear(volume, 0, MiB(8))
    expect(await hardwareLimit(session, upper)).toBe(0)

    const data = pattern(MiB(1))
    await upper.write(0, data)
    const call = await copy({ path: 'never', from: upper.at(0), to: upper.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(4), data)
    await proof.host(nocopy).unchanged()
  },
)

kernelCase(
  'dm/042',
  'a linear target beside a dm-crypt target is not offloaded',
  { needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_DM_CRYPT', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const key = pattern(64).data
    const volume = await dm.table([linear(ns, MiB(1), MiB(8)), crypt(ns, MiB(16), MiB(8), key)])
    expect(await hardwareLimit(session, volume)).toBe(0)

    const [within, across] = [pattern(MiB(1)), pattern(MiB(1))]
    await volume.write(0, within)
    await volume.write(MiB(2), across)
    const call = await copy([
      { path: 'never', from: volume.at(0), to: volume.at(MiB(4)), bytes: MiB(1) },
      // Half of it becomes ciphertext.
      { path: 'never', from: volume.at(MiB(2)), to: volume.at(MiB(8) - KiB(512)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnlyIn([
      [MiB(4), within],
      [MiB(8) - KiB(512), across],
    ])
  },
)

kernelCase(
  'dm/043',
  'what the user sets for a volume survives its next table',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const [first, second] = [await disk('large'), await disk('small')]
    const volume = await dm.linear(first, MiB(1), MiB(16))
    await session.setQueue(volume, session.profile.sysfs.limit, String(KiB(8)))
    await volume.reload([linear(second, MiB(2), MiB(16))])
    expect(await session.getQueue(volume, session.profile.sysfs.limit)).toBe(String(KiB(8)))
    expect(await hardwareLimit(session, volume)).toBe(await hardwareLimit(session, second))

    const data = pattern(KiB(256))
    await volume.write(0, data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(0),
      to: volume.at(MiB(8)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    const { copies, copySources } = proof.device(call).moved()
    expect(copies.length).toBeGreaterThanOrEqual(data.bytes / KiB(8))
    for (const { bytes } of copySources) expect(bytes).toBeLessThanOrEqual(KiB(8))
    await proof.host(second).changedOnly(MiB(10), data)
    await proof.host(first).unchanged()
  },
)

kernelCase(
  'dm/044',
  'an offload that the user has turned off stays off with the next table',
  { needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const volume = await dm.linear(ns, MiB(1), MiB(8))
    await session.setQueue(volume, session.profile.sysfs.limit, '0')
    await volume.reload([linear(ns, MiB(16), MiB(8))])
    expect(await session.getQueue(volume, session.profile.sysfs.limit)).toBe('0')

    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(4), data)
    const refused = await copy(
      { path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(6)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(refused).refused('EOPNOTSUPP')
    proof.device(refused).untouched()
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'dm/045',
  'a lower limit of the disk below makes shorter commands, which are still offloaded',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const volume = await dm.linear(await dm.linear(ns, MiB(1), MiB(20)), KiB(4), MiB(16))
    await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(32)))
    const data = pattern(MiB(1) + 512)
    await volume.write(0, data)
    const call = await copy(
      { path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(8)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    const { copies, copySources } = proof.device(call).moved()
    expect(copies.length).toBeGreaterThan(MiB(1) / KiB(32))
    for (const { bytes } of copySources) expect(bytes).toBeLessThanOrEqual(KiB(32))
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/046',
  'a limit of 0 of the disk below turns offload off',
  { needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const volume = await dm.linear(ns, MiB(1), MiB(16))
    await session.setQueue(ns, session.profile.sysfs.limit, '0')
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(8), data)
    const refused = await copy(
      { path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(12)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(refused).refused('EOPNOTSUPP')
    proof.device(refused).untouched()
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'dm/047',
  'with each table a volume can do what the disk below can do',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const able = await hardwareLimit(session, ns)
    const volume = await dm.linear(scsi, MiB(1), MiB(8))
    expect(await hardwareLimit(session, volume)).toBe(0)

    await volume.reload([linear(ns, MiB(2), MiB(8))])
    expect(await hardwareLimit(session, volume)).toBe(able)
    const first = pattern(MiB(1))
    await volume.write(0, first)
    const offloaded = await copy({
      path: 'dm-linear',
      from: volume.at(0),
      to: volume.at(MiB(4)),
      bytes: MiB(1),
    })
    proof.guest(offloaded).moved()
    proof.device(offloaded).moved()
    await proof.host(ns).changedOnly(MiB(6), first)

    await volume.reload([linear(scsi, MiB(3), MiB(8))])
    expect(await hardwareLimit(session, volume)).toBe(0)
    const second = pattern(MiB(1))
    await volume.write(0, second)
    const read = await copy({ path: 'never', from: volume.at(0), to: volume.at(MiB(4)), bytes: MiB(1) })
    proof.guest(read).fellBack()
    proof.device(read).fellBack()
    await proof.host(scsi).changedOnly(MiB(7), second)
    await proof.host(ns).unchanged()
  },
)
