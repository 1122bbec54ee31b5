// Copies that a zone does not take: they fail as a write there would, and the zone can be written afterwards.
import { expect } from 'vitest'
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import type { Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-zoned'

/**
 * Copies 64 KiB from the start of zone 0 to `offset`: this errno, as a write there gives, and nothing has changed.
 * @param by who fails it: the kernel does so itself where it knows the write pointer, which is in zones that it has written to
 */
async function failsAsAWrite(
  { session, copy, pattern, proof }: CaseTools,
  errno: string,
  to: Target,
  offset: number,
  by: 'device' | 'kernel' = 'device',
): Promise<void> {
  const bytes = KiB(64)
  const call = await copy({ path, from: to.at(0), to: to.at(offset), bytes })
  proof.guest(call).stopped(errno, 0)
  if (by === 'kernel') proof.device(call).untouched()
  else proof.device(call).reached(0, 'traced', { failed: 'some' })
  await proof.host(to).unchanged()
  // The kernel has lost the write pointer until somebody asks for it, as after a write that failed.
  await session.zones.report(to)
  expect(await session.zones.write(to, offset, pattern(bytes))).toBe(errno)
  await session.zones.report(to)
  await proof.host(to).unchanged()
}

kernelCase(
  'zoned/030',
  'into an empty zone, not at its start: EIO, and a copy to its start is offloaded',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async (tools) => {
    const { disk, session, copy, pattern, proof } = tools
    const ns = await disk('zns')
    const data = pattern(KiB(64))
    await session.zones.append(ns, 0, data)
    await failsAsAWrite(tools, 'EIO', ns, MiB(2) + KiB(4))
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(2)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(2), data)
    await session.zones.are(ns, {
      0: ['implicitly-open', data.bytes],
      1: ['implicitly-open', data.bytes],
    })
  },
)

kernelCase(
  'zoned/031',
  'behind the write pointer of a zone that is open, and in front of it: EIO',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async (tools) => {
    const { disk, session, pattern } = tools
    const ns = await disk('zns')
    await session.zones.append(ns, 0, pattern(KiB(64)))
    await session.zones.append(ns, MiB(2), pattern(KiB(64)))
    await failsAsAWrite(tools, 'EIO', ns, MiB(2), 'kernel')
    await failsAsAWrite(tools, 'EIO', ns, MiB(2) + KiB(128), 'kernel')
    await session.zones.are(ns, { 0: ['implicitly-open', KiB(64)], 1: ['implicitly-open', KiB(64)] })
  },
)

kernelCase(
  'zoned/032',
  'into a zone that is full: EIO',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async (tools) => {
    const { disk, session, pattern } = tools
    const ns = await disk('zns')
    await session.zones.append(ns, 0, pattern(KiB(64)))
    await session.zones.append(ns, MiB(2), pattern(KiB(64)))
    await session.zones.must('finish', ns, MiB(2), MiB(4))
    await failsAsAWrite(tools, 'EIO', ns, MiB(2) + KiB(64))
    await failsAsAWrite(tools, 'EIO', ns, MiB(4))
    await session.zones.are(ns, { 0: ['implicitly-open', KiB(64)], 1: 'full', 2: 'full' })
  },
)

kernelCase(
  'zoned/033',
  'too many open zones: ETOOMANYREFS',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async (tools) => {
    const { disk, session, pattern } = tools
    const ns = await disk('zns')
    await session.zones.append(ns, 0, pattern(KiB(64)))
    await session.zones.must('close', ns, 0, MiB(2))
    // Who opens zones explicitly keeps the device from closing them.
    await session.zones.must('open', ns, MiB(2), MiB(6))
    await failsAsAWrite(tools, 'ETOOMANYREFS', ns, KiB(64))
    await session.zones.are(ns, {
      0: ['closed', KiB(64)],
      1: 'explicitly-open',
      2: 'explicitly-open',
      3: 'explicitly-open',
    })
  },
)

kernelCase(
  'zoned/034',
  'too many active zones: EOVERFLOW',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async (tools) => {
    const { disk, session, pattern } = tools
    const ns = await disk('zns')
    for (const zone of [0, 1, 2, 3]) {
      await session.zones.append(ns, MiB(2) * zone, pattern(KiB(64)))
      await session.zones.must('close', ns, MiB(2) * zone, MiB(2))
    }
    await failsAsAWrite(tools, 'EOVERFLOW', ns, MiB(8))
    const closed = ['closed', KiB(64)] as const
    await session.zones.are(ns, { 0: closed, 1: closed, 2: closed, 3: closed })
  },
)

kernelCase(
  'zoned/035',
  'no fallback: EIO of the kernel itself, and the next write to the zone succeeds at once',
  { needs: ['CONFIG_BLK_DEV_ZONED'], offloads: 'nvme-zoned' },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const [data, next] = [pattern(KiB(64)), pattern(KiB(4))]
    await session.zones.append(ns, 0, data)
    // Three writes would say where the write pointer is, none of them to the kernel of another zone.
    await session.zones.append(ns, MiB(2), next)
    const call = await copy(
      { path, from: ns.at(0), to: ns.at(MiB(2) + KiB(64)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EIO')
    proof.device(call).untouched()
    await session.zones.append(ns, MiB(2) + KiB(4), next)
    await proof.host(ns).unchanged()
    await session.zones.are(ns, { 0: ['implicitly-open', KiB(64)], 1: ['implicitly-open', KiB(8)] })
  },
)

kernelCase(
  'zoned/036',
  'the device cannot read a source: what it has written before that is an error and not counted',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'BLKCOPYV'], offloads: 'nvme-zoned' },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns-bad')
    const data = pattern(KiB(64))
    await ns.write(0, data)
    await session.zones.must('finish', ns, 0, MiB(2))
    const ranges = [[0, KiB(64)] as const, [MiB(1) - KiB(4), KiB(16)] as const]
    const call = await copy({ path, from: ns, ranges, to: ns.at(MiB(2)) })
    const { copied } = proof.guest(call).cutShort('EIO')
    // The device has moved the write pointer, and so cannot begin anew.
    expect(copied).toBe(0)
    proof.device(call).reached(0, 'traced', { failed: 'some' })
    await proof.host(ns).changedUpTo(MiB(2), data, 0)
  },
)

kernelCase(
  'zoned/037',
  'a copy of a whole zone fails: the kernel knows where the write pointer is, or that it does not',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'BLKCOPYV'], offloads: 'nvme-zoned' },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns-bad')
    const data = pattern(MiB(2))
    await ns.write(0, data)
    await session.zones.must('finish', ns, 0, MiB(2))
    // QEMU 10.0 does not bear that the first range cannot be read.
    const ranges = [[0, KiB(64)] as const, [KiB(64), MiB(2) - KiB(64)] as const]
    const call = await copy({ path, from: ns, ranges, to: ns.at(MiB(2)) })
    const { copied } = proof.guest(call).cutShort('EIO')
    proof.device(call).reached(copied, 'traced', { failed: 'some' })
    const [, zone] = await session.zones.report(ns)
    if (zone?.written !== undefined) await session.zones.append(ns, MiB(2) + zone.written, pattern(KiB(4)))
    await proof.host(ns).changedUpTo(MiB(2), data, copied)
    await session.zones.report(ns)
  },
)
