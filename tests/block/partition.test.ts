// Partitions: offsets count from their start, they end where they end, and what overlaps is decided on the disk.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyRequest } from '../fixtures/copy.ts'
import { refuses } from '../fixtures/refused.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Two partitions of 4 MiB of a namespace, at 2 MiB and a block, and at 16 MiB. */
async function partitioned({ disk, session }: CaseTools) {
  const ns = await disk('large')
  const first = await session.partition(ns, MiB(2) + 512, MiB(4))
  const second = await session.partition(ns, MiB(16), MiB(4))
  return { ns, first, second }
}

/** A copy that must be refused with this errno and change nothing. */
async function refusedWith(
  errno: string,
  tools: CaseTools,
  wrong: (parts: Awaited<ReturnType<typeof partitioned>>) => Pick<CopyRequest, 'from' | 'to'>,
) {
  const parts = await partitioned(tools)
  await refuses(tools, errno, { path: 'nvme-same-namespace', ...wrong(parts), bytes: KiB(64) })
}

kernelCase('block/081', 'between two partitions of a disk', {}, async (tools) => {
  const { first, second } = await partitioned(tools)
  const { copy, pattern, proof } = tools
  const data = pattern(MiB(1))
  await first.write(KiB(64), data)
  const call = await copy({
    path: 'nvme-same-namespace',
    from: first.at(KiB(64)),
    to: second.at(MiB(3)),
    bytes: MiB(1),
  })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(second).changedOnly(MiB(3), data)
})

kernelCase('block/082', 'inside of a partition', {}, async (tools) => {
  const { first } = await partitioned(tools)
  const { copy, pattern, proof } = tools
  const data = pattern(MiB(1))
  await first.write(0, data)
  const call = await copy({
    path: 'nvme-same-namespace',
    from: first.at(0),
    to: first.at(MiB(2)),
    bytes: MiB(1),
  })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(first).changedOnly(MiB(2), data)
})

kernelCase('block/083', 'between a disk and its partition, both ways', {}, async (tools) => {
  const { ns, first, second } = await partitioned(tools)
  const { copy, pattern, proof } = tools
  const [one, two] = [pattern(KiB(512)), pattern(KiB(512))]
  await ns.write(0, one)
  await first.write(0, two)
  const call = await copy([
    { path: 'nvme-same-namespace', from: ns.at(0), to: second.at(0), bytes: KiB(512) },
    { path: 'nvme-same-namespace', from: first.at(0), to: ns.at(MiB(24)), bytes: KiB(512) },
  ])
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(ns).changedOnlyIn([
    [MiB(16), one],
    [MiB(24), two],
  ])
})

kernelCase('block/084', 'a destination past the end of its partition is ENOSPC', {}, async (tools) => {
  await refusedWith('ENOSPC', tools, ({ first, second }) => {
    return { from: second.at(0), to: first.at(MiB(4) - KiB(32)) }
  })
})

kernelCase('block/085', 'a source past the end of its partition is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, ({ first, second }) => {
    return { from: first.at(MiB(4) - KiB(32)), to: second.at(0) }
  })
})

kernelCase(
  'block/086',
  'a partition as the source overlaps the blocks of its disk that it has',
  {},
  async (tools) => {
    await refusedWith('EINVAL', tools, ({ ns, first }) => {
      return { from: first.at(0), to: ns.at(MiB(2) + KiB(64)) }
    })
  },
)

kernelCase(
  'block/087',
  'a partition as the destination overlaps the blocks of its disk that it has',
  {},
  async (tools) => {
    await refusedWith('EINVAL', tools, ({ ns, first }) => {
      return { from: ns.at(MiB(2) + KiB(64)), to: first.at(0) }
    })
  },
)

kernelCase(
  'block/088',
  'the same offsets of two partitions do not overlap, nor do neighbours',
  {},
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('large')
    const first = await session.partition(ns, MiB(1), MiB(4))
    const second = await session.partition(ns, MiB(5), MiB(4))
    const [one, two] = [pattern(KiB(64)), pattern(KiB(64))]
    await first.write(MiB(2), one)
    await first.write(MiB(4) - KiB(64), two)
    const call = await copy([
      { path: 'nvme-same-namespace', from: first.at(MiB(2)), to: second.at(MiB(2)), bytes: KiB(64) },
      // The last blocks of one are right before the first ones of the other.
      { path: 'nvme-same-namespace', from: first.at(MiB(4) - KiB(64)), to: second.at(0), bytes: KiB(64) },
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnlyIn([
      [MiB(2), one],
      [0, two],
    ])
  },
)

kernelCase(
  'block/089',
  'partitions of blocks of 4096 bytes',
  {},
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('4k')
    const first = await session.partition(ns, KiB(4), MiB(4))
    const second = await session.partition(ns, MiB(8) + KiB(12), MiB(4))
    const data = pattern(KiB(300))
    await first.write(KiB(4), data)
    const call = await copy({
      path: 'nvme-same-namespace',
      from: first.at(KiB(4)),
      to: second.at(KiB(8)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnly(KiB(8), data)
  },
)

kernelCase(
  'block/090',
  'between partitions of two disks: read and written',
  {},
  async ({ disk, session, copy, pattern, proof }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const first = await session.partition(ns, MiB(2), MiB(4))
    const second = await session.partition(scsi, MiB(6) + 512, MiB(4))
    const data = pattern(MiB(1))
    await first.write(MiB(1), data)
    const call = await copy({
      path: 'never',
      from: first.at(MiB(1)),
      to: second.at(MiB(2)),
      bytes: MiB(1),
    })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(second).changedOnly(MiB(2), data)
    await proof.host(first).unchanged()
  },
)

kernelCase(
  'block/091',
  'ranges of a partition are gathered in another one',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    const { first, second } = await partitioned(tools)
    const { copy, pattern, proof } = tools
    const data = pattern(KiB(96))
    await first.write(0, data.part(KiB(64), KiB(32)))
    await first.write(MiB(4) - KiB(64), data.part(0, KiB(64)))
    const call = await copy({
      path: 'nvme-same-namespace',
      from: first,
      ranges: [
        [MiB(4) - KiB(64), KiB(64)],
        [0, KiB(32)],
      ],
      to: second.at(MiB(4) - KiB(96)),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnly(MiB(4) - KiB(96), data)
  },
)

kernelCase(
  'block/092',
  'a range of a partition that overlaps the destination on the disk is EINVAL',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    const { ns, first } = await partitioned(tools)
    const { copy, proof } = tools
    const call = await copy({
      path: 'nvme-same-namespace',
      from: first,
      ranges: [
        [0, KiB(16)],
        [MiB(1), KiB(16)],
      ],
      to: ns.at(MiB(3)),
    })
    proof.guest(call).refused('EINVAL')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)
