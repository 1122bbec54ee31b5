// I/O errors: the call comes back with EIO, and what it says of the bytes copied is true.
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { MiB } from '../fixtures/units.ts'

kernelCase(
  'fault/001',
  'a destination that is bad halfway',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [from, under] = [await disk('scsi0'), await disk('large')]
    const to = await dm.broken(under, MiB(1), MiB(4), MiB(4))
    const data = pattern(MiB(8))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(0), bytes: MiB(8) })
    proof.guest(call).stopped('EIO', MiB(4))
    proof.device(call).stopped(MiB(4))
    await proof.host(to).changedOnly(0, data.part(0, MiB(4)))
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'fault/002',
  'a source that is bad halfway',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const [under, to] = [await disk('large'), await disk('scsi0')]
    const from = await dm.broken(under, MiB(1), MiB(4), MiB(4))
    const data = pattern(MiB(4))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(2)), bytes: MiB(8) })
    proof.guest(call).stopped('EIO', MiB(4))
    proof.device(call).stopped(MiB(4))
    await proof.host(to).changedOnly(MiB(2), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'fault/003',
  'every bio of the device fails',
  { needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async ({ disk, copy, proof, session }) => {
    const ns = await disk('large')
    await session.failBios(ns, -1)
    const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) })
    await session.restore()
    proof.guest(call).refused('EIO')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'fault/004',
  'a copy that the device fails once is read and written instead',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    await session.failBios(ns, 1)
    const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) })
    await session.restore()
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'fault/005',
  'a copy that the device fails, and no fallback, is EIO',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async ({ disk, copy, proof, session }) => {
    const ns = await disk('large')
    await session.failBios(ns, -1)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    await session.restore()
    proof.guest(call).refused('EIO')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)
