// max_copy_sectors and max_copy_ranges of null_blk, and what becomes of them in the queue's limits.
import { expect } from 'vitest'
import type { DeviceActivity } from '../../harness/evidence/device-trace.ts'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { type SourceRange, scatter } from '../fixtures/ranges.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Bytes of the longest copy that a device was given. */
function longest({ copies }: DeviceActivity): number {
  return Math.max(...copies.map(({ bytes = Number.NaN }) => bytes))
}

kernelCase(
  'null/010',
  'max_copy_sectors bounds a copy',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, copy, pattern, proof } = tools
    const nb = await session.nullBlk({ maxCopySectors: 96 })
    expect(await session.getQueue(nb, session.profile.sysfs.hardwareLimit)).toBe(String(KiB(48)))
    const data = pattern(MiB(1))
    await nb.write(0, data)
    const call = await copy({ path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).moved()
    expect(longest(proof.device(call).moved())).toBe(KiB(48))
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/011',
  'max_copy_sectors of 0 takes no copies',
  { needs: ['limits', 'CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 0 })
    expect(await session.getQueue(nb, session.profile.sysfs.hardwareLimit)).toBe('0')
    const data = pattern(MiB(1))
    await nb.write(0, data)
    const request = { path: 'null-blk' as const, from: nb.at(0), to: nb.at(MiB(4)), bytes: MiB(1) }
    const refused = await copy(request, { flags: NO_FALLBACK })
    proof.guest(refused).refused('EOPNOTSUPP')
    proof.device(refused).untouched()
    const call = await copy(request)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'null/012',
  'a device that takes copies and one that does not, both ways',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const [able, unable] = [await session.nullBlk({ maxCopySectors: 4096 }), await session.nullBlk()]
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await able.write(0, one)
    await unable.write(0, two)
    const call = await copy([
      { path: 'null-blk', from: able.at(0), to: unable.at(MiB(4)), bytes: MiB(1) },
      { path: 'null-blk', from: unable.at(0), to: able.at(MiB(4)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(unable).changedOnly(MiB(4), one)
    await proof.host(able).changedOnly(MiB(4), two)
  },
)

kernelCase(
  'null/013',
  'the smaller limit of two devices bounds a copy, both ways',
  { offloads: 'null-blk' },
  async (tools) => {
    const { session, copy, pattern, proof } = tools
    const [more, less] = [
      await session.nullBlk({ maxCopySectors: 4096 }),
      await session.nullBlk({ maxCopySectors: 32 }),
    ]
    const [one, two] = [pattern(KiB(256)), pattern(KiB(256))]
    await more.write(0, one)
    await less.write(0, two)
    const call = await copy([
      { path: 'null-blk', from: more.at(0), to: less.at(MiB(4)), bytes: KiB(256) },
      { path: 'null-blk', from: less.at(0), to: more.at(MiB(4)), bytes: KiB(256) },
    ])
    proof.guest(call).moved()
    expect(longest(proof.device(call).moved())).toBe(KiB(16))
    await proof.host(less).changedOnly(MiB(4), one)
    await proof.host(more).changedOnly(MiB(4), two)
  },
)

kernelCase(
  'null/014',
  'copy_max_bytes of the source alone bounds a copy, and 0 turns it off',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, copy, pattern, proof } = tools
    const [from, to] = [
      await session.nullBlk({ maxCopySectors: 4096 }),
      await session.nullBlk({ maxCopySectors: 4096 }),
    ]
    const data = pattern(KiB(256))
    await from.write(0, data)
    const { limit } = session.profile.sysfs
    await session.setQueue(from, limit, String(KiB(20)))
    const bounded = await copy({ path: 'null-blk', from: from.at(0), to: to.at(MiB(4)), bytes: KiB(256) })
    proof.guest(bounded).moved()
    expect(longest(proof.device(bounded).moved())).toBe(KiB(20))
    await proof.host(to).changedOnly(MiB(4), data)

    await session.setQueue(from, limit, '0')
    const off = await copy({ path: 'null-blk', from: from.at(0), to: to.at(MiB(6)), bytes: KiB(256) })
    proof.guest(off).fellBack()
    proof.device(off).fellBack()
    await proof.host(to).changedOnly(MiB(6), data)
    await proof.host(from).unchanged()
  },
)

/** 24 ranges of two blocks, apart from each other and last to first. */
const ranges = Array.from({ length: 24 }, (_, index): SourceRange => [(24 - index) * KiB(4), KiB(1)])

/** Gathers the ranges from one device to another one with this max_copy_ranges, in so many commands. */
async function gather(tools: CaseTools, maxCopyRanges: number, commands: number): Promise<void> {
  const { session, copy, pattern, proof } = tools
  const options = { maxCopySectors: 4096, maxCopyRanges }
  const [from, to] = [await session.nullBlk(options), await session.nullBlk(options)]
  const data = pattern(KiB(24))
  await scatter(from, ranges, data)
  const call = await copy({ path: 'null-blk', from, ranges, to: to.at(512) })
  proof.guest(call).moved()
  const { copies } = proof.device(call).moved()
  expect(copies).toHaveLength(commands)
  await proof.host(to).changedOnly(512, data)
  await proof.host(from).unchanged()
}

kernelCase(
  'null/015',
  'max_copy_ranges of 1: a command for each range',
  { offloads: 'null-blk', needs: ['BLKCOPYV'] },
  async (tools) => {
    await gather(tools, 1, 24)
  },
)

kernelCase(
  'null/016',
  'max_copy_ranges bounds the ranges of a command',
  { offloads: 'null-blk', needs: ['BLKCOPYV'] },
  async (tools) => {
    await gather(tools, 5, 5)
  },
)

kernelCase(
  'null/017',
  'all ranges in a command, where they fit',
  { offloads: 'null-blk', needs: ['BLKCOPYV'] },
  async (tools) => {
    await gather(tools, 64, 1)
  },
)

kernelCase(
  'null/028',
  'with mbps, a copy is at most what is allowed in a tick of 20 ms',
  { offloads: 'null-blk', needs: ['limits'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 16384, mbps: 100 })
    const tick = 100 * Math.floor(MiB(1) / 50)
    const most = tick - (tick % 512)
    expect(await session.getQueue(nb, session.profile.sysfs.hardwareLimit)).toBe(String(most))
    const data = pattern(MiB(4))
    await nb.write(0, data)
    const call = await copy({ path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: data.bytes })
    proof.guest(call).moved()
    expect(longest(proof.device(call).moved())).toBe(most)
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)
