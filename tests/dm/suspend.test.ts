// Volumes that are suspended while copies wait for them, or are under way.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyCall, type CopyOptions, NO_FALLBACK } from '../fixtures/copy.ts'
import { beginLong, type LongCopy, longBytes, meanwhile, slowDisk, soonMs } from '../fixtures/long-copy.ts'
import { crypt, delay, linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import type { Volume } from '../fixtures/volume.ts'
import { retrace } from './retrace.ts'

/** What could not be offloaded while a table was suspended: the size in which the series reads and writes. */
const pieceBytes = MiB(1)

/** One piece waits for the resume and is read and written; then the device is asked again. */
function offloadedAfterwards({ proof }: CaseTools, call: CopyCall): void {
  proof.guest(call).moved('traced')
  proof.device(call).moved('traced')
  const { copied, offloaded } = call.results[0] ?? {}
  expect(Number(copied) - Number(offloaded)).toBe(pieceBytes)
}

/** A copy between two volumes of which one is suspended: an offload cannot wait, the fallback does. */
async function waitsForResume(tools: CaseTools, suspended: 'from' | 'to') {
  const { disk, pattern, proof, dm, session } = tools
  const ns = await disk('large')
  const volumes = { from: await dm.linear(ns, MiB(1), MiB(8)), to: await dm.linear(ns, MiB(16), MiB(8)) }
  const data = pattern(MiB(4))
  await volumes.from.write(0, data)
  await volumes[suspended].suspend()
  const copying = await session.begin({
    path: 'dm-linear',
    from: volumes.from.at(0),
    to: volumes.to.at(MiB(2)),
    bytes: data.bytes,
  })
  await volumes[suspended].resume()
  const call = await copying.done()
  offloadedAfterwards(tools, call)
  await proof.host(volumes.to).changedOnly(MiB(2), data)
}

kernelCase(
  'dm/070',
  'a copy into a suspended volume waits for the resume, and is offloaded from then on',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  (tools) => waitsForResume(tools, 'to'),
)

kernelCase(
  'dm/071',
  'a copy out of a suspended volume waits for the resume, and is offloaded from then on',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  (tools) => waitsForResume(tools, 'from'),
)

kernelCase(
  'dm/072',
  'no fallback on a suspended volume is EAGAIN, as it may work soon, and nothing is written',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const [first, second] = [await dm.linear(ns, MiB(1), MiB(8)), await dm.linear(ns, MiB(16), MiB(8))]
    const data = pattern(MiB(1))
    await second.write(0, data)
    await first.suspend()
    const refused = await copy(
      [
        { path: 'dm-linear', from: second.at(0), to: first.at(0), bytes: MiB(1) },
        { path: 'dm-linear', from: first.at(0), to: second.at(MiB(4)), bytes: MiB(1) },
        { path: 'dm-linear', from: first.at(0), to: first.at(MiB(4)), bytes: MiB(1) },
      ],
      { flags: NO_FALLBACK },
    )
    await first.resume()
    const able = session.offloads(['dm-linear', 'nvme-same-namespace'])
    proof.guest(refused).refused(able ? 'EAGAIN' : 'EOPNOTSUPP')
    proof.device(refused).untouched()
    await proof.host(ns).unchanged()

    if (!able) return
    const call = await copy(
      { path: 'dm-linear', from: second.at(0), to: first.at(0), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(first).changedOnly(0, data)
  },
)

kernelCase(
  'dm/073',
  'a copy that waits writes by the table that it is resumed with',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async (tools) => {
    const { disk, pattern, proof, dm, session } = tools
    const ns = await disk('large')
    const to = await dm.linear(ns, MiB(16), MiB(8))
    const data = pattern(MiB(4))
    await ns.write(0, data)
    await to.suspend()
    const copying = await session.begin({
      path: 'dm-linear',
      from: ns.at(0),
      to: to.at(KiB(4)),
      bytes: data.bytes,
    })
    await to.load([linear(ns, MiB(4), MiB(8))])
    await to.resume()
    const call = await copying.done()
    offloadedAfterwards(tools, call)
    await proof.host(ns).changedOnly(MiB(4) + KiB(4), data)
  },
)

kernelCase(
  'dm/074',
  'a copy that waits reads by the table that it is resumed with',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const from = await dm.linear(ns, MiB(16), MiB(8))
    const data = pattern(MiB(1))
    await scsi.write(MiB(3), data)
    await from.suspend()
    const copying = await session.begin({ path: 'dm-linear', from: from.at(0), to: ns.at(0), bytes: MiB(1) })
    await from.load([linear(scsi, MiB(3), MiB(8))])
    await from.resume()
    const call = await copying.done()
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(0, data)
    await proof.host(scsi).unchanged()
  },
)

kernelCase(
  'dm/075',
  'the middle one of three levels is suspended and moved',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async (tools) => {
    const { disk, pattern, proof, dm, session } = tools
    const ns = await disk('large')
    const lowest = await dm.linear(ns, MiB(1), MiB(30))
    const middle = await dm.linear(lowest, MiB(15), MiB(12))
    const volume = await dm.linear(middle, KiB(4), MiB(8))
    const data = pattern(MiB(4))
    await ns.write(0, data)
    await middle.suspend()
    const copying = await session.begin({
      path: 'dm-linear',
      from: ns.at(0),
      to: volume.at(MiB(2)),
      bytes: data.bytes,
    })
    await middle.load([linear(lowest, MiB(3), MiB(12))])
    await middle.resume()
    const call = await copying.done()
    offloadedAfterwards(tools, call)
    await proof.host(ns).changedOnly(MiB(1) + MiB(3) + KiB(4) + MiB(2), data)
  },
)

kernelCase(
  'dm/076',
  'a copy that is killed while its volume is suspended ends with the resume and writes no more',
  { needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_DM_DELAY'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    // Four writes of 1 MiB at a time, so that most wait for others.
    const to = await dm.linear(await dm.table([delay(ns, MiB(16), MiB(16), 500)]), 0, MiB(16))
    const data = pattern(MiB(12))
    await ns.write(0, data)
    await to.suspend()
    const copying = await session.begin({
      path: 'dm-linear',
      from: ns.at(0),
      to: to.at(0),
      bytes: data.bytes,
    })
    // A write that has been queued cannot be taken back, so the process cannot end before the resume.
    await copying.sendKill()
    await to.resume()
    const call = await copying.done()
    const { copied } = proof.guest(call).killed()
    expect(copied).toBeLessThan(data.bytes)
    proof.device(call).reached(copied, 'fallback')
    await proof.host(to).changedUpTo(0, data, copied)
  },
)

kernelCase(
  'dm/077',
  'many copies wait on one suspended volume',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const [from, to] = [await dm.linear(ns, 0, MiB(8)), await dm.linear(ns, MiB(16), MiB(8))]
    const data = pattern(MiB(8))
    await from.write(0, data)
    await to.suspend()
    const places = Array.from({ length: 64 }, (_, index) => index * KiB(128))
    const copying = await session.begin(
      places.map((at) => ({
        path: 'dm-linear',
        from: from.at(at),
        to: to.at(MiB(8) - KiB(128) - at),
        bytes: KiB(128),
      })),
    )
    await to.resume()
    const call = await copying.done()
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    const wanted = places.toReversed().map((at) => data.part(at, KiB(128)).data)
    await proof.host(to).changedOnly(0, Buffer.concat(wanted))
  },
)

