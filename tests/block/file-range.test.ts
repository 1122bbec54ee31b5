// copy_file_range(2) between block devices that are both open with O_DIRECT, called again until all is copied, as cp does.

import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const byFileRange: CopyOptions = { by: 'copy_file_range', direct: true }

kernelCase(
  'block/055',
  'copy_file_range inside a namespace is offloaded',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(4) + 512)
    await ns.write(KiB(1), data)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(KiB(1)), to: ns.at(MiB(8)), bytes: data.bytes },
      byFileRange,
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/056',
  'copy_file_range that no device can do is read and written',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('scsi0')]
    const data = pattern(MiB(1) + 512)
    await from.write(0, data)
    const call = await copy(
      { path: 'never', from: from.at(0), to: to.at(MiB(2) + 512), bytes: data.bytes },
      byFileRange,
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(2) + 512, data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'block/057',
  'copy_file_range with copy_max_bytes of 0 is read and written',
  { needs: ['copy_file_range', 'limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    await session.setQueue(ns, session.profile.sysfs.limit, '0')
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      byFileRange,
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/058',
  'copy_file_range on blocks of 4096 bytes',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('4k')
    const data = pattern(KiB(700))
    await ns.write(0, data)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: KiB(700) },
      byFileRange,
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'block/059',
  'copy_file_range from the end of the source copies nothing and is no error',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, proof }) => {
    const ns = await disk('large')
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(ns.bytes), to: ns.at(0), bytes: KiB(64) },
      byFileRange,
    )
    proof.guest(call).refused('0')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'block/060',
  'copy_file_range ends where the source does',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(KiB(64))
    await ns.write(ns.bytes - KiB(64), data)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(ns.bytes - KiB(64)), to: ns.at(0), bytes: MiB(1) },
      byFileRange,
    )
    proof.guest(call).stopped('0', KiB(64), 'profile')
    proof.device(call).stopped(KiB(64), 'profile')
    await proof.host(ns).changedOnly(0, data)
  },
)

kernelCase(
  'block/061',
  'copy_file_range fills the destination, and then it is ENOSPC',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const to = ns.at(ns.bytes - KiB(64))
    const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to, bytes: MiB(1) }, byFileRange)
    proof.guest(call).stopped('ENOSPC', KiB(64), 'profile')
    proof.device(call).stopped(KiB(64), 'profile')
    await proof.host(ns).changedOnly(to.offset, data.part(0, KiB(64)))
  },
)

kernelCase(
  'block/062',
  'four copy_file_range at once',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const call = await copy(
      [
        { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
        { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(16)), bytes: MiB(1) },
        { path: 'never', from: ns.at(0), to: scsi.at(0), bytes: MiB(1) },
        { path: 'never', from: ns.at(0), to: scsi.at(MiB(8)), bytes: MiB(1) },
      ],
      byFileRange,
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(8), data],
      [MiB(16), data],
    ])
    await proof.host(scsi).changedOnlyIn([
      [0, data],
      [MiB(8), data],
    ])
  },
)
