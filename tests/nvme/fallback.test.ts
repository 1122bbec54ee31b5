// Copies that one namespace cannot do by itself.
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'nvme/011',
  'between two namespaces of a controller',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('small'), await disk('large')]
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({
      path: 'nvme-cross-namespace',
      from: from.at(0),
      to: to.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/012',
  'between namespaces of two controllers',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('nocopy')]
    const data = pattern(MiB(1))
    await from.write(MiB(2), data)
    const call = await copy({ path: 'never', from: from.at(MiB(2)), to: to.at(0), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(0, data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/013',
  'from blocks of 4096 bytes to blocks of 512',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('4k'), await disk('small')]
    const data = pattern(KiB(260))
    await from.write(KiB(4), data)
    const call = await copy({
      path: 'never',
      from: from.at(KiB(4)),
      to: to.at(512 * 3),
      bytes: KiB(260),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(512 * 3, data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/014',
  'inside of a namespace that takes no Copy command',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('nocopy')
    const data = pattern(MiB(3) + 512)
    await ns.write(0, data)
    const call = await copy({ path: 'never', from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'nvme/015',
  'no fallback where no device can copy is EOPNOTSUPP',
  {},
  async ({ disk, copy, proof }) => {
    const ns = await disk('nocopy')
    const call = await copy(
      { path: 'never', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)

kernelCase('nvme/016', 'no fallback between controllers is EOPNOTSUPP', {}, async ({ disk, copy, proof }) => {
  const [from, to] = [await disk('large'), await disk('4k')]
  const call = await copy(
    { path: 'never', from: from.at(0), to: to.at(0), bytes: MiB(1) },
    { flags: NO_FALLBACK },
  )
  proof.guest(call).refused('EOPNOTSUPP')
  proof.device(call).untouched()
  await proof.host(from).unchanged()
  await proof.host(to).unchanged()
})
