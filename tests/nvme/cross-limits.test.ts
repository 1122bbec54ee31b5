// Copy commands between two namespaces of one controller: they name the source, and the limits of both bound them.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyCall } from '../fixtures/copy.ts'
import type { Disk } from '../fixtures/disk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-cross-namespace'

/** Copies from near the start of one namespace to the middle of another, and says what Copy commands there were. */
async function crosses(tools: CaseTools, from: Disk, to: Disk, bytes: number): Promise<CopyCall['activity']> {
  const { copy, pattern, proof } = tools
  const data = pattern(bytes)
  await from.write(512, data)
  const call = await copy({ path, from: from.at(512), to: to.at(MiB(8)), bytes })
  proof.guest(call).moved()
  const activity = proof.device(call).moved()
  await proof.host(to).changedOnly(MiB(8), data)
  await proof.host(from).unchanged()
  return activity
}

kernelCase(
  'nvme/017',
  'each Copy command between namespaces is of format 2 and sent to the destination',
  { offloads: 'nvme-cross-namespace' },
  async (tools) => {
    const [from, to] = [await tools.disk('large'), await tools.disk('wide')]
    const activity = await crosses(tools, from, to, MiB(3))
    expect(activity?.copies.length).toBeGreaterThan(0)
    for (const one of activity?.copies ?? []) expect(one).toMatchObject({ disk: 'wide', format: 2 })
    for (const one of activity?.copySources ?? []) expect(one).toMatchObject({ disk: 'large', by: 'wide' })
  },
)

kernelCase(
  'nvme/018',
  'from small limits to large ones: both bound each command',
  { offloads: 'nvme-cross-namespace' },
  async (tools) => {
    const [from, to] = [await tools.disk('small'), await tools.disk('large')]
    const activity = await crosses(tools, from, to, MiB(1) + 512)
    // What one command of several in flight has copied cannot be seen: 32 KiB at the most, if it is four ranges of these.
    for (const { ranges } of activity?.copies ?? []) expect(ranges).toBeLessThanOrEqual(KiB(32) / KiB(8))
    for (const { bytes } of activity?.copySources ?? []) expect(bytes).toBeLessThanOrEqual(KiB(8))
  },
)

kernelCase(
  'nvme/019',
  'from large limits to small ones: both bound each command',
  { offloads: 'nvme-cross-namespace' },
  async (tools) => {
    const [from, to] = [await tools.disk('wide'), await tools.disk('small')]
    const activity = await crosses(tools, from, to, MiB(1) + 512)
    expect(activity?.copies.length).toBeGreaterThanOrEqual((MiB(1) + 512) / KiB(32))
  },
)

kernelCase(
  'nvme/020',
  'the short ranges of the source fill the few of the destination: shorter commands, all offloaded',
  { offloads: 'nvme-cross-namespace' },
  async (tools) => {
    // 8 KiB in a range, says the source; two ranges, says the destination; 32 KiB, say both.
    const [from, to] = [await tools.disk('small'), await tools.disk('wide')]
    const activity = await crosses(tools, from, to, KiB(64))
    expect(activity?.copies.map(({ ranges }) => ranges)).toEqual([2, 2, 2, 2])
  },
)

kernelCase(
  'nvme/029',
  'copy_max_bytes of either namespace bounds copies between them, and 0 makes them fall back',
  { offloads: 'nvme-cross-namespace', needs: ['limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const [from, to] = [await disk('large'), await disk('wide')]
    const data = pattern(KiB(256))
    await from.write(0, data)
    const { limit } = session.profile.sysfs
    let at = MiB(8)
    for (const ns of [from, to]) {
      for (const most of [KiB(16), 0]) {
        await session.setQueue(ns, limit, String(most))
        const call = await copy({ path, from: from.at(0), to: to.at(at), bytes: data.bytes })
        await session.restore()
        proof.guest(call).moved(most ? 'offload' : 'fallback')
        const { copies } = proof.device(call).moved(most ? 'offload' : 'fallback')
        expect(copies.length).toBe(most && data.bytes / most)
        await proof.host(to).changedOnly(at, data)
        await proof.host(from).unchanged()
        at += MiB(1)
      }
    }
  },
)
