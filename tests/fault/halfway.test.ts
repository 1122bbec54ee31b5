// Copies that fail halfway: what a call that can only tell a count or an error does with both.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { delay, error, linear } from '../fixtures/rows.ts'
import { MiB } from '../fixtures/units.ts'

kernelCase(
  'fault/050',
  'copy_file_range that fails halfway tells how much it has copied, and the error at the next call',
  { needs: ['CONFIG_BLK_DEV_DM', 'copy_file_range'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [from, under] = [await disk('scsi0'), await disk('large')]
    const to = await dm.broken(under, MiB(1), MiB(4), MiB(4))
    const data = pattern(MiB(8))
    await from.write(0, data)
    const call = await copy(
      { path: 'never', from: from.at(0), to: to.at(0), bytes: MiB(8) },
      { by: 'copy_file_range', direct: true },
    )
    proof.guest(call).stopped('EIO', MiB(4))
    proof.device(call).stopped(MiB(4))
    await proof.host(to).changedOnly(0, data.part(0, MiB(4)))
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'fault/051',
  'a read and a write that fail are traced with their error',
  { needs: ['CONFIG_BLK_DEV_DM', 'tracepoints'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const [under, scsi] = [await disk('large'), await disk('scsi0')]
    const broken = await dm.broken(under, MiB(1), MiB(1), MiB(1))
    const [first, second] = [pattern(MiB(2)), pattern(MiB(1))]
    await scsi.write(0, first)
    const into = await copy({ path: 'never', from: scsi.at(0), to: broken.at(0), bytes: MiB(2) })
    proof.guest(into).stopped('EIO', MiB(1))
    proof.device(into).stopped(MiB(1))
    await proof.host(broken).changedOnly(0, first.part(0, MiB(1)))
    await proof.host(scsi).unchanged()
    await broken.write(0, second)
    const outOf = await copy({ path: 'never', from: broken.at(0), to: scsi.at(MiB(4)), bytes: MiB(2) })
    proof.guest(outOf).stopped('EIO', MiB(1))
    proof.device(outOf).stopped(MiB(1))
    await proof.host(scsi).changedOnly(MiB(4), second)
    await proof.host(broken).unchanged()
    for (const { traced = [] } of [into, outOf]) {
      const failed = traced.filter(({ error }) => error !== 0)
      expect(failed.length).toBeGreaterThan(0)
      for (const { event, error } of failed) {
        expect(event).toBe(session.profile.tracepoints?.fallback)
        expect(error).toBe(-5)
      }
    }
  },
)

kernelCase(
  'fault/052',
  'a chunk that fails while the one in front of it is under way: what comes after does not count',
  { needs: ['CONFIG_DM_DELAY'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [under, to] = [await disk('large'), await disk('scsi0')]
    const from = await dm.table([delay(under, 0, MiB(1), 500), error(MiB(1)), linear(under, MiB(4), MiB(2))])
    const data = pattern(MiB(1))
    await from.write(0, data)
    const rest = pattern(MiB(2))
    await from.write(MiB(2), rest)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(0), bytes: MiB(4) })
    expect(proof.guest(call).cutShort('EIO')).toEqual({ copied: MiB(1), offloaded: 0 })
    proof.device(call).reached(MiB(1), 'fallback')
    await proof.host(to).changedUpTo(0, Buffer.concat([data.data, Buffer.alloc(MiB(1)), rest.data]), MiB(1))
    await proof.host(from).unchanged()
  },
)
