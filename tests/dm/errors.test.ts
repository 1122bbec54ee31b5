// Errors of volumes and below them: what the call says is true, nothing hangs, and the volume goes on copying.
import { expect } from 'vitest'
import { failEachAllocation } from '../fixtures/allocations.ts'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { tool } from '../fixtures/lab.ts'
import { meanwhile, slowDisk } from '../fixtures/long-copy.ts'
import type { Change } from '../fixtures/proof.ts'
import { error, linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { retrace } from './retrace.ts'

kernelCase(
  'dm/085',
  'a copy inside of one volume into a target that gives errors stops there',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(1), MiB(8)), error(MiB(4)), linear(ns, MiB(16), MiB(4))])
    const data = pattern(MiB(2))
    await volume.write(0, data)
    const call = await copy({ path: 'never', from: volume.at(0), to: volume.at(MiB(7)), bytes: MiB(2) })
    proof.guest(call).stopped('EIO', MiB(1))
    proof.device(call).stopped(MiB(1))
    await proof.host(ns).changedOnly(MiB(8), data.part(0, MiB(1)))
  },
)

kernelCase(
  'dm/086',
  'a copy out of a target that gives errors stops there, and beside it is right',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(1), MiB(4)), error(MiB(4)), linear(ns, MiB(16), MiB(8))])
    const data = pattern(MiB(1))
    await volume.write(MiB(3), data)
    const stopped = await copy({
      path: 'never',
      from: volume.at(MiB(3)),
      to: volume.at(MiB(8)),
      bytes: MiB(2),
    })
    proof.guest(stopped).stopped('EIO', MiB(1))
    proof.device(stopped).stopped(MiB(1))
    await proof.host(ns).changedOnly(MiB(16), data)

    const call = await copy({ path: 'never', from: volume.at(MiB(8)), to: volume.at(MiB(12)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(20), data)
  },
)

kernelCase(
  'dm/066',
  'of several sources the last one gives errors: what was before it is there',
  { needs: ['CONFIG_BLK_DEV_DM', 'BLKCOPYV'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(1), MiB(4)), error(MiB(1)), linear(ns, MiB(16), MiB(8))])
    const data = pattern(MiB(1))
    await volume.write(MiB(1), data)
    const ranges: [number, number][] = [
      [MiB(1) + KiB(512), KiB(512)],
      [MiB(1), KiB(256)],
      [MiB(4) + KiB(64), KiB(512)],
    ]
    const call = await copy({ path: 'never', from: volume, ranges, to: volume.at(MiB(8)) })
    proof.guest(call).stopped('EIO', KiB(768))
    proof.device(call).stopped(KiB(768))
    await proof.host(volume).changedOnlyIn([
      [MiB(8), data.part(KiB(512), KiB(512))],
      [MiB(8) + KiB(512), data.part(0, KiB(256))],
    ])
  },
)

kernelCase(
  'dm/087',
  'a bio that fails at the source volume, the destination volume or the disk makes a fallback',
  {
    needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_FAIL_MAKE_REQUEST'],
    offloads: ['dm-linear', 'nvme-same-namespace'],
  },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const [from, to] = [await dm.linear(ns, MiB(1), MiB(8)), await dm.linear(ns, MiB(16), MiB(8))]
    const data = pattern(MiB(3))
    await from.write(0, data)
    for (const [index, target] of [from, to, ns].entries()) {
      const at = MiB(index)
      await session.failBios(target, 1)
      const call = await copy({ path: 'dm-linear', from: from.at(at), to: to.at(at), bytes: MiB(1) })
      await session.restore()
      proof.guest(call).fellBack()
      proof.device(call).fellBack()
      await proof.host(to).changedOnly(at, data.part(at, MiB(1)))
    }
    const call = await copy({ path: 'dm-linear', from: from.at(0), to: to.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(4), data.part(0, MiB(1)))
  },
)

kernelCase(
  'dm/088',
  'a bio that fails and no fallback is EIO, and nothing is written',
  {
    needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_FAIL_MAKE_REQUEST'],
    offloads: ['dm-linear', 'nvme-same-namespace'],
  },
  async ({ disk, copy, proof, dm, session }) => {
    const ns = await disk('large')
    const [from, to] = [await dm.linear(ns, MiB(1), MiB(8)), await dm.linear(ns, MiB(16), MiB(8))]
    for (const target of [from, to, ns]) {
      await session.failBios(target, 1)
      const call = await copy(
        { path: 'dm-linear', from: from.at(0), to: to.at(0), bytes: MiB(1) },
        { flags: NO_FALLBACK },
      )
      await session.restore()
      proof.guest(call).refused('EIO')
      proof.device(call).untouched()
      await proof.host(ns).unchanged()
    }
  },
)

