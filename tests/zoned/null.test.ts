// null_blk with zones: conventional ones, offline and read-only ones, limits, and what a device does not promise.
import { expect } from 'vitest'
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { type NullBlk, type NullZones, unwritten } from '../fixtures/null-blk.ts'
import { delay, linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'null-zoned'

/** Eight zones of 2 MiB. */
function zoned({ session }: Pick<CaseTools, 'session'>, zones: Partial<NullZones> = {}): Promise<NullBlk> {
  return session.nullBlk({
    ...{ bytes: MiB(16), maxCopySectors: 2048, maxCopyRanges: 4 },
    zoned: { zoneBytes: MiB(2), ...zones },
  })
}

kernelCase(
  'zoned/040',
  'null_blk: a copy into an empty zone is offloaded and moves its write pointer',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session })
    const data = pattern(KiB(300))
    await session.zones.append(nb, 0, data)
    const call = await copy({ path, from: nb.at(0), to: nb.at(MiB(4)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(MiB(4), data)
    await session.zones.are(nb, {
      0: ['implicitly-open', data.bytes],
      2: ['implicitly-open', data.bytes],
    })
  },
)

kernelCase(
  'zoned/041',
  'null_blk: between conventional and sequential zones, and inside of conventional ones',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session }, { conventional: 3 })
    const [one, two] = [pattern(KiB(300)), pattern(KiB(100))]
    await nb.write(KiB(8), one)
    const calls = [await copy({ path, from: nb.at(KiB(8)), to: nb.at(MiB(6)), bytes: one.bytes })]
    session.zones.expect(nb, MiB(6), one.data)
    await session.zones.append(nb, MiB(8), two)
    calls.push(await copy({ path, from: nb.at(MiB(8)), to: nb.at(MiB(1) + 512), bytes: two.bytes }))
    session.zones.expect(nb, MiB(1) + 512, two.data)
    // Over the boundary of two of them.
    calls.push(await copy({ path, from: nb.at(KiB(8)), to: nb.at(MiB(4) - KiB(77)), bytes: one.bytes }))
    for (const call of calls) {
      proof.guest(call).moved()
      proof.device(call).moved()
    }
    await proof.host(nb).changedOnly(MiB(4) - KiB(77), one)
    await session.zones.are(nb, {
      3: ['implicitly-open', one.bytes],
      4: ['implicitly-open', two.bytes],
    })
  },
)

kernelCase(
  'zoned/042',
  'null_blk: several zones with nothing in between, source and destination',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session })
    const data = pattern(MiB(5))
    await session.zones.append(nb, 0, data)
    const call = await copy({ path, from: nb.at(0), to: nb.at(MiB(8)), bytes: data.bytes })
    proof.guest(call).moved()
    const { copyDestinations } = proof.device(call).moved()
    for (const { offset, bytes } of copyDestinations)
      expect(Math.floor(offset / MiB(2))).toBe(Math.floor((offset + bytes - 1) / MiB(2)))
    await proof.host(nb).changedOnly(MiB(8), data)
    const rest = ['implicitly-open', MiB(1)] as const
    await session.zones.are(nb, { 0: 'full', 1: 'full', 2: rest, 4: 'full', 5: 'full', 6: rest })
  },
)

kernelCase(
  'zoned/043',
  'null_blk: a destination that goes on behind the capacity: EIO, and what was written until then counts',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'], offloads: 'null-zoned' },
  async ({ session, copy, pattern, proof }) => {
    // A command for all of it, which fails; reads and writes of 1 MiB, of which the second fails.
    const nb = await session.nullBlk({
      ...{ bytes: MiB(16), maxCopySectors: 4096 },
      zoned: { zoneBytes: MiB(4), capacityBytes: MiB(2), conventional: 1 },
    })
    const data = pattern(MiB(3))
    await nb.write(0, data)
    await session.zones.append(nb, MiB(4), data.part(0, MiB(1)))
    const call = await copy({ path, from: nb.at(0), to: nb.at(MiB(5)), bytes: MiB(2) })
    const { copied, offloaded } = proof.guest(call).cutShort('EIO')
    expect(copied).toBe(MiB(1))
    expect(offloaded).toBe(0)
    proof.device(call).reached(copied, 'traced', { failed: 'some' })
    await proof.host(nb).changedOnly(MiB(5), data.part(0, MiB(1)))
    await session.zones.are(nb, { 1: 'full' })
  },
)

