// dm-mirror: what its legs differ in is copied by dm-kcopyd when the table goes live.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import type { DeviceMapper } from '../fixtures/device-mapper.ts'
import { linear, mirror } from '../fixtures/rows.ts'
import type { Place } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import type { Volume } from '../fixtures/volume.ts'
import { offloadedBytes, readsBegin } from './watching.ts'

const region = KiB(256)

/** Puts a mirror together and waits until its legs are the same. */
async function resync(
  dm: DeviceMapper,
  legs: readonly Place[],
  bytes: number,
  regionBytes = region,
): Promise<void> {
  await synced(await dm.table([mirror(legs, bytes, regionBytes)]), Math.ceil(bytes / regionBytes))
}

function synced(volume: Volume, regions: number): Promise<void> {
  return volume.becomes(new RegExp(` mirror .* ${regions}/${regions} 1 A+ `))
}

kernelCase(
  'kcopyd/001',
  'the resync of a mirror inside a namespace is offloaded',
  { offloads: ['dm-kcopyd', 'nvme-same-namespace'], needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(4))
    await ns.write(0, data)
    const [from, to] = [ns.at(0), ns.at(MiB(16))]
    const call = await session.watch({ path: 'dm-kcopyd', from, to, bytes: MiB(4) }, () =>
      resync(dm, [from, to], MiB(4)),
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload')
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)

kernelCase(
  'kcopyd/002',
  'the resync of a mirror from namespace to namespace is offloaded',
  {
    offloads: ['dm-kcopyd', 'nvme-cross-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'],
  },
  async ({ disk, pattern, proof, dm, session }) => {
    const [source, destination] = [await disk('large'), await disk('small')]
    const data = pattern(MiB(2))
    await source.write(MiB(1), data)
    const [from, to] = [source.at(MiB(1)), destination.at(MiB(16))]
    const call = await session.watch({ path: 'dm-kcopyd', from, to, bytes: MiB(2) }, () =>
      resync(dm, [from, to], MiB(2)),
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload')
    await proof.host(destination).changedOnly(MiB(16), data)
    await proof.host(source).unchanged()
  },
)

kernelCase(
  'kcopyd/003',
  'the legs of a mirror on two controllers: read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const [source, destination] = [await disk('large'), await disk('4k')]
    const data = pattern(MiB(2))
    await source.write(MiB(1), data)
    const [from, to] = [source.at(MiB(1)), destination.at(MiB(16))]
    const call = await session.watch({ path: 'never', from, to, bytes: MiB(2) }, () =>
      resync(dm, [from, to], MiB(2)),
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(destination).changedOnly(MiB(16), data)
    await proof.host(source).unchanged()
  },
)

kernelCase(
  'kcopyd/004',
  'legs on a disk that may not copy: read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints', 'limits'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(2))
    await ns.write(0, data)
    await session.setQueue(ns, session.profile.sysfs.limit, '0')
    const [from, to] = [ns.at(0), ns.at(MiB(16))]
    const call = await session.watch({ path: 'dm-kcopyd', from, to, bytes: MiB(2) }, () =>
      resync(dm, [from, to], MiB(2)),
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)

kernelCase(
  'kcopyd/005',
  'legs on dm-linear whose pieces are no whole regions are offloaded',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'],
  },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const first = await dm.table([linear(ns, MiB(1), KiB(100)), linear(ns, MiB(4), MiB(2))])
    const second = await dm.table([linear(ns, MiB(20), MiB(1) + 512), linear(ns, MiB(16), MiB(1))])
    const data = pattern(MiB(2))
    await first.write(0, data)
    const [from, to] = [first.at(0), second.at(0)]
    const call = await session.watch({ path: ['dm-kcopyd', 'dm-linear'], from, to, bytes: MiB(2) }, () =>
      resync(dm, [from, to], MiB(2)),
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload')
    await proof.host(second).changedOnly(0, data)
  },
)

kernelCase(
  'kcopyd/006',
  'a leg on dm-crypt: read and written, and the ciphertext is right',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'CONFIG_DM_CRYPT', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const secret = await dm.crypt(await dm.linear(ns, MiB(16), MiB(4)))
    const data = pattern(MiB(2))
    await ns.write(0, data)
    const [from, to] = [ns.at(0), secret.at(MiB(1))]
    const call = await session.watch({ path: 'never', from, to, bytes: MiB(2) }, () =>
      resync(dm, [from, to], MiB(2)),
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(secret).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'kcopyd/007',
  'three legs: the first is read once and written twice, by the host',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(2))
    await ns.write(0, data)
    const legs = [ns.at(0), ns.at(MiB(8)), ns.at(MiB(16))] as const
    const [from, ...others] = legs
    const call = await session.watch(
      others.map((to) => ({ path: 'dm-kcopyd', from, to, bytes: MiB(2) })),
      () => resync(dm, legs, MiB(2)),
    )
    proof.guest(call).fellBack()
    const { reads } = proof.device(call).fellBack()
    expect(reads.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(MiB(2))
    await proof.host(ns).changedOnlyIn([
      [MiB(8), data],
      [MiB(16), data],
    ])
  },
)

kernelCase(
  'kcopyd/008',
  'regions longer than a sub-job, and a last one that is short',
  { offloads: ['dm-kcopyd', 'nvme-same-namespace'], needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    // Each of its Copy commands has 32 KiB at most, a sub-job 512 KiB.
    const ns = await disk('small')
    const bytes = MiB(9) + KiB(4) + 512
    const data = pattern(bytes)
    await ns.write(512, data)
    const [from, to] = [ns.at(512), ns.at(MiB(16))]
    const call = await session.watch({ path: 'dm-kcopyd', from, to, bytes }, () =>
      resync(dm, [from, to], bytes, MiB(4)),
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload')
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)

kernelCase(
  'kcopyd/009',
  'after a copy that fails the client reads and writes all for a while, and another client does not',
  {
    offloads: ['dm-kcopyd', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'CONFIG_FAIL_MAKE_REQUEST', 'tracepoints'],
  },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(2))
    await ns.write(0, data)
    const [from, to, other] = [ns.at(0), ns.at(MiB(16)), ns.at(MiB(20))]
    await session.failBios(ns, 1)
    const first = await session.watch({ path: 'dm-kcopyd', from, to, bytes: MiB(2) }, () =>
      resync(dm, [from, to], MiB(2)),
    )
    await session.restore()
    proof.guest(first).moved('traced')
    proof.device(first).moved('traced')
    expect(offloadedBytes(session, first)).toBe(0)
    const second = await session.watch({ path: 'dm-kcopyd', from, to: other, bytes: MiB(2) }, () =>
      resync(dm, [from, other], MiB(2)),
    )
    proof.guest(second).moved('offload')
    proof.device(second).moved('offload')
    await proof.host(ns).changedOnlyIn([
      [MiB(16), data],
      [MiB(20), data],
    ])
  },
)

kernelCase(
  'kcopyd/010',
  'a leg that is suspended: what is under way is read and waits, and all of it arrives',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'],
  },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(4))
    await ns.write(0, data)
    const leg = await dm.linear(ns, MiB(16), MiB(8))
    const [from, to] = [ns.at(0), leg.at(0)]
    await leg.suspend()
    const call = await session.watch(
      { path: ['dm-kcopyd', 'dm-linear'], from, to, bytes: MiB(4) },
      async () => {
        const begun = await readsBegin(session, ns)
        const volume = await dm.table([mirror([from, to], MiB(4), region)])
        await begun()
        await leg.resume()
        await synced(volume, MiB(4) / region)
      },
    )
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    expect(offloadedBytes(session, call)).toBeLessThan(MiB(4))
    await proof.host(leg).changedOnly(0, data)
  },
)

