// Ranges and attributes at the edges of what is refused: where only one of several checks can say so.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { refuses } from '../fixtures/refused.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'block/120',
  'a block of the destination that is none of the source is EINVAL',
  {},
  async (tools) => {
    const { disk } = tools
    const [from, to] = [await disk('4k'), await disk('large')]
    await refuses(tools, 'EINVAL', { path: 'never', from: from.at(0), to: to.at(0), bytes: 512 })
  },
)

kernelCase(
  'block/121',
  'a source whose end wraps around is EINVAL, whatever the destination has room for',
  {},
  async (tools) => {
    const { disk } = tools
    const [from, to] = [await disk('large'), await disk('scsi0')]
    // 1024 + 2^64 - 512: the source would end at 512. The end of the destination is past its device and does not wrap.
    await refuses(tools, 'EINVAL', {
      path: 'never',
      from: from.at(1024),
      to: to.at(0),
      bytes: '18446744073709551104',
    })
  },
)

kernelCase(
  'block/122',
  'a destination whose end wraps around is EINVAL, and not the start of the device',
  {},
  async (tools) => {
    const { disk } = tools
    const [from, to] = [await disk('large'), await disk('scsi0')]
    // 2^64 - 111616: a multiple of 512, and a number that prints with all its digits
    const offset = 18446744073709440000
    await refuses(tools, 'EINVAL', { path: 'never', from: from.at(0), to: to.at(offset), bytes: KiB(128) })
  },
)

kernelCase(
  'block/123',
  'copy_max_bytes takes whole blocks only',
  { needs: ['limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large4k')
    const { limit } = session.profile.sysfs
    const before = await session.getQueue(ns, limit)
    for (const wrong of ['512', '4095', '4097'])
      await expect(session.setQueue(ns, limit, wrong)).rejects.toThrow(/EINVAL/)
    expect(await session.getQueue(ns, limit)).toBe(before)

    const data = pattern(KiB(64))
    await ns.write(0, data)
    const call = await copy({
      path: 'nvme-same-namespace',
      from: ns.at(0),
      to: ns.at(MiB(8)),
      bytes: KiB(64),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/124',
  'copy_file_range up to an end that is none of a block of the other device copies the whole blocks before it',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const [ns, big] = [await disk('large'), await disk('4k')]
    const odd = await session.partition(ns, MiB(1), KiB(64) + 512)
    const there = pattern(odd.bytes)
    await odd.write(0, there)
    const byFileRange = { by: 'copy_file_range', direct: true } as const
    const into = await copy({ path: 'never', from: odd.at(0), to: big.at(0), bytes: MiB(1) }, byFileRange)
    proof.guest(into).stopped('EINVAL', KiB(64))
    proof.device(into).stopped(KiB(64))
    await proof.host(big).changedOnly(0, there.part(0, KiB(64)))
    await proof.host(odd).unchanged()

    const back = pattern(KiB(128))
    await big.write(MiB(2), back)
    const outOf = await copy(
      { path: 'never', from: big.at(MiB(2)), to: odd.at(0), bytes: KiB(128) },
      byFileRange,
    )
    proof.guest(outOf).stopped('EINVAL', KiB(64))
    proof.device(outOf).stopped(KiB(64))
    await proof.host(ns).changedOnly(MiB(1), back.part(0, KiB(64)))
    await proof.host(big).unchanged()
  },
)