kernelCase(
  'dm/089',
  'when every bio of the volume fails, or of the disk below, the copy is EIO',
  { needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_FAIL_MAKE_REQUEST'] },
  async ({ disk, copy, proof, dm, session }) => {
    const ns = await disk('large')
    const volume = await dm.linear(await dm.linear(ns, MiB(1), MiB(24)), MiB(1), MiB(16))
    for (const target of [volume, ns]) {
      await session.failBios(target, -1)
      const call = await copy({ path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
      await session.restore()
      proof.guest(call).refused('EIO')
      proof.device(call).untouched()
      await proof.host(ns).unchanged()
    }
  },
)

kernelCase(
  'dm/090',
  'bios that fail here and there among many copies hang none, and what each of them says is true',
  {
    needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_FAIL_MAKE_REQUEST', 'tracepoints', 'limits'],
    offloads: ['dm-linear', 'nvme-same-namespace'],
  },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const tables = { from: [linear(ns, MiB(1), MiB(8))], to: [linear(ns, MiB(16), MiB(8))] }
    const [from, to] = [await dm.table(tables.from), await dm.table(tables.to)]
    const data = pattern(MiB(8))
    await from.write(0, data)
    const places = Array.from({ length: 64 }, (_, index) => index * KiB(128))
    await session.setQueue(from, session.profile.sysfs.limit, String(KiB(16)))
    // Of an offload, or of a write that was to replace it
    await session.failBios(to, 8)
    const call = await copy(
      places.map((at) => ({ path: 'dm-linear', from: from.at(at), to: to.at(at), bytes: KiB(128) })),
    )
    await session.restore()
    const { changes, offloaded, readAndWritten } = retrace(session, call, tables, data, ['EIO'])
    expect(offloaded).toBeGreaterThan(0)
    expect(readAndWritten).toBeGreaterThan(0)
    await proof.host(ns).changedOnlyIn(changes(ns))
  },
)

kernelCase(
  'dm/091',
  'as many copies at once as there can be on one volume',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(20), MiB(6)), linear(ns, MiB(2), MiB(14))])
    const data = pattern(KiB(32) * 190)
    await volume.write(0, data)
    const places = Array.from({ length: 190 }, (_, index) => index * KiB(32))
    const end = MiB(20)
    const call = await copy(
      places.map((at) => ({
        path: 'dm-linear',
        from: volume.at(at),
        to: volume.at(end - KiB(32) - at),
        bytes: KiB(32),
      })),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof
      .host(volume)
      .changedOnlyIn(places.map((at): Change => [end - KiB(32) - at, data.part(at, KiB(32))]))
  },
)

kernelCase(
  'dm/092',
  'each allocation of the call fails once: ENOMEM and nothing written, or all is copied',
  { needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_FAILSLAB', 'tracepoints'] },
  async (tools) => {
    const { disk, pattern, proof, dm } = tools
    const volume = await dm.linear(await disk('large'), MiB(1), MiB(24))
    const data = pattern(KiB(64))
    await volume.write(0, data)
    const made = await failEachAllocation(tools, (nth) => {
      return { path: 'dm-linear', from: volume.at(0), to: volume.at(KiB(64) * nth), bytes: KiB(64) }
    })
    await proof.host(volume).changedOnlyIn(made.map((nth): Change => [KiB(64) * nth, data]))
  },
)

kernelCase(
  'dm/093',
  'as many copies at once while allocations that may not sleep fail: none hangs, all are right',
  {
    offloads: ['dm-linear', 'null-blk'],
    needs: ['CONFIG_BLK_DEV_DM', 'CONFIG_FAILSLAB', 'limits', 'tracepoints'],
  },
  async (tools) => {
    const { pattern, proof, dm, session } = tools
    const disk = await slowDisk(session, { bytes: MiB(4), hwQueueDepth: 64 })
    const tables = { from: [linear(disk, 0, MiB(2))], to: [linear(disk, MiB(2), MiB(2))] }
    const [from, to] = [await dm.table(tables.from), await dm.table(tables.to)]
    const data = pattern(MiB(2))
    await from.write(0, data)
    // The first one is long: it is under way when the others have ended, too.
    const sizes = [MiB(1), ...Array.from({ length: 180 }, () => KiB(4))]
    const starts = sizes.map((_, index) => sizes.slice(0, index).reduce((sum, bytes) => sum + bytes, 0))
    const requests = sizes.map((bytes, index) => {
      const at = starts[index] ?? 0
      return { path: ['dm-linear', 'null-blk'] as const, from: from.at(at), to: to.at(at), bytes }
    })
    const faults = 1000
    const failslab = (name: string) => `/sys/kernel/debug/failslab/${name}`
    const set = (name: string, value: number) => session.must([tool, 'set', failslab(name), String(value)])
    const left = async () => Number(await session.must([tool, 'get', failslab('times')]))
    const call = await meanwhile(tools, requests, async (copying) => {
      // The default of ignore-gfp-wait spares what may sleep, such as all that the guest's programs need.
      await set('verbose', 0)
      await set('times', faults)
      await set('probability', 90)
      try {
        while ((await left()) === faults) await copying.goesOn()
      } finally {
        await set('probability', 0)
      }
    })
    const { changes } = retrace(session, call, tables, data)
    await proof.host(disk).changedOnlyIn(changes(disk))
  },
)
