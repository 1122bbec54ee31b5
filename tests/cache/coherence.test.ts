// A copy goes past the page cache; what the cache holds must be neither lost before nor served after it.
import { kernelCase } from '../fixtures/case.ts'
import { dirty, readsBack } from '../fixtures/copy.ts'
import { MiB } from '../fixtures/units.ts'

kernelCase(
  'cache/001',
  'dirty pages of the source are copied, not what the disk held',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { before: [dirty(ns.at(0), data)], after: [readsBack(ns.at(MiB(8)), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [0, data],
      [MiB(8), data],
    ])
  },
)

kernelCase(
  'cache/002',
  'dirty pages of the destination do not overwrite the copy',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { before: [dirty(ns.at(MiB(8)), pattern(MiB(1)))], after: [readsBack(ns.at(MiB(8)), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'cache/003',
  'dirty pages just outside of the destination survive',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    const around = pattern(MiB(3))
    await ns.write(0, data)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8) + 512), bytes: MiB(1) },
      { before: [dirty(ns.at(MiB(7)), around)], after: [readsBack(ns.at(MiB(8) + 512), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(7), around],
      [MiB(8) + 512, data],
    ])
  },
)

kernelCase(
  'cache/004',
  'clean pages of the destination are not served after the copy',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const [old, data] = [pattern(MiB(1)), pattern(MiB(1))]
    await ns.write(0, data)
    await ns.write(MiB(8), old)
    const to = ns.at(MiB(8))
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to, bytes: MiB(1) },
      { before: [readsBack(to, old)], after: [readsBack(to, data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'cache/005',
  'descriptors opened with O_DIRECT copy as well',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { direct: true },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)