kernelCase(
  'zoned/044',
  'null_blk: a source with a part behind the write pointer: what a read gives there is copied',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session })
    const data = pattern(KiB(9))
    await session.zones.append(nb, 0, data)
    // And the end of a zone in which nothing is, in front of one that is full, in a page of its own.
    await session.zones.append(nb, MiB(4), pattern(MiB(2)))
    const wanted = Buffer.concat([data.data, Buffer.alloc(KiB(64) - data.bytes, unwritten)])
    const call = await copy({ path, from: nb.at(0), to: nb.at(MiB(8)), bytes: KiB(64) })
    proof.guest(call).moved()
    proof.device(call).moved()
    session.zones.expect(nb, MiB(8), wanted)
    const tail = nb.backing.expectedAt(MiB(4) - KiB(6), KiB(12))
    const second = await copy({
      path,
      from: nb.at(MiB(4) - KiB(6)),
      to: nb.at(MiB(8) + KiB(64)),
      bytes: tail.length,
    })
    proof.guest(second).moved()
    proof.device(second).moved()
    await proof.host(nb).changedOnly(MiB(8) + KiB(64), tail)
    await session.zones.are(nb, {
      0: ['implicitly-open', data.bytes],
      2: 'full',
      4: ['implicitly-open', KiB(76)],
    })
  },
)

kernelCase(
  'zoned/045',
  'null_blk: an offline zone is no source and no destination, a read-only one is no destination',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'], offloads: 'null-zoned' },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session }, { conventional: 1 })
    const data = pattern(KiB(64))
    await nb.write(0, data)
    await session.zones.append(nb, MiB(2), data)
    await nb.setCondition('offline', MiB(4))
    await nb.setCondition('readonly', MiB(2))
    const calls = [
      await copy({ path, from: nb.at(0), to: nb.at(MiB(4)), bytes: data.bytes }),
      await copy({ path, from: nb.at(MiB(4)), to: nb.at(MiB(6)), bytes: data.bytes }),
      // The first part of it could be read.
      await copy({ path, from: nb.at(MiB(4) - KiB(4)), to: nb.at(MiB(6)), bytes: KiB(8) }),
      await copy({ path, from: nb.at(0), to: nb.at(MiB(2)), bytes: data.bytes }),
      await copy({ path, from: nb.at(0), to: nb.at(MiB(2) + data.bytes), bytes: data.bytes }),
    ]
    for (const call of calls) {
      proof.guest(call).stopped('EIO', 0)
      proof.device(call).reached(0, 'traced', { failed: 'some' })
    }
    const good = await copy({ path, from: nb.at(MiB(2)), to: nb.at(MiB(8)), bytes: data.bytes })
    proof.guest(good).moved()
    proof.device(good).moved()
    session.zones.expect(nb, MiB(8), data.data)
    await session.zones.are(nb, {
      1: 'read-only',
      2: 'offline',
      // null_blk opens a zone before it knows whether it can write to it.
      3: ['implicitly-open', 0],
      4: ['implicitly-open', data.bytes],
    })
    // A second time makes them empty, so that the host's witness can read the device.
    await nb.setCondition('offline', MiB(4))
    await nb.setCondition('readonly', MiB(2))
    await proof.host(nb).changedOnly(MiB(2), Buffer.alloc(MiB(2), unwritten))
  },
)

kernelCase(
  'zoned/046',
  'null_blk: too many open zones, and too many active ones',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session }, { conventional: 1, maxOpen: 2, maxActive: 3 })
    const data = pattern(KiB(64))
    await nb.write(0, data)
    await session.zones.must('open', nb, MiB(2), MiB(4))
    const open = await copy({ path, from: nb.at(0), to: nb.at(MiB(6)), bytes: data.bytes })
    await session.zones.report(nb)
    await session.zones.must('close', nb, MiB(4), MiB(2))
    for (const zone of [MiB(4), MiB(6)]) {
      await session.zones.append(nb, zone, data)
      await session.zones.must('close', nb, zone, MiB(2))
    }
    const active = await copy({ path, from: nb.at(0), to: nb.at(MiB(8)), bytes: data.bytes })
    for (const [call, errno] of [[open, 'ETOOMANYREFS'] as const, [active, 'EOVERFLOW'] as const]) {
      proof.guest(call).stopped(errno, 0)
      proof.device(call).reached(0, 'traced', { failed: 'some' })
    }
    await proof.host(nb).unchanged()
    await session.zones.are(nb, {
      1: 'explicitly-open',
      2: ['closed', data.bytes],
      3: ['closed', data.bytes],
    })
  },
)

kernelCase(
  'zoned/047',
  'null_blk: a zone that the device has closed by itself is opened for a copy',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session }, { conventional: 1, maxOpen: 2 })
    const data = pattern(KiB(64))
    await nb.write(0, data)
    const zones = [MiB(2), MiB(4), MiB(6), MiB(2)]
    for (const [index, zone] of zones.entries()) {
      const at = zone + (index === 3 ? data.bytes : 0)
      const call = await copy({ path, from: nb.at(0), to: nb.at(at), bytes: data.bytes })
      proof.guest(call).moved()
      proof.device(call).moved()
      session.zones.expect(nb, at, data.data)
    }
    await proof.host(nb).unchanged()
    await session.zones.are(nb, {
      1: ['implicitly-open', 2 * data.bytes],
      2: ['closed', data.bytes],
      3: ['implicitly-open', data.bytes],
    })
  },
)

