// What BLKCOPYV must refuse: the errno is the ABI's, nothing is written, and the call comes back.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions } from '../fixtures/copy.ts'
import type { Disk } from '../fixtures/disk.ts'
import { refuses } from '../fixtures/refused.ts'
import { KiB, MiB } from '../fixtures/units.ts'

interface Wrong {
  ranges?: [offset: number, bytes: number][]
  to?: number
}

/** Gathers three ranges on one namespace, but for what is wrong with them, and expects the errno and an untouched disk. */
async function refusedWith(
  errno: string,
  tools: CaseTools,
  wrong: (ns: Disk) => Wrong,
  options: CopyOptions = {},
) {
  const ns = await tools.disk('large')
  const { ranges = three(), to = MiB(8) } = wrong(ns)
  await refuses(tools, errno, { path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(to) }, options)
}

/** Ranges that are right, with one of them replaced. */
function three(which = -1, offset = 0, bytes = 0): [number, number][] {
  const right = [0, 1, 2].map((index): [number, number] => [index * KiB(64), KiB(16)])
  return right.map((range, index) => (index === which ? [offset, bytes] : range))
}

kernelCase('block/039', 'no ranges at all are EINVAL', { needs: ['BLKCOPYV'] }, async (tools) => {
  await refusedWith('EINVAL', tools, () => ({}), { nrRanges: 0 })
})

kernelCase('block/040', '257 ranges are EINVAL', { needs: ['BLKCOPYV'] }, async (tools) => {
  const ranges = Array.from({ length: 257 }, (_, index): [number, number] => [index * KiB(1), 512])
  await refusedWith('EINVAL', tools, () => ({ ranges }))
})

kernelCase('block/041', 'more ranges than can be are EINVAL', { needs: ['BLKCOPYV'] }, async (tools) => {
  // So many that their size in bytes does not fit 32 bits.
  await refusedWith('EINVAL', tools, () => ({}), { nrRanges: 0x10000001 })
})

kernelCase('block/042', 'a range of no bytes is EINVAL', { needs: ['BLKCOPYV'] }, async (tools) => {
  await refusedWith('EINVAL', tools, () => ({ ranges: three(1, MiB(1), 0) }))
})

kernelCase(
  'block/043',
  'a range that begins between blocks is EINVAL',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, () => ({ ranges: three(2, MiB(1) + 256, KiB(16)) }))
  },
)

kernelCase(
  'block/044',
  'ranges that are not whole blocks are EINVAL even if their sum is',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    const ranges: [number, number][] = [
      [0, 256],
      [KiB(64), 256],
    ]
    await refusedWith('EINVAL', tools, () => ({ ranges }))
  },
)

kernelCase('block/045', 'a destination between blocks is EINVAL', { needs: ['BLKCOPYV'] }, async (tools) => {
  await refusedWith('EINVAL', tools, () => ({ to: MiB(8) + 256 }))
})

kernelCase(
  'block/046',
  'a range that ends past the source is EINVAL',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, (ns) => ({ ranges: three(2, ns.bytes - KiB(8), KiB(16)) }))
  },
)

kernelCase(
  'block/047',
  'ranges of which only the last one reaches past the destination are ENOSPC',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await refusedWith('ENOSPC', tools, (ns) => ({ to: ns.bytes - KiB(40) }))
  },
)

kernelCase(
  'block/048',
  'a range that overlaps the end of the destination is EINVAL',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    // The destination has 48 KiB; a copy range by range would not meet this one until the last was written.
    await refusedWith('EINVAL', tools, () => ({ ranges: three(0, MiB(8) + KiB(48) - 512, KiB(16)) }))
  },
)

kernelCase(
  'block/049',
  'a range that overlaps the start of the destination is EINVAL',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, () => ({ ranges: three(2, MiB(8) - KiB(16) + 512, KiB(16)) }))
  },
)

kernelCase('block/050', 'an unknown flag of BLKCOPYV is EINVAL', { needs: ['BLKCOPYV'] }, async (tools) => {
  await refusedWith('EINVAL', tools, () => ({}), { flags: 2 })
})

kernelCase(
  'block/051',
  'any reserved field of BLKCOPYV that is not 0 is EINVAL',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    for (const reserved of [0, 1, 2]) await refusedWith('EINVAL', tools, () => ({}), { reserved })
  },
)

kernelCase(
  'block/052',
  'a gathering copy from a source opened write-only is EBADF',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await refusedWith('EBADF', tools, () => ({}), { sourceMode: 'wo' })
  },
)

kernelCase(
  'block/053',
  'a gathering copy to a destination opened read-only is EBADF',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await refusedWith('EBADF', tools, () => ({}), { destinationMode: 'ro' })
  },
)

kernelCase('block/054', 'a gathering copy from a pipe is ENOTBLK', { needs: ['BLKCOPYV'] }, async (tools) => {
  await refusedWith('ENOTBLK', tools, () => ({}), { sourceFile: 'pipe:' })
})