kernelCase(
  'kcopyd/011',
  'a copy that the device cannot write is read and written, and the leg is known to be bad',
  { offloads: ['dm-kcopyd', 'null-blk'], needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'] },
  async ({ pattern, proof, dm, session }) => {
    const nb = await session.nullBlk({ maxCopySectors: 8192, badblocks: [[MiB(5), 512]] })
    const data = pattern(MiB(1))
    await nb.write(0, data)
    const [from, to] = [nb.at(0), nb.at(MiB(4))]
    // The last region has the bad block: neither the copy of it nor the write reaches the disk.
    const call = await session.watch(
      { path: ['dm-kcopyd', 'null-blk'], from, to, bytes: data.bytes },
      async () => {
        const volume = await dm.table([mirror([from, to], data.bytes + KiB(64), KiB(64))])
        await volume.becomes(/ 16\/17 1 AS /)
      },
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload', { failed: 2 })
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'kcopyd/012',
  'without memory for the offload all is read and written, with what is reserved',
  {
    offloads: ['dm-kcopyd', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'CONFIG_FAILSLAB', 'tracepoints'],
  },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(2))
    await ns.write(0, data)
    const [from, to] = [ns.at(0), ns.at(MiB(16))]
    await session.failAllocations({ times: -1, hurried: true })
    const call = await session.watch({ path: 'dm-kcopyd', from, to, bytes: MiB(2) }, () =>
      resync(dm, [from, to], MiB(2)),
    )
    await session.restore()
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)

kernelCase(
  'kcopyd/013',
  'a mirror that is taken down in the middle of its resync waits for what is under way',
  { offloads: ['dm-kcopyd', 'null-blk'], needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'tracepoints'] },
  async ({ pattern, proof, dm, session }) => {
    // All of it would take a second and more.
    const slow = { maxCopySectors: 128, completionNs: 100_000_000, hwQueueDepth: 2, submitQueues: 1 }
    const nb = await session.nullBlk(slow)
    const data = pattern(MiB(4))
    await nb.write(0, data)
    const [from, to] = [nb.at(0), nb.at(MiB(4))]
    const path = ['dm-kcopyd', 'null-blk'] as const
    const call = await session.watch({ path, from, to, bytes: data.bytes }, async () => {
      await dm.remove(await dm.table([mirror([from, to], data.bytes, region)]))
    })
    const copied = offloadedBytes(session, call)
    expect(copied).toBeGreaterThan(0)
    expect(copied).toBeLessThan(data.bytes)
    expect(copied % region).toBe(0)
    proof.guest(call).stopped('0', copied, 'offload')
    proof.device(call).stopped(copied, 'offload')
    await proof.host(nb).changedOnly(MiB(4), data.part(0, copied))
  },
)

kernelCase(
  'kcopyd/014',
  'a bio that fails in the middle of a sub-job: only what comes after it is read and written',
  {
    offloads: ['dm-kcopyd', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_MIRROR', 'CONFIG_FAIL_MAKE_REQUEST', 'tracepoints', 'limits'],
  },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(KiB(512))
    await ns.write(MiB(1), data)
    const [from, to] = [ns.at(MiB(1)), ns.at(MiB(16))]
    // Two commands, of which the second begins when the first has ended: its first bio fails.
    await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(256)))
    await session.failBios(ns, 1, { spared: KiB(600) })
    const call = await session.watch({ path: 'dm-kcopyd', from, to, bytes: data.bytes }, () =>
      resync(dm, [from, to], data.bytes, data.bytes),
    )
    await session.restore()
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    expect(offloadedBytes(session, call)).toBe(KiB(256))
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)
