// Limits, schedulers and devices change while copies are under way.

import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyCall, NO_FALLBACK } from '../fixtures/copy.ts'
import type { NullBlk, NullBlkOptions } from '../fixtures/null-blk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** A null_blk device whose requests take 20 ms and copy a block: 256 KiB take more than 2 s. */
function slow({ session }: CaseTools, other: NullBlkOptions = {}) {
  return session.nullBlk({ bytes: MiB(1), maxCopySectors: 1, completionNs: 20_000_000, ...other })
}

const places = [KiB(256), KiB(512), KiB(768)]

/** Three copies of 256 KiB inside of a slow device, and `change` meanwhile. */
async function meanwhile(
  tools: CaseTools,
  nb: NullBlk,
  change: () => Promise<void>,
): Promise<{ call: CopyCall; copied: () => Promise<void> }> {
  const { session, pattern, proof } = tools
  const data = pattern(KiB(256))
  await nb.write(0, data)
  const copying = await session.begin(
    places.map((to) => ({ path: 'null-blk' as const, from: nb.at(0), to: nb.at(to), bytes: KiB(256) })),
  )
  await change()
  const call = await copying.done()
  return { call, copied: () => proof.host(nb).changedOnlyIn(places.map((to) => [to, data])) }
}

kernelCase(
  'fault/018',
  'copy_max_bytes becomes 0 while copies are under way: the rest is read and written',
  { offloads: 'null-blk', needs: ['limits', 'tracepoints'] },
  async (tools) => {
    const { session, proof } = tools
    const nb = await slow(tools)
    const { call, copied } = await meanwhile(tools, nb, () =>
      session.setQueue(nb, session.profile.sysfs.limit, '0'),
    )
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    const offloaded = call.results.reduce((sum, result) => sum + Number(result.offloaded), 0)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThan(places.length * KiB(256))
    await copied()
  },
)

kernelCase(
  'fault/019',
  'copy_max_bytes becomes less while copies are under way: what follows is shorter',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, proof } = tools
    const nb = await slow(tools, { maxCopySectors: 4, completionNs: 40_000_000 })
    const { call, copied } = await meanwhile(tools, nb, () =>
      session.setQueue(nb, session.profile.sysfs.limit, '512'),
    )
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    expect(new Set(copies.map(({ bytes }) => bytes))).toEqual(new Set([KiB(2), 512]))
    await copied()
  },
)

kernelCase(
  'fault/020',
  'copy_max_bytes becomes 0 and no fallback: EIO, and what is said to be copied is',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slow(tools)
    const data = pattern(KiB(256))
    await nb.write(0, data)
    const copying = await session.begin(
      { path: 'null-blk', from: nb.at(0), to: nb.at(KiB(512)), bytes: KiB(256) },
      { flags: NO_FALLBACK },
    )
    await session.setQueue(nb, session.profile.sysfs.limit, '0')
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeGreaterThan(0)
    proof.device(call).reached(copied)
    await proof.host(nb).changedUpTo(KiB(512), data, copied)
  },
)

kernelCase(
  'fault/021',
  'the scheduler is switched back and forth while copies are under way',
  { offloads: 'null-blk', needs: ['CONFIG_IOSCHED_BFQ', 'CONFIG_MQ_IOSCHED_KYBER'] },
  async (tools) => {
    const { session, proof } = tools
    const nb = await slow(tools)
    const { call, copied } = await meanwhile(tools, nb, async () => {
      for (const scheduler of ['bfq', 'none', 'kyber', 'none'])
        await session.setQueue(nb, 'scheduler', scheduler)
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await copied()
  },
)

kernelCase(
  'fault/022',
  'nr_requests, nomerges and max_sectors_kb change while copies are under way',
  { offloads: 'null-blk' },
  async (tools) => {
    const { session, proof } = tools
    const nb = await slow(tools)
    const { call, copied } = await meanwhile(tools, nb, async () => {
      await session.setQueue(nb, 'nr_requests', '4')
      await session.setQueue(nb, 'nomerges', '2')
      await session.setQueue(nb, 'max_sectors_kb', '64')
      await session.setQueue(nb, 'nr_requests', '32')
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await copied()
  },
)

kernelCase(
  'fault/023',
  'the destination partition becomes shorter while it is copied to: EIO, and what is said to be copied is',
  { offloads: 'null-blk' },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slow(tools)
    const to = await session.partition(nb, KiB(512), KiB(256))
    const data = pattern(KiB(256))
    await nb.write(0, data)
    const copying = await session.begin({ path: 'null-blk', from: nb.at(0), to: to.at(0), bytes: KiB(256) })
    await to.resize(KiB(224))
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeGreaterThan(0)
    proof.device(call).reached(copied)
    // Where the partition ended, nothing may have been written.
    await proof.host(nb).changedUpTo(KiB(512), data.part(0, KiB(224)), copied)
  },
)

kernelCase(
  'fault/024',
  'the source partition becomes shorter while it is copied from: EIO',
  { offloads: 'null-blk' },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slow(tools)
    const from = await session.partition(nb, KiB(512), KiB(256))
    const data = pattern(KiB(256))
    await from.write(0, data)
    const copying = await session.begin({ path: 'null-blk', from: from.at(0), to: nb.at(0), bytes: KiB(256) })
    await from.resize(KiB(224))
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    expect(copied).toBeGreaterThan(0)
    proof.device(call).reached(copied)
    await proof.host(nb).changedUpTo(0, data, copied)
  },
)

kernelCase(
  'fault/025',
  'the source is removed while copies from it are under way: an error, and what is said to be copied is',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async (tools) => {
    const { disk, session, pattern, proof } = tools
    // Reads of 256 KiB, four at a time: 3 s
    const options = { bytes: MiB(8), completionNs: 400_000_000 }
    const [nb, to] = [await slow(tools, options), await disk('scsi0')]
    const data = pattern(MiB(8))
    await nb.write(0, data)
    const copying = await session.begin({ path: 'never', from: nb.at(0), to: to.at(0), bytes: MiB(8) })
    await nb.vanish()
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    proof.device(call).reached(copied)
    await proof.host(to).changedUpTo(0, data, copied)
  },
)

kernelCase(
  'fault/026',
  'a device is removed while copies inside of it are under way',
  { offloads: 'null-blk' },
  async (tools) => {
    const { disk, session, copy, pattern, proof } = tools
    const nb = await slow(tools)
    const copying = await session.begin({
      path: 'null-blk',
      from: nb.at(0),
      to: nb.at(KiB(512)),
      bytes: KiB(256),
    })
    await nb.vanish()
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
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
