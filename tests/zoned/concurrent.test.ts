// Several writers at once, and copies that end early: zone write plugging keeps the order.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyRequest } from '../fixtures/copy.ts'
import { beginLong, longBytes, slowDisk, soonMs } from '../fixtures/long-copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { errorIn, writeCommand } from '../fixtures/zones.ts'

const path = 'nvme-zoned'

kernelCase(
  'zoned/080',
  'a write behind a copy under way waits for it',
  { needs: ['CONFIG_BLK_DEV_ZONED'], offloads: 'nvme-zoned' },
  async ({ disk, session, pattern, proof }) => {
    const ns = await disk('zns-slow')
    const [data, next] = [pattern(MiB(1.5)), pattern(KiB(64))]
    await ns.write(0, data)
    await session.zones.must('finish', ns, 0, MiB(2))
    const copying = await session.begin({ path, from: ns.at(0), to: ns.at(MiB(2)), bytes: data.bytes })
    const output = await copying.meets(writeCommand(ns, MiB(3.5), next))
    expect(errorIn(output, 'write')).toBe('0')
    session.zones.expect(ns, MiB(3.5), next.data)
    const call = await copying.done()
    proof.guest(call).moved()
    proof.device(call).moved('profile', {
      besides: [{ disk: ns.name, offset: MiB(3.5), bytes: next.bytes }],
    })
    await proof.host(ns).changedOnly(MiB(2), data)
    await session.zones.are(ns, { 0: 'full', 1: ['implicitly-open', MiB(1.5) + KiB(64)] })
  },
)

kernelCase(
  'zoned/082',
  'four copies at once into four zones',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({
      ...{ bytes: MiB(16), maxCopySectors: 64, hwQueueDepth: 2, submitQueues: 1 },
      zoned: { zoneBytes: MiB(2), conventional: 4 },
    })
    const data = pattern(MiB(2))
    await nb.write(0, data)
    const call = await copy(
      [0, 1, 2, 3].map((zone): CopyRequest => {
        const bytes = KiB(500)
        return { path: 'null-zoned', from: nb.at(zone * bytes), to: nb.at(MiB(8) + zone * MiB(2)), bytes }
      }),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof
      .host(nb)
      .changedOnlyIn(
        [0, 1, 2, 3].map((zone) => [MiB(8) + zone * MiB(2), data.part(zone * KiB(500), KiB(500))]),
      )
    const state = ['implicitly-open', KiB(500)] as const
    await session.zones.are(nb, { 4: state, 5: state, 6: state, 7: state })
  },
)

kernelCase(
  'zoned/083',
  'two copies at once to the same place: one of them is EIO',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'], offloads: 'null-zoned' },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({
      ...{ bytes: MiB(16), maxCopySectors: 2048 },
      zoned: { zoneBytes: MiB(2), conventional: 4 },
    })
    const data = pattern(KiB(256))
    await nb.write(0, data)
    const request = { path: 'null-zoned', from: nb.at(0), to: nb.at(MiB(8)), bytes: data.bytes } as const
    const call = await copy([request, request])
    proof.guest(call).oneMoved('EIO')
    // The other was failed by the kernel, which knows the write pointer by then.
    proof.device(call).reached(data.bytes, 'traced')
    await proof.host(nb).changedOnly(MiB(8), data)
    await session.zones.are(nb, { 4: ['implicitly-open', data.bytes] })
  },
)

/** A slow null_blk, see long-copy.ts: zone 0 is conventional, and three sequential ones come behind it. */
const slow = { bytes: MiB(8), zoned: { zoneBytes: MiB(2), conventional: 1 } }

kernelCase(
  'zoned/084',
  'a copy is killed: what it says was copied is there, and the zone can be written where it ended',
  {
    needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED', 'limits'],
    offloads: 'null-zoned',
  },
  async ({ session, pattern, proof }) => {
    const nb = await slowDisk(session, slow)
    const [data, next] = [pattern(longBytes), pattern(KiB(4))]
    await nb.write(0, data)
    const request = { path: 'null-zoned', from: nb.at(0), to: nb.at(MiB(2)), bytes: data.bytes } as const
    const copying = await beginLong(session, request)
    const { waitedMs } = await copying.kill()
    expect(waitedMs).toBeLessThan(soonMs)
    const call = await copying.done()
    const { copied } = proof.guest(call).killed()
    expect(copied).toBeGreaterThan(0)
    expect(copied).toBeLessThan(data.bytes)
    proof.device(call).reached(copied)
    session.zones.expect(nb, MiB(2), data.part(0, copied).data)
    await session.zones.append(nb, MiB(2) + copied, next)
    await proof.host(nb).unchanged()
    await session.zones.are(nb, { 1: ['implicitly-open', copied + next.bytes] })
  },
)

kernelCase(
  'zoned/085',
  'a zone is reset under a copy: EIO, and the zone takes copies afterwards',
  {
    needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED', 'limits'],
    offloads: 'null-zoned',
  },
  async ({ session, copy, pattern, proof }) => {
    const nb = await slowDisk(session, slow)
    const data = pattern(longBytes)
    await nb.write(0, data)
    const request = { path: 'null-zoned', from: nb.at(0), to: nb.at(MiB(4)), bytes: data.bytes } as const
    const copying = await beginLong(session, request)
    await session.zones.must('reset', nb, MiB(4), MiB(2))
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeLessThan(data.bytes)
    proof.device(call).reached(0, 'traced', { failed: 'some', others: 1 })
    await session.zones.are(nb, {})
    const again = await copy({ ...request, bytes: KiB(1) })
    proof.guest(again).moved()
    proof.device(again).moved()
    await proof.host(nb).changedOnly(MiB(4), data.part(0, KiB(1)))
    await session.zones.are(nb, { 2: ['implicitly-open', KiB(1)] })
  },
)

kernelCase(
  'zoned/086',
  'the queue is frozen while a copy is under way and a write waits behind it in the zone',
  { needs: ['CONFIG_BLK_DEV_ZONED'], offloads: 'nvme-zoned' },
  async ({ disk, session, pattern, proof }) => {
    const ns = await disk('zns-slow')
    const [data, next] = [pattern(MiB(1.5)), pattern(KiB(64))]
    await ns.write(0, data)
    await session.zones.must('finish', ns, 0, MiB(2))
    const copying = await session.begin({ path, from: ns.at(0), to: ns.at(MiB(2)), bytes: data.bytes })
    const writing = copying.meets(writeCommand(ns, MiB(3.5), next))
    // A limit is changed in a queue that is frozen.
    await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(512)))
    expect(errorIn(await writing, 'write')).toBe('0')
    session.zones.expect(ns, MiB(3.5), next.data)
    const call = await copying.done()
    proof.guest(call).moved()
    proof.device(call).moved('profile', { besides: [{ disk: ns.name, offset: MiB(3.5), bytes: next.bytes }] })
    await proof.host(ns).changedOnly(MiB(2), data)
    await session.zones.are(ns, { 0: 'full', 1: ['implicitly-open', MiB(1.5) + KiB(64)] })
  },
)
