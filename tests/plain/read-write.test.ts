// What a program copies by reading and writing: for every kernel, with a series that nobody has described or with none.
import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const byHand: CopyOptions = { by: 'read_write', direct: true }

kernelCase(
  'plain/001',
  'read from one place of a namespace and written to another',
  { needs: ['read_write'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(2) + 512)
    await ns.write(512, data)
    const request = { path: 'never', from: ns.at(512), to: ns.at(MiB(8)), bytes: data.bytes } as const
    const call = await copy(request, byHand)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'plain/002',
  'from a namespace to a SCSI unit and from there to one of 4096-byte blocks',
  { needs: ['read_write'] },
  async ({ disk, copy, pattern, proof }) => {
    const [ns, unit, other] = [await disk('4k'), await disk('scsi0'), await disk('scsi4k')]
    const data = pattern(MiB(1))
    await ns.write(MiB(1), data)
    const there = { path: 'never', from: ns.at(MiB(1)), to: unit.at(MiB(2)), bytes: data.bytes } as const
    const back = { path: 'never', from: unit.at(MiB(2)), to: other.at(MiB(3)), bytes: data.bytes } as const
    for (const request of [there, back]) {
      const call = await copy(request, byHand)
      proof.guest(call).fellBack()
      proof.device(call).fellBack()
    }
    await proof.host(ns).unchanged()
    await proof.host(unit).changedOnly(MiB(2), data)
    await proof.host(other).changedOnly(MiB(3), data)
  },
)

kernelCase(
  'plain/003',
  'two copies at once on a namespace that two controllers share',
  { needs: ['read_write', 'CONFIG_NVME_MULTIPATH'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('shared')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const places = [MiB(4), MiB(8)]
    const requests = places.map((to) => ({
      path: 'never' as const,
      ...{ from: ns.at(0), to: ns.at(to), bytes: data.bytes },
    }))
    const call = await copy(requests, byHand)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnlyIn(places.map((to) => [to, data]))
  },
)

kernelCase(
  'plain/004',
  'from one partition to another',
  { needs: ['read_write'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const [from, to] = [
      await session.partition(ns, MiB(2), MiB(4)),
      await session.partition(ns, MiB(16), MiB(4)),
    ]
    const data = pattern(KiB(256))
    await from.write(KiB(4), data)
    const call = await copy(
      { path: 'never', from: from.at(KiB(4)), to: to.at(MiB(1)), bytes: data.bytes },
      byHand,
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'plain/005',
  'from dm-crypt on dm-linear to dm-crypt with another key: the ciphertext is right for its place',
  { needs: ['read_write', 'CONFIG_DM_CRYPT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const from = await dm.crypt(await dm.linear(ns, 0, MiB(8)))
    const to = await dm.crypt(await dm.linear(ns, MiB(8), MiB(8)))
    const data = pattern(MiB(1))
    await from.write(MiB(2), data)
    const call = await copy(
      { path: 'never', from: from.at(MiB(2)), to: to.at(MiB(1)), bytes: data.bytes },
      byHand,
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'plain/006',
  'between two null_blk devices',
  { needs: ['read_write', 'CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const [from, to] = [await session.nullBlk(), await session.nullBlk({ blockSize: 4096 })]
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(2)), bytes: data.bytes }, byHand)
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(2), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'plain/007',
  'a source that is bad halfway: what was read before is written',
  { needs: ['read_write', 'CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [under, to] = [await disk('large'), await disk('scsi0')]
    const from = await dm.broken(under, MiB(1), MiB(4), MiB(4))
    const data = pattern(MiB(4))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(2)), bytes: MiB(8) }, byHand)
    proof.guest(call).stopped('EIO', MiB(4))
    proof.device(call).stopped(MiB(4))
    await proof.host(to).changedOnly(MiB(2), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'plain/008',
  'past the end of the destination is ENOSPC, and nothing is written',
  { needs: ['read_write'] },
  async ({ disk, copy, proof }) => {
    const [from, to] = [await disk('large'), await disk('scsi0')]
    const request = { path: 'never', from: from.at(0), to: to.at(to.bytes), bytes: KiB(64) } as const
    const call = await copy(request, byHand)
    proof.guest(call).refused('ENOSPC')
    proof.device(call).stopped(0)
    await proof.host(to).unchanged()
    await proof.host(from).unchanged()
  },
)
