// What bounds a copy of a unit.
import { expect } from 'vitest'
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'scsi/028',
  'sysfs says what a segment of 65535 blocks is',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [fine, coarse] = [await target.unit(await disk('large')), await target.unit(await disk('4k'))]
    const { limit, hardwareLimit } = session.profile.sysfs
    expect(await session.getQueue(fine, hardwareLimit)).toBe(String(65535 * 512))
    expect(await session.getQueue(fine, limit)).toBe(String(65535 * 512))
    expect(await session.getQueue(coarse, hardwareLimit)).toBe(String(65535 * 4096))
    // No more than the default.
    expect(await session.getQueue(coarse, limit)).toBe(String(MiB(128)))
    const data = pattern(KiB(64))
    await coarse.write(0, data)
    const call = await copy({
      path: 'scsi-same-unit',
      from: coarse.at(0),
      to: coarse.at(MiB(1)),
      bytes: KiB(64),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(coarse).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'scsi/029',
  'a lower limit makes shorter commands',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    await session.setQueue(unit, session.profile.sysfs.limit, String(KiB(256)))
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    const { copyDestinations } = proof.device(call).moved()
    expect(copyDestinations.map(({ bytes }) => bytes)).toEqual([KiB(256), KiB(256), KiB(256), KiB(256)])
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/030',
  'between units the lower limit of both counts',
  { offloads: 'scsi-cross-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const data = pattern(MiB(1))
    await from.write(0, data)
    await session.setQueue(from, session.profile.sysfs.limit, String(KiB(384)))
    await session.setQueue(to, session.profile.sysfs.limit, String(KiB(512)))
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    const { copyDestinations } = proof.device(call).moved()
    // Several are under way, and may end in any order.
    const lengths = copyDestinations.map(({ bytes }) => bytes).sort((a, b) => a - b)
    expect(lengths).toEqual([KiB(256), KiB(384), KiB(384)])
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/031',
  'a limit of 0 turns it off inside of a unit',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    await session.setQueue(unit, session.profile.sysfs.limit, '0')
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

/** From a unit to another one, with the limit of one of the two at 0. */
async function turnedOff(
  { session, disk, copy, pattern, proof }: CaseTools,
  at: 'from' | 'to',
): Promise<void> {
  const target = await session.target()
  const from = await target.unit(await disk('large'))
  const to = await target.unit(await disk('small'))
  const units = { from, to }
  const data = pattern(MiB(1))
  await from.write(0, data)
  await session.setQueue(units[at], session.profile.sysfs.limit, '0')
  const call = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  await proof.host(to).changedOnly(MiB(8), data)
  await proof.host(from).unchanged()
}

kernelCase(
  'scsi/032',
  'a limit of 0 at the source turns it off between units',
  { offloads: 'scsi-cross-unit', needs: ['limits'] },
  async (tools) => {
    await turnedOff(tools, 'from')
  },
)

kernelCase(
  'scsi/033',
  'a limit of 0 at the destination turns it off between units',
  { offloads: 'scsi-cross-unit', needs: ['limits'] },
  async (tools) => {
    await turnedOff(tools, 'to')
  },
)

kernelCase(
  'scsi/034',
  'what the user has set stays when the unit is looked at again',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    const { limit, hardwareLimit } = session.profile.sysfs
    await session.setQueue(unit, limit, String(KiB(512)))
    await unit.rescan()
    expect(await session.getQueue(unit, limit)).toBe(String(KiB(512)))
    expect(await session.getQueue(unit, hardwareLimit)).toBe(String(65535 * 512))
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    expect(proof.device(call).moved().copies).toHaveLength(2)
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)
