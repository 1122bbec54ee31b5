// Copies inside of a unit that takes EXTENDED COPY.
import { kernelCase } from '../fixtures/case.ts'
import { MiB } from '../fixtures/units.ts'

kernelCase(
  'scsi/006',
  'a unit copies inside of itself',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const unit = await target.unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)