kernelCase(
  'zoned/048',
  'null_blk: between a device with zones and one without, both ways',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session })
    const plain = await session.nullBlk({ maxCopySectors: 256 })
    const [one, two] = [pattern(KiB(700)), pattern(KiB(200))]
    await plain.write(512, one)
    await session.zones.append(nb, MiB(2), two)
    const call = await copy([
      { path, from: plain.at(512), to: nb.at(0), bytes: one.bytes },
      { path, from: nb.at(MiB(2)), to: plain.at(MiB(4)), bytes: two.bytes },
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(0, one)
    await proof.host(plain).changedOnly(MiB(4), two)
    await session.zones.are(nb, {
      0: ['implicitly-open', one.bytes],
      1: ['implicitly-open', two.bytes],
    })
  },
)

kernelCase(
  'zoned/049',
  'null_blk: a zone that was reset is copied to from its start, with what was there before',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session })
    const data = pattern(KiB(64))
    await session.zones.append(nb, MiB(2), data)
    await session.zones.append(nb, 0, pattern(KiB(300)))
    await session.zones.must('reset', nb, 0, MiB(2))
    session.zones.expect(nb, 0, Buffer.alloc(MiB(2), unwritten))
    const call = await copy({ path, from: nb.at(MiB(2)), to: nb.at(0), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(0, data)
    await session.zones.are(nb, {
      0: ['implicitly-open', data.bytes],
      1: ['implicitly-open', data.bytes],
    })
  },
)

kernelCase(
  'zoned/050',
  'null_blk: no fallback, not at the write pointer: EIO, and the next copy is offloaded at once',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'], offloads: 'null-zoned' },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session }, { conventional: 1 })
    const data = pattern(KiB(64))
    await nb.write(0, data)
    const refused = await copy(
      { path, from: nb.at(0), to: nb.at(MiB(2) + KiB(4)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(refused).refused('EIO')
    proof.device(refused).reached(0, 'offload', { failed: 'some' })
    const call = await copy(
      { path, from: nb.at(0), to: nb.at(MiB(2)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(MiB(2), data)
    await session.zones.are(nb, { 1: ['implicitly-open', data.bytes] })
  },
)

kernelCase(
  'zoned/051',
  'null_blk: offloading turned off, the writes stay in order and fill two zones',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED', 'limits'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await zoned({ session }, { conventional: 2 })
    const data = pattern(MiB(4))
    await nb.write(0, data)
    await session.setQueue(nb, session.profile.sysfs.limit, '0')
    const call = await copy({ path, from: nb.at(0), to: nb.at(MiB(4)), bytes: data.bytes })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(nb).changedOnly(MiB(4), data)
    await session.zones.are(nb, { 2: 'full', 3: 'full' })
  },
)

kernelCase(
  'zoned/052',
  'null_blk: the start of the source is slow to be read, and the writes stay in order',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED', 'CONFIG_DM_DELAY'] },
  async ({ session, copy, pattern, proof, dm }) => {
    const nb = await zoned({ session })
    const plain = await session.nullBlk()
    const slow = KiB(256)
    const from = await dm.table([delay(plain, 0, slow, 500), linear(plain, slow, MiB(2) - slow)])
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: nb.at(MiB(2)), bytes: data.bytes })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(nb).changedOnly(MiB(2), data)
    await proof.host(from).unchanged()
    await session.zones.are(nb, { 1: ['implicitly-open', data.bytes] })
  },
)

kernelCase(
  'zoned/053',
  'null_blk: a zone of the source that ends inside of a block of the destination',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_ZONED'], offloads: 'null-zoned' },
  async ({ session, copy, pattern, proof }) => {
    // Who copied past the end of a page would be right by luck where pages lie next to each other; DEBUG_VM tells.
    const nb = await zoned({ session }, { conventional: 1 })
    const plain = await session.nullBlk({ maxCopySectors: 2048, blockSize: 4096 })
    const data = pattern(KiB(64))
    const before = 3 * 512
    await nb.write(MiB(2) - before, data.part(0, before))
    await session.zones.append(nb, MiB(2), data.part(before, data.bytes - before))
    const call = await copy({ path, from: nb.at(MiB(2) - before), to: plain.at(KiB(8)), bytes: data.bytes })
    proof.guest(call).moved('offload')
    const { copies } = proof.device(call).moved('offload')
    expect(copies).toHaveLength(1)
    await proof.host(plain).changedOnly(KiB(8), data)
    await proof.host(nb).unchanged()
  },
)
