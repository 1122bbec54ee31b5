// null_blk copies in memory: what the series does, without a device that could be wrong.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyRequest } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'null/001',
  'inside a device',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 4096 })
    const data = pattern(MiB(1))
    await nb.write(512, data)
    const call = await copy({ path: 'null-blk', from: nb.at(512), to: nb.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/002',
  'between two devices',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const [from, to] = [
      await session.nullBlk({ maxCopySectors: 4096 }),
      await session.nullBlk({ maxCopySectors: 4096 }),
    ]
    const data = pattern(MiB(3))
    await from.write(0, data)
    const call = await copy({ path: 'null-blk', from: from.at(0), to: to.at(MiB(4)), bytes: MiB(3) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(4), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'null/003',
  'blocks of 4096 bytes',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ blockSize: 4096, maxCopySectors: 128 })
    const data = pattern(KiB(260))
    await nb.write(KiB(4), data)
    const call = await copy({ path: 'null-blk', from: nb.at(KiB(4)), to: nb.at(MiB(4)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/004',
  'between devices of different block sizes, both ways',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    // 60 KiB + 512: no multiple of 4096, so that chunks must be shorter.
    const [fine, coarse] = [
      await session.nullBlk({ maxCopySectors: 121 }),
      await session.nullBlk({ blockSize: 4096, maxCopySectors: 4096 }),
    ]
    const [one, two] = [pattern(KiB(256)), pattern(KiB(256))]
    await fine.write(512, one)
    await coarse.write(0, two)
    const call = await copy([
      { path: 'null-blk', from: fine.at(512), to: coarse.at(MiB(4)), bytes: KiB(256) },
      { path: 'null-blk', from: coarse.at(0), to: fine.at(MiB(4) + 512), bytes: KiB(256) },
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(coarse).changedOnly(MiB(4), one)
    await proof.host(fine).changedOnly(MiB(4) + 512, two)
  },
)

kernelCase(
  'null/005',
  'never between null_blk and NVMe, either way',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 4096 })
    const ns = await disk('large')
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await nb.write(0, one)
    await ns.write(0, two)
    // Both take copies, and both from themselves.
    const call = await copy([
      { path: 'never', from: nb.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { path: 'never', from: ns.at(0), to: nb.at(MiB(4)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(8), one)
    await proof.host(nb).changedOnly(MiB(4), two)
  },
)

kernelCase(
  'null/006',
  'sixteen copies at once through one request',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 64, hwQueueDepth: 1, submitQueues: 1 })
    expect(await session.getQueue(nb, 'nr_requests')).toBe('1')
    const data = pattern(MiB(2))
    await nb.write(0, data)
    const pieces = Array.from({ length: 16 }, (_, index) => index * KiB(128))
    const call = await copy(
      pieces.map((at): CopyRequest => {
        return { path: 'null-blk', from: nb.at(at), to: nb.at(MiB(8) - KiB(128) - at), bytes: KiB(128) }
      }),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof
      .host(nb)
      .changedOnlyIn(pieces.map((at): Change => [MiB(8) - KiB(128) - at, data.part(at, KiB(128))]))
  },
)

kernelCase(
  'null/007',
  'two devices copy to each other at once, each through one request',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const narrow = { maxCopySectors: 8, hwQueueDepth: 1, submitQueues: 1 }
    const [a, b] = [await session.nullBlk(narrow), await session.nullBlk(narrow)]
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await a.write(0, one)
    await b.write(0, two)
    // Who held a request of one device while waiting for one of the other would never end.
    const pieces = Array.from({ length: 8 }, (_, index) => index * KiB(128))
    const call = await copy(
      pieces.flatMap((at): CopyRequest[] => [
        { path: 'null-blk', from: a.at(at), to: b.at(MiB(4) + at), bytes: KiB(128) },
        { path: 'null-blk', from: b.at(at), to: a.at(MiB(4) + at), bytes: KiB(128) },
      ]),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(b).changedOnly(MiB(4), one)
    await proof.host(a).changedOnly(MiB(4), two)
  },
)

kernelCase(
  'null/008',
  'under bfq',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_IOSCHED_BFQ'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 64, hwQueueDepth: 2 })
    await session.setQueue(nb, 'scheduler', 'bfq')
    const data = pattern(MiB(1))
    await nb.write(0, data)
    const places = [MiB(2), MiB(3), MiB(4), MiB(5), MiB(6), MiB(7)]
    const call = await copy(
      places.map((to): CopyRequest => ({ path: 'null-blk', from: nb.at(0), to: nb.at(to), bytes: MiB(1) })),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnlyIn(places.map((to): Change => [to, data]))
  },
)

kernelCase(
  'null/009',
  'between partitions of two devices',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const [a, b] = [
      await session.nullBlk({ maxCopySectors: 64 }),
      await session.nullBlk({ maxCopySectors: 64 }),
    ]
    const from = await session.partition(a, MiB(1) + 512, MiB(4))
    const to = await session.partition(b, MiB(3), MiB(2))
    const data = pattern(KiB(256))
    await from.write(KiB(8), data)
    const call = await copy({
      path: 'null-blk',
      from: from.at(KiB(8)),
      to: to.at(MiB(2) - KiB(256)),
      bytes: KiB(256),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(2) - KiB(256), data)
    await proof.host(from).unchanged()
  },
)
