// What a program copies by reading and writing: for every kernel, with a series that nobody has described or with none.
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import type { CopyOptions } from '../fixtures/copy.ts'
import { mediaUnder } from '../fixtures/stack.ts'
import type { Place } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const byHand: CopyOptions = { by: 'read_write', direct: true }

/** Writes data to a place and copies them to another one. */
async function copies({ copy, pattern, proof }: CaseTools, from: Place, to: Place, bytes: number) {
  const data = pattern(bytes)
  await from.target.write(from.offset, data)
  const call = await copy({ path: 'never', from, to, bytes }, byHand)
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  await proof.host(to.target).changedOnly(to.offset, data)
  const written = mediaUnder(to.target)
  if (!mediaUnder(from.target).every((medium) => written.includes(medium)))
    await proof.host(from.target).unchanged()
}

kernelCase(
  'plain/001',
  'read from one place of a namespace and written to another',
  { needs: ['read_write'] },
  async (tools) => {
    const ns = await tools.disk('large')
    await copies(tools, ns.at(512), ns.at(MiB(8)), MiB(2) + 512)
  },
)

kernelCase(
  'plain/002',
  'from a namespace of 4096-byte blocks to a SCSI unit, and from a unit to one of 4096-byte blocks',
  { needs: ['read_write'] },
  async (tools) => {
    const [ns, unit, other] = [await tools.disk('4k'), await tools.disk('scsi0'), await tools.disk('scsi4k')]
    await copies(tools, ns.at(MiB(1)), unit.at(MiB(2)), MiB(1))
    await copies(tools, unit.at(MiB(8)), other.at(MiB(3)), MiB(1))
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

kernelCase('plain/004', 'from one partition to another', { needs: ['read_write'] }, async (tools) => {
  const ns = await tools.disk('large')
  const from = await tools.session.partition(ns, MiB(2), MiB(4))
  const to = await tools.session.partition(ns, MiB(16), MiB(4))
  await copies(tools, from.at(KiB(4)), to.at(MiB(1)), KiB(256))
})

kernelCase(
  'plain/005',
  'from dm-crypt on dm-linear to dm-crypt with another key: the ciphertext is right for its place',
  { needs: ['read_write', 'CONFIG_DM_CRYPT'] },
  async (tools) => {
    const ns = await tools.disk('large')
    const from = await tools.dm.crypt(await tools.dm.linear(ns, 0, MiB(8)))
    const to = await tools.dm.crypt(await tools.dm.linear(ns, MiB(8), MiB(8)))
    await copies(tools, from.at(MiB(2)), to.at(MiB(1)), MiB(1))
  },
)

kernelCase(
  'plain/006',
  'between two null_blk devices',
  { needs: ['read_write', 'CONFIG_BLK_DEV_NULL_BLK'] },
  async (tools) => {
    const from = await tools.session.nullBlk()
    const to = await tools.session.nullBlk({ blockSize: 4096 })
    await copies(tools, from.at(0), to.at(MiB(2)), MiB(1))
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
