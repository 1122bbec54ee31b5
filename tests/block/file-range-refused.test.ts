// copy_file_range(2) that must be refused: whoever does not ask for it by O_DIRECT gets what an unpatched kernel gives.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions, CopyRequest } from '../fixtures/copy.ts'
import type { Disk } from '../fixtures/disk.ts'
import { refuses } from '../fixtures/refused.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Copies 64 KiB on one namespace, but for what is wrong with it, and expects the errno and an untouched disk. */
async function refusedWith(
  errno: string,
  tools: CaseTools,
  wrong: (ns: Disk) => Pick<Partial<CopyRequest>, 'from' | 'to' | 'bytes'>,
  options: CopyOptions = {},
) {
  const ns = await tools.disk('large')
  const right = { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: KiB(64) } as const
  const how: CopyOptions = { by: 'copy_file_range', direct: true, ...options }
  await refuses(tools, errno, { ...right, ...wrong(ns) }, how)
}

kernelCase(
  'block/063',
  'copy_file_range without O_DIRECT is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, () => ({}), { direct: false })
  },
)

kernelCase(
  'block/064',
  'copy_file_range with O_DIRECT on the source alone is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, () => ({}), { direct: 'source' })
  },
)

kernelCase(
  'block/065',
  'copy_file_range with O_DIRECT on the destination alone is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, () => ({}), { direct: 'destination' })
  },
)

kernelCase(
  'block/066',
  'copy_file_range from between blocks is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(256) }))
  },
)

kernelCase(
  'block/067',
  'copy_file_range to between blocks is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, (ns) => ({ to: ns.at(MiB(8) + 1) }))
  },
)

kernelCase(
  'block/068',
  'copy_file_range of no whole blocks is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, () => ({ bytes: KiB(64) - 256 }))
  },
)

kernelCase(
  'block/069',
  'copy_file_range of ranges that overlap is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EINVAL', tools, (ns) => ({ from: ns.at(MiB(8) + KiB(32)) }))
  },
)

kernelCase(
  'block/070',
  'copy_file_range to the end of the destination is ENOSPC',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('ENOSPC', tools, (ns) => ({ to: ns.at(ns.bytes) }))
  },
)

kernelCase(
  'block/071',
  'copy_file_range with a flag is EINVAL',
  { needs: ['copy_file_range'] },
  async (tools) => {
    // 1 is COPY_FILE_SPLICE inside of the kernel, and not for users.
    await refusedWith('EINVAL', tools, () => ({}), { flags: 1 })
  },
)

kernelCase(
  'block/072',
  'copy_file_range from a descriptor that cannot read is EBADF',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EBADF', tools, () => ({}), { sourceMode: 'wo' })
  },
)

kernelCase(
  'block/073',
  'copy_file_range to a descriptor that cannot write is EBADF',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusedWith('EBADF', tools, () => ({}), { destinationMode: 'ro' })
  },
)

kernelCase(
  'block/074',
  'copy_file_range from a regular file to a block device is EINVAL, as ever',
  { needs: ['copy_file_range'] },
  async (tools) => {
    // In tmpfs, which takes O_DIRECT: it is not the lack of that which is refused.
    await refusedWith('EINVAL', tools, () => ({}), { sourceFile: '/proc/self/exe' })
  },
)
