// Copies inside of one namespace: the device does them.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase('nvme/001', 'an aligned copy is offloaded', {}, async ({ disk, copy, pattern, proof }) => {
  const ns = await disk('large')
  const data = pattern(MiB(1))
  await ns.write(0, data)
  const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(ns).changedOnly(MiB(8), data)
})

kernelCase('nvme/002', 'a single block is offloaded', {}, async ({ disk, copy, pattern, proof }) => {
  const ns = await disk('small')
  const data = pattern(512)
  await ns.write(512 * 7, data)
  const call = await copy({
    path: 'nvme-same-namespace',
    from: ns.at(512 * 7),
    to: ns.at(512 * 8),
    bytes: 512,
  })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(ns).changedOnly(512 * 8, data)
})

kernelCase(
  'nvme/003',
  'a copy longer than MSSRL is split and still offloaded',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('small')
    const data = pattern(KiB(28))
    await ns.write(0, data)
    const call = await copy({
      path: 'nvme-same-namespace',
      from: ns.at(0),
      to: ns.at(MiB(8)),
      bytes: KiB(28),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'nvme/004',
  'a copy longer than every limit of the namespace is still offloaded',
  {},
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('small')
    const data = pattern(MiB(1) + 512)
    await ns.write(512, data)
    const call = await copy({
      path: 'nvme-same-namespace',
      from: ns.at(512),
      to: ns.at(MiB(8)),
      bytes: data.bytes,
    })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads('nvme-same-namespace'))
      expect(copies.length).toBeGreaterThan(MiB(1) / (ns.limits?.commandBytes ?? 1))
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'nvme/005',
  'half of a disk is offloaded onto the other half',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const half = ns.bytes / 2
    const data = pattern(half)
    await ns.write(0, data)
    const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(half), bytes: half })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(half, data)
  },
)

kernelCase('nvme/006', 'blocks of 4096 bytes are offloaded', {}, async ({ disk, copy, pattern, proof }) => {
  const ns = await disk('4k')
  const data = pattern(KiB(4) * 333)
  await ns.write(KiB(4), data)
  const call = await copy({
    path: 'nvme-same-namespace',
    from: ns.at(KiB(4)),
    to: ns.at(MiB(8)),
    bytes: data.bytes,
  })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(ns).changedOnly(MiB(8), data)
})

kernelCase('nvme/007', 'half a block of 4096 bytes is EINVAL', {}, async ({ disk, copy, proof }) => {
  const ns = await disk('4k')
  const call = await copy({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: KiB(2) })
  proof.guest(call).refused('EINVAL')
  proof.device(call).untouched()
  await proof.host(ns).unchanged()
})

kernelCase(
  'nvme/008',
  'the last block is offloaded backwards to the first',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('small')
    const data = pattern(512)
    await ns.write(ns.bytes - 512, data)
    const call = await copy({
      path: 'nvme-same-namespace',
      from: ns.at(ns.bytes - 512),
      to: ns.at(0),
      bytes: 512,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(0, data)
  },
)

kernelCase(
  'nvme/009',
  'adjoining ranges do not overlap and are offloaded',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(KiB(64))
    await ns.write(MiB(1), data)
    const call = await copy({
      path: 'nvme-same-namespace',
      from: ns.at(MiB(1)),
      to: ns.at(MiB(1) + KiB(64)),
      bytes: KiB(64),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(1) + KiB(64), data)
  },
)

kernelCase(
  'nvme/010',
  'no fallback changes nothing where the device can copy',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)
