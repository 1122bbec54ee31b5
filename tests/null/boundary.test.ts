// Volumes over devices in memory that copy for each other: pieces that end where a target or a device does.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'null/040',
  'a boundary of the source inside of a block of the destination: no piece has half a block',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async ({ copy, pattern, proof, dm, session }) => {
    const from = await session.nullBlk({ maxCopySectors: 128 })
    const to = await session.nullBlk({ maxCopySectors: 128, blockSize: 4096 })
    const volume = await dm.table([linear(from, MiB(4), KiB(100) + 512), linear(from, 0, MiB(2))])
    const data = pattern(KiB(256))
    await volume.write(0, data)
    const call = await copy({
      path: ['dm-linear', 'null-blk'],
      from: volume.at(0),
      to: to.at(MiB(1)),
      bytes: data.bytes,
    })
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    for (const { bytes } of call.traced ?? []) expect(bytes % 4096).toBe(0)
    // The piece in front of the boundary, and all after the chunk that it is in.
    expect(Number(call.results[0]?.offloaded)).toBeGreaterThanOrEqual(KiB(128))
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'null/041',
  'ranges of a volume over two devices: no command has sources on both, and all are offloaded',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'BLKCOPYV'] },
  async ({ copy, pattern, proof, dm, session }) => {
    const options = { maxCopySectors: 4096, maxCopyRanges: 16 }
    const [first, second] = [await session.nullBlk(options), await session.nullBlk(options)]
    const to = await session.nullBlk(options)
    const volume = await dm.table([linear(first, MiB(1), MiB(1)), linear(second, MiB(5), MiB(1))])
    // Three of the first device, five of the second, and then by turns.
    const second0 = MiB(1)
    const places = [
      ...[KiB(32), 0, KiB(16)],
      ...[0, 64, 96, 8, 1016].map((at) => second0 + KiB(at)),
      ...[KiB(512), second0 + KiB(256), KiB(640), second0 + KiB(512)],
    ]
    const ranges = places.map((offset): [number, number] => [offset, KiB(8)])
    const data = pattern(ranges.length * KiB(8))
    for (const [index, [offset, bytes]] of ranges.entries())
      await volume.write(offset, data.part(index * KiB(8), bytes))
    const call = await copy({ path: ['dm-linear', 'null-blk'], from: volume, ranges, to: to.at(MiB(2)) })
    proof.guest(call).moved('offload')
    const { copies } = proof.device(call).moved('offload')
    expect(copies).toHaveLength(6)
    await proof.host(to).changedOnly(MiB(2), data)
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'null/042',
  'bad blocks of the source are looked up where the source is',
  { offloads: 'null-blk' },
  async ({ copy, pattern, proof, session }) => {
    const [from, to] = [
      await session.nullBlk({ maxCopySectors: 128, badblocks: [[KiB(64), 512]] }),
      await session.nullBlk({ maxCopySectors: 128, badblocks: [[0, 512]] }),
    ]
    const data = pattern(KiB(64))
    await from.write(0, data)
    const call = await copy({ path: 'null-blk', from: from.at(0), to: to.at(MiB(1)), bytes: KiB(128) })
    proof.guest(call).stopped('EIO', KiB(64), 'profile')
    proof.device(call).stopped(KiB(64), 'profile', { failed: 2 })
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'null/043',
  'limits are whole blocks, and no default is above 128 MiB',
  { offloads: 'null-blk', needs: ['limits'] },
  async ({ copy, pattern, proof, session }) => {
    const { limit, hardwareLimit } = session.profile.sysfs
    const odd = await session.nullBlk({ maxCopySectors: 21, blockSize: 4096 })
    for (const name of [limit, hardwareLimit]) expect(await session.getQueue(odd, name)).toBe(String(KiB(8)))
    const vast = await session.nullBlk({ maxCopySectors: 4 * 1024 * 1024 - 1 })
    expect(await session.getQueue(vast, limit)).toBe(String(MiB(128)))
    expect(Number(await session.getQueue(vast, hardwareLimit))).toBeGreaterThan(MiB(2047))

    const data = pattern(KiB(64))
    await odd.write(0, data)
    const call = await copy({ path: 'null-blk', from: odd.at(0), to: vast.at(0), bytes: KiB(64) })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    expect(copies.map(({ bytes }) => bytes)).toEqual(Array.from({ length: 8 }, () => KiB(8)))
    await proof.host(vast).changedOnly(0, data)
    await proof.host(odd).unchanged()
  },
)

kernelCase(
  'null/044',
  'a bad block in the second of the ranges of a command is EIO, and what is before it is right',
  { offloads: 'null-blk', needs: ['BLKCOPYV'] },
  async ({ session, copy, pattern, proof }) => {
    // Ranges of 16 KiB, two a command; the fourth one is bad: the second command and the read of that range fail.
    const nb = await session.nullBlk({ maxCopySectors: 64, maxCopyRanges: 2 })
    const data = pattern(KiB(48))
    const ranges = [0, 1, 2, 3].map((index): [number, number] => [index * KiB(64), KiB(16)])
    for (const [index, [offset, bytes]] of ranges.slice(0, 3).entries())
      await nb.write(offset, data.part(index * KiB(16), bytes))
    await nb.setBadblocks([[KiB(3 * 64) + KiB(4), 512]])
    const call = await copy({ path: 'null-blk', from: nb, ranges, to: nb.at(MiB(4)) })
    proof.guest(call).stopped('EIO', KiB(48), 'traced')
    proof.device(call).stopped(KiB(48), 'traced', { failed: 2 })
    expect(Number(call.results[0]?.offloaded)).toBe(KiB(32))
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)
