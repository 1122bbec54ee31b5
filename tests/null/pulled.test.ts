// A disk that is pulled out stays open, and its partitions keep their size, but what its driver knew of it is freed.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Between partitions of two devices that copy for each other, one of which is pulled out as soon as both are open. */
async function pulled(side: 'from' | 'to', { session, copy, proof }: CaseTools) {
  const disks = {
    from: await session.nullBlk({ maxCopySectors: 128 }),
    to: await session.nullBlk({ maxCopySectors: 128 }),
  }
  const from = await session.partition(disks.from, MiB(1), MiB(2))
  const to = await session.partition(disks.to, MiB(1), MiB(2))
  const call = await copy(
    { path: 'null-blk', from: from.at(0), to: to.at(0), bytes: KiB(256) },
    { pulled: disks[side] },
  )
  proof.guest(call).refused('EIO')
  proof.device(call).untouched()
  await proof.host(side === 'from' ? disks.to : disks.from).unchanged()
}

kernelCase('null/045', 'from a disk that was pulled out: EIO', { offloads: 'null-blk' }, async (tools) => {
  await pulled('from', tools)
})

kernelCase('null/046', 'to a disk that was pulled out: EIO', { offloads: 'null-blk' }, async (tools) => {
  await pulled('to', tools)
})
