// Units that could copy, but not from there, or not to there.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'scsi/035',
  'inside of a unit without the 3PC bit',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'), { copies: false })
    const data = pattern(MiB(1))
    await unit.write(0, data)
    expect(await session.getQueue(unit, session.profile.sysfs.hardwareLimit)).toBe('0')
    const call = await copy({ path: 'never', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/036',
  'from a unit that cannot copy to one that can',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [
      await target.unit(await disk('large'), { copies: false }),
      await target.unit(await disk('small')),
    ]
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/037',
  'from a unit that can copy to one that cannot',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [
      await target.unit(await disk('large')),
      await target.unit(await disk('small'), { copies: false }),
    ]
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/038',
  'between units of two targets, both ways',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const a = await (await session.target()).unit(await disk('large'))
    const b = await (await session.target()).unit(await disk('small'))
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await a.write(0, one)
    await b.write(0, two)
    const call = await copy([
      { path: 'never', from: a.at(0), to: b.at(MiB(8)), bytes: MiB(1) },
      { path: 'never', from: b.at(0), to: a.at(MiB(8)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(b).changedOnly(MiB(8), one)
    await proof.host(a).changedOnly(MiB(8), two)
  },
)

kernelCase(
  'scsi/039',
  'no fallback between units of two targets is EOPNOTSUPP',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, proof }) => {
    const from = await (await session.target()).unit(await disk('large'))
    const to = await (await session.target()).unit(await disk('small'))
    const call = await copy(
      { path: 'never', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(to).unchanged()
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/040',
  'between units of different block sizes, both ways',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [fine, coarse] = [await target.unit(await disk('large')), await target.unit(await disk('4k'))]
    const [one, two] = [pattern(KiB(256)), pattern(KiB(256))]
    await fine.write(512, one)
    await coarse.write(0, two)
    const call = await copy([
      { path: 'never', from: fine.at(512), to: coarse.at(MiB(8)), bytes: KiB(256) },
      { path: 'never', from: coarse.at(0), to: fine.at(MiB(8) + 512), bytes: KiB(256) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(coarse).changedOnly(MiB(8), one)
    await proof.host(fine).changedOnly(MiB(8) + 512, two)
  },
)

kernelCase(
  'scsi/041',
  'between a unit and a disk that cannot copy, both ways',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const other = await disk('scsi0')
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await unit.write(0, one)
    await other.write(0, two)
    const call = await copy([
      { path: 'never', from: unit.at(0), to: other.at(MiB(8)), bytes: MiB(1) },
      { path: 'never', from: other.at(0), to: unit.at(MiB(8)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(other).changedOnly(MiB(8), one)
    await proof.host(unit).changedOnly(MiB(8), two)
  },
)

kernelCase(
  'scsi/042',
  'between a unit and an NVMe namespace, both of which copy by themselves',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const namespace = await disk('small')
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await unit.write(0, one)
    await namespace.write(0, two)
    const call = await copy([
      { path: 'never', from: unit.at(0), to: namespace.at(MiB(8)), bytes: MiB(1) },
      { path: 'never', from: namespace.at(0), to: unit.at(MiB(8)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(namespace).changedOnly(MiB(8), one)
    await proof.host(unit).changedOnly(MiB(8), two)
  },
)

kernelCase(
  'scsi/043',
  'a unit that is seen twice does not copy to itself by its other name',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const unit = await target.unit(await disk('large'))
    const twin = await target.twin(unit)
    const data = pattern(MiB(1))
    await unit.write(0, data)
    // The kernel cannot tell whether such ranges overlap.
    const call = await copy({ path: 'never', from: unit.at(0), to: twin.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(twin).changedOnly(MiB(8), data)
    await proof.host(unit).unchanged()
  },
)

kernelCase(
  'scsi/069',
  'inside of a disk of scsi_debug, and between it and a unit, both ways',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_SCSI_DEBUG'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const other = await session.scsiDebug()
    expect(await session.getQueue(other, session.profile.sysfs.hardwareLimit)).toBe('0')
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await unit.write(0, one)
    await other.write(0, two)
    const call = await copy([
      { path: 'scsi', from: other.at(0), to: other.at(MiB(1)), bytes: MiB(1) },
      { path: 'never', from: unit.at(0), to: other.at(MiB(2)), bytes: MiB(1) },
      { path: 'never', from: other.at(0), to: unit.at(MiB(8)), bytes: MiB(1) },
    ])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(other).changedOnlyIn([
      [MiB(1), two],
      [MiB(2), one],
    ])
    await proof.host(unit).changedOnly(MiB(8), two)
  },
)

kernelCase(
  'scsi/070',
  'a unit with protection information',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('pi'))
    const data = pattern(KiB(64))
    await unit.write(0, data)
    expect(await session.getQueue(unit, session.profile.sysfs.hardwareLimit)).toBe('0')
    const call = await copy({ path: 'never', from: unit.at(0), to: unit.at(MiB(4)), bytes: KiB(64) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(unit).changedOnly(MiB(4), data)
  },
)
