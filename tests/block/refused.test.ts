// What BLKCOPY must refuse: the errno is the ABI's, nothing is written, and the call comes back.

import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions, CopyRequest } from '../fixtures/copy.ts'
import type { Disk } from '../fixtures/disk.ts'
import { refuses } from '../fixtures/refused.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Makes a copy of 64 KiB on one namespace, but for what is wrong with it, and expects the errno and untouched disks. */
async function refusedWith(
  errno: string,
  tools: CaseTools,
  wrong: (ns: Disk) => Partial<CopyRequest>,
  options: CopyOptions = {},
) {
  const ns = await tools.disk('large')
  const right = { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: KiB(64) } as const
  await refuses(tools, errno, { ...right, ...wrong(ns) }, options)
}

kernelCase('block/001', 'a source offset between blocks is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(256) }))
})

kernelCase('block/002', 'a destination offset between blocks is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, (ns) => ({ to: ns.at(MiB(8) + 1) }))
})

kernelCase('block/003', 'a length that is not whole blocks is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, () => ({ bytes: KiB(64) - 1 }))
})

kernelCase('block/004', 'a length of 0 is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, () => ({ bytes: 0 }))
})

kernelCase('block/005', 'a source that ends past the device is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(ns.bytes - KiB(32)) }))
})

kernelCase('block/006', 'a source that begins at the end of the device is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(ns.bytes) }))
})

kernelCase('block/007', 'a destination that ends past the device is ENOSPC', {}, async (tools) => {
  await refusedWith('ENOSPC', tools, (ns) => ({ to: ns.at(ns.bytes - KiB(32)) }))
})

kernelCase('block/008', 'a destination that begins past the device is ENOSPC', {}, async (tools) => {
  await refusedWith('ENOSPC', tools, (ns) => ({ to: ns.at(ns.bytes + MiB(1)) }))
})

kernelCase('block/009', 'a length that overflows the offset is EINVAL', {}, async (tools) => {
  // 2^64 - 512: aligned, and wraps around to below any device's end
  await refusedWith('EINVAL', tools, () => ({ bytes: '18446744073709551104' }))
})

kernelCase('block/010', 'an unknown flag is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, () => ({}), { flags: 0x80000000 })
})

kernelCase('block/011', 'either reserved field that is not 0 is EINVAL', {}, async (tools) => {
  for (const reserved of [0, 1]) await refusedWith('EINVAL', tools, () => ({}), { reserved })
})

kernelCase('block/012', 'a destination opened read-only is EBADF', {}, async (tools) => {
  await refusedWith('EBADF', tools, () => ({}), { destinationMode: 'ro' })
})

kernelCase('block/013', 'a source opened write-only is EBADF', {}, async (tools) => {
  await refusedWith('EBADF', tools, () => ({}), { sourceMode: 'wo' })
})

kernelCase('block/014', 'a source that is no open descriptor is EBADF', {}, async (tools) => {
  await refusedWith('EBADF', tools, () => ({}), { sourceFile: 'fd:-1' })
})

kernelCase('block/015', 'a source that is a pipe is ENOTBLK', {}, async (tools) => {
  await refusedWith('ENOTBLK', tools, () => ({}), { sourceFile: 'pipe:' })
})

kernelCase('block/016', 'a source that is a regular file is ENOTBLK', {}, async (tools) => {
  await refusedWith('ENOTBLK', tools, () => ({}), { sourceFile: '/proc/self/exe' })
})

kernelCase('block/017', 'ranges that overlap forwards are EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(0), to: ns.at(KiB(64) - 512) }))
})

kernelCase('block/018', 'ranges that overlap backwards are EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(KiB(64) - 512), to: ns.at(0) }))
})

kernelCase('block/019', 'a range onto itself is EINVAL', {}, async (tools) => {
  await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(MiB(8)) }))
})

kernelCase(
  'block/020',
  'blocks of the source that are none of the destination are EINVAL',
  {},
  async (tools) => {
    const [from, to] = [await tools.disk('large'), await tools.disk('4k')]
    await refuses(tools, 'EINVAL', { path: 'never', from: from.at(0), to: to.at(0), bytes: 512 })
  },
)
