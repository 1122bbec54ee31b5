// Whose I/O a copy is: cgroups count it, and hold it back.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { Cgroup, timed } from '../fixtures/cgroup.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'block/130',
  'the reads and writes of a copy are I/O of the cgroup that calls',
  { needs: ['CONFIG_BLK_CGROUP', 'CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const [from, to] = [await session.nullBlk(), await session.nullBlk()]
    const cgroup = await Cgroup.make(session, 'caller')
    const data = pattern(KiB(64))
    await from.write(0, data)
    const call = await copy(
      { path: 'never', from: from.at(0), to: to.at(MiB(4)), bytes: data.bytes },
      { cgroup },
    )
    expect(await cgroup.io(from)).toMatchObject({ rbytes: data.bytes, wbytes: 0 })
    expect(await cgroup.io(to)).toMatchObject({ wbytes: data.bytes })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(4), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'block/131',
  'a copy is offloaded although one of its bios is held back by a limit of the cgroup',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_DEV_THROTTLING'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 128 })
    const cgroup = await Cgroup.make(session, 'caller')
    const data = pattern(KiB(64))
    await nb.write(0, data)
    for (const [index, limits] of [{ riops: 2 }, { wiops: 2 }].entries()) {
      await cgroup.limit(nb, { riops: 1_000_000, wiops: 1_000_000, ...limits })
      const to = nb.at(MiB(2 + index))
      await session.setQueue(nb, session.profile.sysfs.limit, String(KiB(16)))
      const before = await cgroup.io(nb)
      const request = { path: 'null-blk', from: nb.at(0), to, bytes: data.bytes } as const
      const { seconds, call } = await timed(session, () => copy(request, { cgroup, flags: NO_FALLBACK }))
      const after = await cgroup.io(nb)
      expect([after.rios - before.rios, after.wios - before.wios]).toEqual([4, 4])
      // Of four bios at two a second the last ones wait.
      expect(seconds).toBeGreaterThan(0.5)
      proof.guest(call).moved()
      proof.device(call).moved()
      await proof.host(nb).changedOnly(to.offset, data)
    }
  },
)

kernelCase(
  'block/132',
  'a source that a limit of the cgroup holds back until the copy has failed: it is read and written',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_DEV_THROTTLING', 'CONFIG_FAIL_MAKE_REQUEST'] },
  async ({ session, copy, pattern, proof }) => {
    const [from, to] = [
      await session.nullBlk({ maxCopySectors: 128 }),
      await session.nullBlk({ maxCopySectors: 128 }),
    ]
    const cgroup = await Cgroup.make(session, 'caller')
    const data = pattern(KiB(64))
    await from.write(0, data)
    // What exceeds the limit waits: 64 KiB, for two seconds.
    await cgroup.limit(from, { rbps: KiB(32) })
    await session.failBios(to, 1)
    const request = { path: 'null-blk', from: from.at(0), to: to.at(0), bytes: data.bytes } as const
    const { seconds, call } = await timed(session, () => copy(request, { cgroup }))
    expect(seconds).toBeGreaterThan(1)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(0, data)
    await proof.host(from).unchanged()
  },
)
