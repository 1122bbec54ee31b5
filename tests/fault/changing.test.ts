// Limits, schedulers and devices change while copies are under way.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyCall, NO_FALLBACK } from '../fixtures/copy.ts'
import type { NullBlk } from '../fixtures/null-blk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** A null_blk device whose requests take 20 ms, unless told otherwise, and copy 2 KiB. */
function slow({ session }: CaseTools, completionNs = 20_000_000) {
  return session.nullBlk({ bytes: MiB(4), maxCopySectors: 4, completionNs })
}

const places = [MiB(1), MiB(2), MiB(3)]

/** Three copies of 512 KiB inside of a slow device, more than 1 s, and `change` meanwhile. */
async function meanwhile(
  tools: CaseTools,
  nb: NullBlk,
  change: () => Promise<void>,
): Promise<{ call: CopyCall; copied: () => Promise<void> }> {
  const { session, pattern, proof } = tools
  const data = pattern(KiB(512))
  await nb.write(0, data)
  const copying = await session.begin(
    places.map((to) => ({ path: 'null-blk' as const, from: nb.at(0), to: nb.at(to), bytes: KiB(512) })),
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
    await copied()
  },
)

kernelCase(
  'fault/019',
  'copy_max_bytes becomes less while copies are under way: what follows is shorter',
  { offloads: 'null-blk', needs: ['limits', 'tracepoints'] },
  async (tools) => {
    const { session, proof } = tools
    const nb = await slow(tools)
    const { call, copied } = await meanwhile(tools, nb, () =>
      session.setQueue(nb, session.profile.sysfs.limit, String(KiB(1))),
    )
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
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
    const data = pattern(MiB(1))
    await nb.write(0, data)
    const copying = await session.begin(
      { path: 'null-blk', from: nb.at(0), to: nb.at(MiB(2)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    await session.setQueue(nb, session.profile.sysfs.limit, '0')
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    proof.device(call).reached(copied)
    await proof.host(nb).changedUpTo(MiB(2), data, copied)
  },
)

kernelCase(
  'fault/021',
  'the scheduler is switched back and forth while copies are under way',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK', 'CONFIG_IOSCHED_BFQ', 'CONFIG_MQ_IOSCHED_KYBER'] },
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
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
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
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slow(tools)
    const to = await session.partition(nb, MiB(2), MiB(2))
    const data = pattern(MiB(1))
    await nb.write(0, data)
    const copying = await session.begin({ path: 'null-blk', from: nb.at(0), to: to.at(0), bytes: MiB(1) })
    await to.resize(KiB(512))
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
    proof.device(call).reached(copied)
    // Where the partition ended, nothing may have been written.
    await proof.host(nb).changedUpTo(MiB(2), data.part(0, KiB(512)), copied)
  },
)

kernelCase(
  'fault/024',
  'the source partition becomes shorter while it is copied from: EIO',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async (tools) => {
    const { session, pattern, proof } = tools
    const nb = await slow(tools)
    const from = await session.partition(nb, MiB(2), MiB(2))
    const data = pattern(MiB(1))
    await from.write(0, data)
    const copying = await session.begin({ path: 'null-blk', from: from.at(0), to: nb.at(0), bytes: MiB(1) })
    await from.resize(KiB(512))
    const call = await copying.done()
    const { copied } = proof.guest(call).cutShort('EIO')
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
    // Reads of 256 KiB, four at a time: 0.8 s
    const [nb, to] = [await slow(tools, 200_000_000), await disk('scsi0')]
    const data = pattern(MiB(4))
    await nb.write(0, data)
    const copying = await session.begin({ path: 'never', from: nb.at(0), to: to.at(0), bytes: MiB(4) })
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
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async (tools) => {
    const { disk, session, copy, pattern, proof } = tools
    const nb = await slow(tools)
    const copying = await session.begin({
      path: 'null-blk',
      from: nb.at(0),
      to: nb.at(MiB(2)),
      bytes: MiB(2),
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