kernelCase(
  'dm/068',
  'dm-crypt is suspended in the middle of a long copy',
  { needs: ['CONFIG_DM_CRYPT', 'CONFIG_DM_DELAY', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    // Reads and writes of 1 MiB, four at a time: 12 s
    const late = await dm.table([delay(ns, 0, ns.bytes, 2000)])
    const tables = {
      from: [crypt(late, 0, MiB(12), pattern(64).data)],
      to: [crypt(late, MiB(16), MiB(12), pattern(64).data)],
    }
    const [from, to] = [await dm.table(tables.from), await dm.table(tables.to)]
    const data = pattern(MiB(12))
    await from.write(0, data)
    const request = { path: 'dm-crypt', from: from.at(0), to: to.at(0), bytes: data.bytes } as const
    const copying = await session.begin(request)
    for (const volume of [to, from]) {
      await volume.suspend()
      await volume.resume()
    }
    await copying.underWay()
    await late.reload([delay(ns, 0, ns.bytes, 0)])
    const call = await copying.done()
    const { changes, offloaded } = retrace(session, call, tables, data)
    expect(offloaded).toBe(0)
    await proof.host(ns).changedOnlyIn(changes(ns))
  },
)

/** Begins a long copy from one volume of a slow disk to another. */
async function betweenVolumes({ pattern, dm, session }: CaseTools, options: CopyOptions = {}) {
  const disk = await slowDisk(session)
  const from = await dm.linear(disk, 0, longBytes)
  const to = await dm.linear(disk, MiB(1), longBytes)
  const data = pattern(longBytes)
  await from.write(0, data)
  const path = ['dm-linear', 'null-blk'] as const
  const request = { path, from: from.at(0), to: to.at(0), bytes: longBytes }
  return { to, data, copying: await beginLong(session, request, options) }
}

kernelCase(
  'dm/069',
  'a long offloaded copy that is killed ends soon, and what it says is there',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async (tools) => {
    const { proof } = tools
    const { to, data, copying } = await betweenVolumes(tools)
    const { waitedMs } = await copying.kill()
    expect(waitedMs).toBeLessThan(soonMs)
    const call = await copying.done()
    const { copied, offloaded } = proof.guest(call).killed()
    expect(copied).toBeGreaterThan(0)
    expect(copied).toBeLessThan(data.bytes)
    expect(offloaded).toBe(copied)
    proof.device(call).reached(copied)
    await proof.host(to).changedUpTo(0, data, copied)
  },
)

/** Suspends volumes in the middle of a long copy: what cannot wait is read and written, then it is offloaded again. */
async function suspended(
  tools: CaseTools,
  meet: (volumes: { from: Volume; to: Volume }, copying: LongCopy) => Promise<void>,
): Promise<void> {
  const { pattern, proof, dm, session } = tools
  const disk = await slowDisk(session)
  const tables = { from: [linear(disk, 0, longBytes)], to: [linear(disk, MiB(1), longBytes)] }
  const [from, to] = [await dm.table(tables.from), await dm.table(tables.to)]
  const data = pattern(longBytes)
  await from.write(0, data)
  const path = ['dm-linear', 'null-blk'] as const
  const request = { path, from: from.at(0), to: to.at(0), bytes: longBytes }
  const call = await meanwhile(tools, request, (copying) => meet({ from, to }, copying))
  const { changes, offloaded, readAndWritten } = retrace(session, call, tables, data)
  expect(readAndWritten).toBeGreaterThan(0)
  expect(offloaded).toBeGreaterThan(readAndWritten)
  await proof.host(disk).changedOnlyIn(changes(disk))
}

kernelCase(
  'dm/080',
  'suspended in the middle of a long copy: what cannot wait is read and written, then it is offloaded again',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async (tools) => {
    await suspended(tools, async ({ to }, copying) => {
      await to.suspend()
      await copying.fallsBack()
      await to.resume()
    })
  },
)

kernelCase(
  'dm/081',
  'both sides are suspended without flush in the middle of a long copy',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async (tools) => {
    await suspended(tools, async ({ from, to }, copying) => {
      for (let turn = 0; turn < 2; turn++) {
        await from.suspend('noflush')
        await from.resume()
        await to.suspend('noflush')
        await copying.fallsBack()
        await to.resume()
      }
    })
  },
)

kernelCase(
  'dm/123',
  'suspended in the middle of a long copy, and no fallback: EAGAIN, and what is said to be copied is',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits'] },
  async (tools) => {
    const { proof } = tools
    const { to, data, copying } = await betweenVolumes(tools, { flags: NO_FALLBACK })
    await to.suspend()
    const call = await copying.done()
    await to.resume()
    const { copied } = proof.guest(call).cutShort('EAGAIN')
    expect(copied).toBeGreaterThan(0)
    expect(copied).toBeLessThan(data.bytes)
    proof.device(call).reached(copied)
    await proof.host(to).changedUpTo(0, data, copied)
  },
)
