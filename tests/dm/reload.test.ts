// Tables that are replaced in the middle of long copies: each piece lies where the table that was live has put it.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { beginLong, longBytes, meanwhile, slowDisk } from '../fixtures/long-copy.ts'
import type { NullBlk } from '../fixtures/null-blk.ts'
import { crypt, linear, type Row } from '../fixtures/rows.ts'
import type { Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { type Retraced, retrace, type Tables } from './retrace.ts'

/** A place on the slow disk for what is copied, and one for it to move to. */
const here = (disk: NullBlk) => linear(disk, longBytes, longBytes)
const there = longBytes * 2 + KiB(4)

/** Makes a long copy, in the middle of which the destination moves from the first of its tables to the second one. */
async function movingOn(
  tools: CaseTools,
  { disk, from, to, tables }: { disk: NullBlk; from: Target; to: Target; tables: Tables },
  move: () => Promise<void>,
): Promise<Retraced> {
  const { pattern, proof, session } = tools
  const data = pattern(longBytes)
  await disk.write(0, data)
  const path = ['dm-linear', 'null-blk'] as const
  const copying = await beginLong(session, { path, from: from.at(0), to: to.at(0), bytes: longBytes })
  await move()
  const call = await copying.finish()
  const retraced = retrace(session, call, tables, data)
  // Neither before the copy nor after it
  for (const bytes of retraced.written) expect(bytes).toBeGreaterThan(0)
  await proof.host(disk).changedOnlyIn(retraced.changes(disk))
  return retraced
}

/** The same for a volume of one row that becomes another one. */
async function becomes(tools: CaseTools, disk: NullBlk, row: Row): Promise<Retraced & { inFirst: number }> {
  const { dm } = tools
  const tables = { from: [linear(disk, 0, longBytes)], to: [here(disk), row] }
  const [from, to] = [await dm.table(tables.from), await dm.table([here(disk)])]
  const retraced = await movingOn(tools, { disk, from, to, tables }, () => to.reload([row]))
  return { ...retraced, inFirst: retraced.written[0] ?? 0 }
}

kernelCase(
  'dm/078',
  'the destination is moved on the disk during a long copy',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async (tools) => {
    const disk = await slowDisk(tools.session)
    const { offloaded, inFirst } = await becomes(tools, disk, linear(disk, there, longBytes))
    // The reload did not end the offloads.
    expect(offloaded).toBeGreaterThan(inFirst)
  },
)

kernelCase(
  'dm/079',
  'the source is moved on the disk, to a copy of itself, during a long copy',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    // Only QEMU's trace tells which of the two was read.
    const ns = await disk('slow')
    const bytes = MiB(2)
    const tables = {
      from: [linear(ns, 0, bytes), linear(ns, MiB(8), bytes)],
      to: [linear(ns, MiB(4), bytes)],
    }
    // However fast the host is, the copy waits at the last quarter until its source has been moved.
    const free = bytes - KiB(512)
    const gate = await dm.linear(ns, MiB(4) + free, KiB(512))
    const from = await dm.table(tables.from.slice(0, 1))
    const to = await dm.table([linear(ns, MiB(4), free), linear(gate, 0, KiB(512))])
    const data = pattern(bytes)
    await ns.write(0, data)
    await ns.write(MiB(8), data)
    await gate.suspend()
    const copying = await beginLong(
      session,
      { path: 'dm-linear', from: from.at(0), to: to.at(0), bytes },
      { commandBytes: KiB(2) },
    )
    await from.reload(tables.from.slice(1))
    await gate.resume()
    const call = await copying.done()
    const { changes, read, offloaded } = retrace(session, call, tables, data)
    for (const bytes of read) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(read[0] ?? 0)
    await proof.host(ns).changedOnlyIn(changes(ns))
  },
)

kernelCase(
  'dm/082',
  'both sides move to and fro under sixteen copies at once',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async (tools) => {
    const { pattern, proof, dm, session } = tools
    const disk = await slowDisk(session)
    const places = [0, 1, 2, 3].map((index) => linear(disk, index * longBytes, longBytes))
    const tables = { from: places.slice(0, 2), to: places.slice(2) }
    const [from, to] = [await dm.table(tables.from.slice(0, 1)), await dm.table(tables.to.slice(0, 1))]
    const data = pattern(longBytes)
    await disk.write(0, data)
    await disk.write(longBytes, data)
    const starts = Array.from({ length: 16 }, (_, index) => index * KiB(32))
    const requests = starts.map((at) => ({
      path: ['dm-linear', 'null-blk'] as const,
      ...{ from: from.at(at), to: to.at(at), bytes: KiB(32) },
    }))
    const call = await meanwhile(tools, requests, async () => {
      for (const turn of [1, 0, 1]) {
        await to.reload(tables.to.slice(turn, turn + 1))
        await from.reload(tables.from.slice(turn, turn + 1))
      }
    })
    const { changes, written } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    await proof.host(disk).changedOnlyIn(changes(disk))
  },
)

kernelCase(
  'dm/083',
  'the destination becomes dm-crypt during a long copy: what comes after is encrypted',
  {
    offloads: ['dm-linear', 'null-blk'],
    needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_DM_CRYPT', 'limits', 'tracepoints'],
  },
  async (tools) => {
    const disk = await slowDisk(tools.session)
    const secret = crypt(disk, there, longBytes, tools.pattern(64).data)
    const { offloaded, inFirst } = await becomes(tools, disk, secret)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThanOrEqual(inFirst)
  },
)

kernelCase(
  'dm/084',
  'a level in the middle moves during a long copy',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async (tools) => {
    const { dm, session } = tools
    const disk = await slowDisk(session)
    const places = [longBytes, there]
    const levels = places.map((place) => linear(disk, place, longBytes + KiB(4)))
    const middle = await dm.table(levels.slice(0, 1))
    const to = await dm.linear(middle, KiB(4), longBytes)
    const tables = {
      from: [linear(disk, 0, longBytes)],
      to: places.map((place) => linear(disk, place + KiB(4), longBytes)),
    }
    const from = await dm.table(tables.from)
    const move = () => middle.reload(levels.slice(1))
    const { offloaded, written } = await movingOn(tools, { disk, from, to, tables }, move)
    expect(offloaded).toBeGreaterThan(written[0] ?? 0)
  },
)

kernelCase(
  'dm/067',
  'the destination is moved to a disk that cannot copy during a long copy: the rest is read and written',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async (tools) => {
    const [disk, scsi] = [await slowDisk(tools.session), await tools.disk('scsi0')]
    const { changes, offloaded, inFirst } = await becomes(tools, disk, linear(scsi, MiB(1), longBytes))
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThanOrEqual(inFirst)
    await tools.proof.host(scsi).changedOnlyIn(changes(scsi))
  },
)
