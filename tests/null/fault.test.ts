// Bad blocks, lost completions and requeued requests of null_blk: an offload that fails becomes reads and writes, or the
// error that is true.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { impatientDisk } from '../fixtures/impatient-disk.ts'
import { tool } from '../fixtures/lab.ts'
import type { NullBlk } from '../fixtures/null-blk.ts'
import type { Change } from '../fixtures/proof.ts'
import { type SourceRange, scatter } from '../fixtures/ranges.ts'
import type { Session } from '../fixtures/session.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'null/018',
  'a bad block in the source: what is before it is offloaded, then EIO',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    // Two copies of 64 KiB; the second one fails, and so does the read of its first block.
    const nb = await session.nullBlk({ maxCopySectors: 128, badblocks: [[KiB(64), 512]] })
    const data = pattern(KiB(64))
    await nb.write(0, data)
    const call = await copy({ path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: KiB(128) })
    proof.guest(call).stopped('EIO', KiB(64), 'profile')
    proof.device(call).stopped(KiB(64), 'profile', { failed: session.offloads('null-blk') ? 2 : 1 })
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/019',
  'a bad block in the destination: what is before it is offloaded, then EIO',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const options = { maxCopySectors: 128 }
    const [from, to] = [
      await session.nullBlk(options),
      await session.nullBlk({ ...options, badblocks: [[MiB(4) + KiB(64), 512]] }),
    ]
    const data = pattern(KiB(128))
    await from.write(0, data)
    const call = await copy({ path: 'null-blk', from: from.at(0), to: to.at(MiB(4)), bytes: KiB(128) })
    proof.guest(call).stopped('EIO', KiB(64), 'profile')
    proof.device(call).stopped(KiB(64), 'profile', { failed: session.offloads('null-blk') ? 2 : 1 })
    await proof.host(to).changedOnly(MiB(4), data.part(0, KiB(64)))
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'null/020',
  'a bad block in the source and no fallback is EIO',
  { offloads: 'null-blk' },
  async ({ session, copy, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 128, badblocks: [[KiB(32), 512]] })
    const call = await copy(
      { path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: KiB(64) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EIO')
    proof.device(call).untouched({ failed: 1 })
    await proof.host(nb).unchanged()
  },
)

kernelCase(
  'null/021',
  'bad blocks beside a copy do not matter to it',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({
      maxCopySectors: 128,
      badblocks: [
        [0, 512],
        [MiB(1) + 512, 512],
        [MiB(4) - 512, 512],
        [MiB(5), 512],
      ],
    })
    const data = pattern(MiB(1))
    await nb.setBadblocks([])
    await nb.write(512, data)
    await nb.setBadblocks([
      [0, 512],
      [MiB(1) + 512, 512],
      [MiB(4) - 512, 512],
      [MiB(5), 512],
    ])
    const call = await copy({ path: 'null-blk', from: nb.at(512), to: nb.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/022',
  'a bad block in one of many ranges is EIO, and what is before it is right',
  { offloads: 'null-blk', needs: ['BLKCOPYV'] },
  async ({ session, copy, pattern, proof }) => {
    // Ranges of 16 KiB, two a command; the fifth one is bad: the third command and the read of that range fail.
    const nb = await session.nullBlk({ maxCopySectors: 64, maxCopyRanges: 2 })
    const data = pattern(KiB(64))
    const ranges = [0, 1, 2, 3, 4].map((index): SourceRange => [index * KiB(64), KiB(16)])
    await scatter(nb, ranges, data)
    await nb.setBadblocks([[KiB(4 * 64) + KiB(4), 512]])
    const call = await copy({ path: 'null-blk', from: nb, ranges, to: nb.at(MiB(4)) })
    proof.guest(call).stopped('EIO', KiB(64), 'profile')
    proof.device(call).stopped(KiB(64), 'profile', { failed: 2 })
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/023',
  'a copy that times out is read and written instead',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_DEV_NULL_BLK_FAULT_INJECTION'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await impatientDisk(session)
    const data = pattern(KiB(256))
    await nb.write(0, data)
    await session.failNullBlk(nb, 'timeout', { times: 1 })
    const call = await copy({ path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: KiB(256) })
    await session.restore()
    proof.guest(call).fellBack()
    proof.device(call).fellBack({ failed: 1 })
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/024',
  'a copy that times out and no fallback is ETIMEDOUT',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_DEV_NULL_BLK_FAULT_INJECTION'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await impatientDisk(session)
    const data = pattern(KiB(64))
    await nb.write(0, data)
    await session.failNullBlk(nb, 'timeout', { times: 1 })
    const call = await copy(
      { path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: KiB(64) },
      { flags: NO_FALLBACK },
    )
    await session.restore()
    proof.guest(call).refused('ETIMEDOUT')
    proof.device(call).untouched({ failed: 1 })
    await proof.host(nb).unchanged()
  },
)

kernelCase(
  'null/025',
  'a source that always times out is ETIMEDOUT',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK_FAULT_INJECTION'] },
  async ({ disk, session, copy, proof }) => {
    const [nb, to] = [await impatientDisk(session), await disk('large')]
    await session.failNullBlk(nb, 'timeout', { times: -1 })
    const call = await copy({ path: 'never', from: nb.at(0), to: to.at(MiB(4)), bytes: KiB(64) })
    await session.restore()
    proof.guest(call).refused('ETIMEDOUT')
    proof.device(call).untouched({ failed: 1 })
    await proof.host(to).unchanged()
    await proof.host(nb).unchanged()
  },
)

/** How many requests are still to be put back into the queue. */
async function left(session: Session, { directory }: NullBlk): Promise<number> {
  return Number(await session.must([tool, 'get', `${directory}/requeue_inject/times`]))
}

kernelCase(
  'null/026',
  'copies whose requests are put back into the queue are done all the same',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK_FAULT_INJECTION'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 32 })
    const data = pattern(KiB(512))
    await nb.write(0, data)
    // Every other one by a busy driver, every other one by a driver that requeues.
    await session.failNullBlk(nb, 'requeue', { times: 40, probability: 50 })
    const places = [MiB(2), MiB(4), MiB(6)]
    const call = await copy(
      places.map((to) => ({ path: 'null-blk' as const, from: nb.at(0), to: nb.at(to), bytes: KiB(512) })),
    )
    expect(await left(session, nb)).toBeLessThan(40)
    await session.restore()
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnlyIn(places.map((to): Change => [to, data]))
  },
)

kernelCase(
  'null/027',
  'requests that are put back time and again, under a scheduler and in a full queue',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK_FAULT_INJECTION', 'CONFIG_MQ_IOSCHED_DEADLINE'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 32, hwQueueDepth: 1, submitQueues: 1 })
    await session.setQueue(nb, 'scheduler', 'mq-deadline')
    const data = pattern(KiB(512))
    await nb.write(0, data)
    await session.failNullBlk(nb, 'requeue', { times: 60, probability: 50 })
    const places = [MiB(2), MiB(4), MiB(6)]
    const call = await copy(
      places.map((to) => ({ path: 'null-blk' as const, from: nb.at(0), to: nb.at(to), bytes: KiB(512) })),
    )
    expect(await left(session, nb)).toBeLessThan(60)
    await session.restore()
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnlyIn(places.map((to): Change => [to, data]))
  },
)
