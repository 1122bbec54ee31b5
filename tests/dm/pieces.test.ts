// How many commands a copy takes behind a boundary, and what a copy that is killed does not begin any more.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'dm/120',
  'behind a boundary commands become longer again',
  { needs: ['CONFIG_BLK_DEV_DM'], offloads: ['dm-linear', 'nvme-same-namespace'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(9), KiB(64)), linear(ns, MiB(1), MiB(4))])
    const data = pattern(MiB(1))
    await volume.write(KiB(64) - 512, data)
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(KiB(64) - 512),
      to: ns.at(MiB(16)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    // A block, and then twice as many each time: 1, 2, 4, … 1024 and the last one.
    expect(copies.length).toBeLessThanOrEqual(12)
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)

kernelCase(
  'dm/121',
  'several ranges of which the last one lies over a boundary: those in front of it go by one command',
  { needs: ['CONFIG_BLK_DEV_DM', 'BLKCOPYV'], offloads: ['dm-linear', 'nvme-same-namespace'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(9), MiB(1)), linear(ns, MiB(1), MiB(4))])
    const ranges: [number, number][] = [
      [MiB(2), KiB(64)],
      [MiB(3), KiB(64)],
      [MiB(1) - 512, KiB(64)],
    ]
    const data = pattern(KiB(192))
    for (const [index, [offset, bytes]] of ranges.entries())
      await volume.write(offset, data.part(index * KiB(64), bytes))
    const call = await copy({ path: 'dm-linear', from: volume, ranges, to: ns.at(MiB(16)) })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    expect(copies.map(({ bytes }) => bytes)).toEqual([KiB(128) + 512, KiB(64) - 512])
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)

kernelCase(
  'dm/122',
  'a copy that is killed while it reads a suspended volume writes nothing any more',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, pattern, proof, dm, session }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const from = await dm.linear(ns, MiB(1), MiB(8))
    await from.write(0, pattern(MiB(4)))
    await from.suspend()
    const copying = await session.begin({ path: 'never', from: from.at(0), to: scsi.at(0), bytes: MiB(4) })
    // A read that has been queued cannot be taken back, so the process cannot end before the resume.
    await copying.sendKill()
    await from.resume()
    const call = await copying.done()
    expect(proof.guest(call).killed().copied).toBe(0)
    proof.device(call).untouched()
    await proof.host(scsi).unchanged()
    await proof.host(from).unchanged()
  },
)
