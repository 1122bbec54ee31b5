// Tables that are replaced in the middle of long copies: each piece lies where the table that was live has put it.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { crypt, linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { retrace } from './retrace.ts'

/** Of one command, so that a copy of MiBs takes long enough to meet a reload. */
const commandBytes = KiB(4)

kernelCase(
  'dm/078',
  'the destination is moved on the disk during a long copy',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const tables = {
      from: [linear(ns, 0, MiB(10))],
      to: [linear(ns, MiB(10), MiB(10)), linear(ns, MiB(20), MiB(10))],
    }
    const [from, to] = [await dm.table(tables.from), await dm.table(tables.to.slice(0, 1))]
    const data = pattern(MiB(10))
    await from.write(0, data)
    await session.setQueue(from, session.profile.sysfs.limit, String(commandBytes))
    const copying = await session.begin({
      path: 'dm-linear',
      from: from.at(0),
      to: to.at(0),
      bytes: data.bytes,
    })
    await to.reload(tables.to.slice(1))
    const call = await copying.done()
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    // The reload was neither before the copy nor after it, and did not end the offloads.
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(data.bytes / 2)
    await proof.host(ns).changedOnlyIn(changes.get(ns) ?? [])
  },
)

kernelCase(
  'dm/079',
  'the source is moved on the disk, to a copy of itself, during a long copy',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const tables = {
      from: [linear(ns, 0, MiB(10)), linear(ns, MiB(20), MiB(10))],
      to: [linear(ns, MiB(10), MiB(10))],
    }
    const [from, to] = [await dm.table(tables.from.slice(0, 1)), await dm.table(tables.to)]
    const data = pattern(MiB(10))
    await ns.write(0, data)
    await ns.write(MiB(20), data)
    await session.setQueue(from, session.profile.sysfs.limit, String(commandBytes))
    const copying = await session.begin({
      path: 'dm-linear',
      from: from.at(0),
      to: to.at(0),
      bytes: data.bytes,
    })
    await from.reload(tables.from.slice(1))
    const call = await copying.done()
    const { changes, offloaded } = retrace(session, call, tables, data)
    expect(offloaded).toBeGreaterThan(data.bytes / 2)
    await proof.host(ns).changedOnlyIn(changes.get(ns) ?? [])
  },
)

kernelCase(
  'dm/082',
  'both sides move to and fro under sixteen copies at once',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const tables = {
      from: [linear(ns, 0, MiB(8)), linear(ns, MiB(8), MiB(8))],
      to: [linear(ns, MiB(16), MiB(8)), linear(ns, MiB(24), MiB(8))],
    }
    const [from, to] = [await dm.table(tables.from.slice(0, 1)), await dm.table(tables.to.slice(0, 1))]
    const data = pattern(MiB(8))
    await ns.write(0, data)
    await ns.write(MiB(8), data)
    await session.setQueue(from, session.profile.sysfs.limit, String(commandBytes))
    const places = Array.from({ length: 16 }, (_, index) => index * KiB(512))
    const copying = await session.begin(
      places.map((at) => ({ path: 'dm-linear', from: from.at(at), to: to.at(at), bytes: KiB(512) })),
    )
    for (const turn of [1, 0, 1]) {
      await to.reload(tables.to.slice(turn).slice(0, 1))
      await from.reload(tables.from.slice(turn).slice(0, 1))
    }
    const call = await copying.done()
    const { changes, written } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    await proof.host(ns).changedOnlyIn(changes.get(ns) ?? [])
  },
)

kernelCase(
  'dm/083',
  'the destination becomes dm-crypt during a long copy: what comes after is encrypted',
  {
    offloads: ['dm-linear', 'nvme-same-namespace'],
    needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_DM_CRYPT', 'limits', 'tracepoints'],
  },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const key = pattern(64).data
    const tables = {
      from: [linear(ns, 0, MiB(10))],
      to: [linear(ns, MiB(10), MiB(10)), crypt(ns, MiB(20), MiB(10), key)],
    }
    const [from, to] = [await dm.table(tables.from), await dm.table(tables.to.slice(0, 1))]
    const data = pattern(MiB(10))
    await from.write(0, data)
    await session.setQueue(from, session.profile.sysfs.limit, String(commandBytes))
    const copying = await session.begin({
      path: 'dm-linear',
      from: from.at(0),
      to: to.at(0),
      bytes: data.bytes,
    })
    await to.reload(tables.to.slice(1))
    const call = await copying.done()
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThanOrEqual(written[0] ?? 0)
    await proof.host(ns).changedOnlyIn(changes.get(ns) ?? [])
  },
)

kernelCase(
  'dm/084',
  'a level in the middle moves during a long copy',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const [here, there] = [MiB(10), MiB(21)]
    const middle = await dm.linear(ns, here, MiB(10))
    const to = await dm.linear(middle, KiB(4), MiB(9))
    const data = pattern(MiB(9))
    await ns.write(0, data)
    await session.setQueue(to, session.profile.sysfs.limit, String(commandBytes))
    const copying = await session.begin({
      path: 'dm-linear',
      from: ns.at(0),
      to: to.at(0),
      bytes: data.bytes,
    })
    await middle.reload([linear(ns, there, MiB(10))])
    const call = await copying.done()
    const tables = {
      from: [linear(ns, 0, MiB(9))],
      to: [here, there].map((place) => linear(ns, place + KiB(4), MiB(9))),
    }
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(data.bytes / 2)
    await proof.host(ns).changedOnlyIn(changes.get(ns) ?? [])
  },
)

kernelCase(
  'dm/067',
  'the destination is moved to a disk that cannot copy during a long copy: the rest is read and written',
  { offloads: ['dm-linear', 'nvme-same-namespace'], needs: ['CONFIG_BLK_DEV_DM', 'limits', 'tracepoints'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const tables = {
      from: [linear(ns, 0, MiB(10))],
      to: [linear(ns, MiB(10), MiB(10)), linear(scsi, MiB(1), MiB(10))],
    }
    const [from, to] = [await dm.table(tables.from), await dm.table(tables.to.slice(0, 1))]
    const data = pattern(MiB(10))
    await from.write(0, data)
    await session.setQueue(from, session.profile.sysfs.limit, String(commandBytes))
    const copying = await session.begin({
      path: 'dm-linear',
      from: from.at(0),
      to: to.at(0),
      bytes: data.bytes,
    })
    await to.reload(tables.to.slice(1))
    const call = await copying.done()
    const { changes, written, offloaded } = retrace(session, call, tables, data)
    for (const bytes of written) expect(bytes).toBeGreaterThan(0)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThanOrEqual(written[0] ?? 0)
    await proof.host(ns).changedOnlyIn(changes.get(ns) ?? [])
    await proof.host(scsi).changedOnlyIn(changes.get(scsi) ?? [])
  },
)
