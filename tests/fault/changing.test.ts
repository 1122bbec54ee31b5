// Limits, schedulers and devices change while copies are under way.

import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { type AnyRequest, NO_FALLBACK } from '../fixtures/copy.ts'
import { beginLong, longBytes, meanwhile, slowDisk } from '../fixtures/long-copy.ts'
import type { NullBlk, NullBlkOptions } from '../fixtures/null-blk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Three long copies of one source inside of a slow device. */
async function threeCopies({ session, pattern, proof }: CaseTools, options: NullBlkOptions = {}) {
  const nb = await slowDisk(session, options)
  const data = pattern(longBytes)
  await nb.write(0, data)
  const places = [1, 2, 3].map((index) => index * longBytes)
  const requests = places.map((to): AnyRequest => {
    return { path: 'null-blk', from: nb.at(0), to: nb.at(to), bytes: longBytes }
  })
  const copied = () => proof.host(nb).changedOnlyIn(places.map((to) => [to, data]))
  return { nb, requests, copied }
}

/** Three copies, whatever changes meanwhile: all offloaded. */
async function unmoved(
  tools: CaseTools,
  change: (nb: NullBlk) => Promise<void>,
  options: NullBlkOptions = {},
): Promise<void> {
  const { proof } = tools
  const { nb, requests, copied } = await threeCopies(tools, options)
  const call = await meanwhile(tools, requests, () => change(nb))
  proof.guest(call).moved()
  proof.device(call).moved()
  await copied()
}

kernelCase(
  'fault/018',
  'copy_max_bytes becomes 0 while copies are under way: the rest is read and written',
  { offloads: 'null-blk', needs: ['limits', 'tracepoints'] },
  async (tools) => {
    const { session, proof } = tools
    const { nb, requests, copied } = await threeCopies(tools)
    const copying = await beginLong(session, requests)
    await session.setQueue(nb, session.profile.sysfs.limit, '0')
    const call = await copying.done()
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    const offloaded = call.results.reduce((sum, result) => sum + Number(result.offloaded), 0)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThan(requests.length * longBytes)
    await copied()
  },
)

kernelCase(
  'fault/019',
  'copy_max_bytes becomes less while copies are under way: what follows is shorter',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, proof } = tools
    const { nb, requests, copied } = await threeCopies(tools)
    const copying = await beginLong(session, requests, { commandBytes: KiB(2) })
    await session.setQueue(nb, session.profile.sysfs.limit, '512')
    await copying.goesOn()
    const call = await copying.hurry()
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    const sizes = copies.map(({ bytes }) => bytes)
    const shorter = sizes.indexOf(512)
    expect(shorter).toBeGreaterThan(0)
    expect(new Set(sizes.slice(0, shorter))).toEqual(new Set([KiB(2)]))
    // What was in flight when the limit changed may end later.
    expect(sizes.slice(shorter, shorter + 8)).toEqual(Array.from({ length: 8 }, () => 512))
    await copied()
  },
)

kernelCase(
  'fault/020',
  'copy_max_bytes becomes 0 and no fallback: EIO, and what is said to be copied is',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slowDisk(session)
    const data = pattern(longBytes)
    await nb.write(0, data)
    const copying = await beginLong(
      session,
      { path: 'null-blk', from: nb.at(0), to: nb.at(MiB(1)), bytes: longBytes },
      { flags: NO_FALLBACK },
    )
    await session.setQueue(nb, session.profile.sysfs.limit, '0')
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeGreaterThan(0)
    proof.device(call).reached(copied)
    await proof.host(nb).changedUpTo(MiB(1), data, copied)
  },
)

kernelCase(
  'fault/021',
  'the scheduler is switched back and forth while copies are under way',
  { offloads: 'null-blk', needs: ['limits', 'CONFIG_IOSCHED_BFQ', 'CONFIG_MQ_IOSCHED_KYBER'] },
  async (tools) => {
    await unmoved(tools, async (nb) => {
      for (const scheduler of ['bfq', 'none', 'kyber', 'none'])
        await tools.session.setQueue(nb, 'scheduler', scheduler)
    })
  },
)

kernelCase(
  'fault/022',
  'nr_requests, nomerges and max_sectors_kb change while copies are under way',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session } = tools
    const change = async (nb: NullBlk) => {
      await session.setQueue(nb, 'nr_requests', '4')
      await session.setQueue(nb, 'nomerges', '2')
      await session.setQueue(nb, 'max_sectors_kb', '64')
      await session.setQueue(nb, 'nr_requests', '32')
    }
    // Twelve of their requests are in flight at once, and take six times as long.
    await unmoved(tools, change, { hwQueueDepth: 32, completionNs: 100_000_000 })
  },
)

kernelCase(
  'fault/023',
  'the destination partition becomes shorter while it is copied to: EIO, and what is said to be copied is',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slowDisk(session)
    const to = await session.partition(nb, MiB(1), longBytes)
    const data = pattern(longBytes)
    await nb.write(0, data)
    const copying = await beginLong(session, {
      path: 'null-blk',
      ...{ from: nb.at(0), to: to.at(0), bytes: longBytes },
    })
    await to.resize(longBytes - KiB(128))
    const call = await copying.hurry()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeGreaterThan(0)
    proof.device(call).reached(copied)
    // Where the partition ended, nothing may have been written.
    await proof.host(nb).changedUpTo(MiB(1), data.part(0, longBytes - KiB(128)), copied)
  },
)

kernelCase(
  'fault/024',
  'the source partition becomes shorter while it is copied from: EIO',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slowDisk(session)
    const from = await session.partition(nb, MiB(1), longBytes)
    const data = pattern(longBytes)
    await from.write(0, data)
    const copying = await beginLong(session, {
      path: 'null-blk',
      ...{ from: from.at(0), to: nb.at(0), bytes: longBytes },
    })
    await from.resize(longBytes - KiB(128))
    const call = await copying.hurry()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeGreaterThan(0)
    proof.device(call).reached(copied)
    await proof.host(nb).changedUpTo(0, data, copied)
  },
)

kernelCase(
  'fault/025',
  'the source is removed while a copy from it is under way: an error, and what is said to be copied is',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_BLK_DEV_DM'] },
  async ({ disk, session, dm, proof }) => {
    const nb = await slowDisk(session, { bytes: MiB(8), hwQueueDepth: 64, completionNs: 400_000_000 })
    const to = await dm.linear(await disk('scsi0'), MiB(1), nb.bytes)
    // What it has read by then waits, so that the rest of it cannot be read before the source is gone.
    await to.suspend()
    const copying = await session.begin({ path: 'never', from: nb.at(0), to: to.at(0), bytes: nb.bytes })
    await nb.vanish()
    await to.resume()
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeLessThan(nb.bytes)
    proof.device(call).reached(copied)
    await proof.host(to).changedUpTo(0, nb.pristine, copied)
  },
)

kernelCase(
  'fault/026',
  'a device is removed while copies inside of it are under way',
  { offloads: 'null-blk' },
  async ({ disk, session, copy, pattern, proof }) => {
    const nb = await slowDisk(session, { maxCopySectors: 1 })
    const copying = await session.begin({
      path: 'null-blk',
      ...{ from: nb.at(0), to: nb.at(MiB(1)), bytes: longBytes },
    })
    await nb.vanish()
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeLessThan(longBytes)
    proof.device(call).reached(copied)

    // Others are none the worse for it.
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const second = await copy({
      path: 'nvme-same-namespace',
      from: ns.at(0),
      to: ns.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(second).moved()
    proof.device(second).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)
