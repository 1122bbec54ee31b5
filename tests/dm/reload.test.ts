// Tables that are replaced in the middle of long copies: each piece lies where the table that was live has put it.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { crypt, linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { retrace } from './retrace.ts'
import { longBytes, manyCommands, meanwhile, slowDisk } from './slow.ts'

kernelCase(
  'dm/078',
  'the destination is moved on the disk during a long copy',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async (tools) => {
    const { pattern, proof, dm, session } = tools
    const disk = await slowDisk(tools)
    const [here, there] = [linear(disk, MiB(2), longBytes), linear(disk, MiB(5), longBytes)]
    const tables = { from: [linear(disk, 0, longBytes)], to: [here, there] }
    const [from, to] = [await dm.table(tables.from), await dm.table([here])]
    const data = pattern(longBytes)
    await from.write(0, data)
    const call = await meanwhile(tools, { from, to }, () => to.reload([there]))
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    // The reload was neither before the copy nor after it, and did not end the offloads.
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(written[0] ?? 0)
    await proof.host(disk).changedOnlyIn(changes(disk))
  },
)

kernelCase(
  'dm/079',
  'the source is moved on the disk, to a copy of itself, during a long copy',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    // Only QEMU's trace tells which of the two was read.
    const ns = await disk('large')
    const [here, there] = [linear(ns, 0, MiB(10)), linear(ns, MiB(20), MiB(10))]
    const tables = { from: [here, there], to: [linear(ns, MiB(10), MiB(10))] }
    const [from, to] = [await dm.table([here]), await dm.table(tables.to)]
    const data = pattern(MiB(10))
    await ns.write(0, data)
    await ns.write(MiB(20), data)
    await manyCommands(session, from)
    const request = { path: 'dm-linear', from: from.at(0), to: to.at(0), bytes: data.bytes } as const
    const copying = await session.begin(request)
    await from.reload([there])
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
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async (tools) => {
    const { pattern, proof, dm, session } = tools
    const disk = await slowDisk(tools)
    const places = [0, MiB(2), MiB(4), MiB(6)].map((start) => linear(disk, start, longBytes))
    const tables = { from: places.slice(0, 2), to: places.slice(2) }
    const [from, to] = [await dm.table(tables.from.slice(0, 1)), await dm.table(tables.to.slice(0, 1))]
    const data = pattern(longBytes)
    await disk.write(0, data)
    await disk.write(MiB(2), data)
    // Four commands at a time in all
    await session.setQueue(disk, 'nr_requests', '4')
    const starts = Array.from({ length: 16 }, (_, index) => index * KiB(128))
    const copying = await session.begin(
      starts.map((at) => ({
        path: ['dm-linear', 'null-blk'],
        from: from.at(at),
        to: to.at(at),
        bytes: KiB(128),
      })),
    )
    for (const turn of [1, 0, 1]) {
      await to.reload(tables.to.slice(turn, turn + 1))
      await from.reload(tables.from.slice(turn, turn + 1))
    }
    const call = await copying.done()
    const { changes, written } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    await proof.host(disk).changedOnlyIn(changes(disk))
  },
)

kernelCase(
  'dm/083',
  'the destination becomes dm-crypt during a long copy: what comes after is encrypted',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_DM_CRYPT', 'tracepoints'] },
  async (tools) => {
    const { pattern, proof, dm, session } = tools
    const disk = await slowDisk(tools)
    const key = pattern(64).data
    const [plain, secret] = [linear(disk, MiB(2), longBytes), crypt(disk, MiB(5), longBytes, key)]
    const tables = { from: [linear(disk, 0, longBytes)], to: [plain, secret] }
    const [from, to] = [await dm.table(tables.from), await dm.table([plain])]
    const data = pattern(longBytes)
    await from.write(0, data)
    const call = await meanwhile(tools, { from, to }, () => to.reload([secret]))
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThanOrEqual(written[0] ?? 0)
    await proof.host(disk).changedOnlyIn(changes(disk))
  },
)

kernelCase(
  'dm/084',
  'a level in the middle moves during a long copy',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async (tools) => {
    const { pattern, proof, dm, session } = tools
    const disk = await slowDisk(tools)
    const [here, there] = [MiB(2), MiB(5) + KiB(4)]
    const middle = await dm.linear(disk, here, MiB(2) + KiB(512))
    const to = await dm.linear(middle, KiB(4), longBytes)
    const data = pattern(longBytes)
    await disk.write(0, data)
    const moved = [linear(disk, there, MiB(2) + KiB(512))]
    const call = await meanwhile(tools, { from: disk, to }, () => middle.reload(moved))
    const tables = {
      from: [linear(disk, 0, longBytes)],
      to: [here, there].map((place) => linear(disk, place + KiB(4), longBytes)),
    }
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(written[0] ?? 0)
    await proof.host(disk).changedOnlyIn(changes(disk))
  },
)

kernelCase(
  'dm/067',
  'the destination is moved to a disk that cannot copy during a long copy: the rest is read and written',
  { offloads: ['dm-linear', 'null-blk'], needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async (tools) => {
    const { pattern, proof, dm, session } = tools
    const [disk, scsi] = [await slowDisk(tools), await tools.disk('scsi0')]
    const [here, there] = [linear(disk, MiB(2), longBytes), linear(scsi, MiB(1), longBytes)]
    const tables = { from: [linear(disk, 0, longBytes)], to: [here, there] }
    const [from, to] = [await dm.table(tables.from), await dm.table([here])]
    const data = pattern(longBytes)
    await from.write(0, data)
    const call = await meanwhile(tools, { from, to }, () => to.reload([there]))
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThanOrEqual(written[0] ?? 0)
    await proof.host(disk).changedOnlyIn(changes(disk))
    await proof.host(scsi).changedOnlyIn(changes(scsi))
  },
)
