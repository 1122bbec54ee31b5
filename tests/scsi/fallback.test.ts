// SCSI units without EXTENDED COPY (3PC=0): every copy falls back, whatever is at the other end.
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase('scsi/001', 'inside of a unit', {}, async ({ disk, copy, pattern, proof }) => {
  const unit = await disk('scsi0')
  const data = pattern(MiB(2) + 512)
  await unit.write(512, data)
  const call = await copy({ path: 'never', from: unit.at(512), to: unit.at(MiB(8)), bytes: data.bytes })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(unit).changedOnly(MiB(8), data)
})

kernelCase('scsi/002', 'from NVMe to SCSI', {}, async ({ disk, copy, pattern, proof }) => {
  const [from, to] = [await disk('large'), await disk('scsi0')]
  const data = pattern(MiB(1))
  await from.write(0, data)
  const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(1)), bytes: MiB(1) })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(to).changedOnly(MiB(1), data)
  await proof.host(from).unchanged()
})

kernelCase('scsi/003', 'from SCSI to NVMe', {}, async ({ disk, copy, pattern, proof }) => {
  const [from, to] = [await disk('scsi0'), await disk('large')]
  const data = pattern(MiB(1))
  await from.write(0, data)
  const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(1)), bytes: MiB(1) })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(to).changedOnly(MiB(1), data)
  await proof.host(from).unchanged()
})

kernelCase(
  'scsi/004',
  'from a unit of 512-byte blocks to one of 4096',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('scsi0'), await disk('scsi4k')]
    const data = pattern(KiB(512))
    await from.write(KiB(4), data)
    const call = await copy({ path: 'never', from: from.at(KiB(4)), to: to.at(MiB(1)), bytes: KiB(512) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()
  },
)

kernelCase('scsi/005', 'no fallback is EOPNOTSUPP', {}, async ({ disk, copy, proof }) => {
  const unit = await disk('scsi0')
  const call = await copy(
    { path: 'never', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) },
    { flags: NO_FALLBACK },
  )
  proof.guest(call).refused('EOPNOTSUPP')
  proof.device(call).untouched()
  await proof.host(unit).unchanged()
})
