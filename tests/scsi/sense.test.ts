// What a unit may answer to EXTENDED COPY.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { tool } from '../fixtures/lab.ts'
import type { Change } from '../fixtures/proof.ts'
import type { ScsiUnit } from '../fixtures/scsi-unit.ts'
import type { Session } from '../fixtures/session.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { until } from '../fixtures/until.ts'

/** Types of linux/pr.h. */
const [writeExclusive, exclusiveAccess] = [1, 2]

/** A persistent reservation, held through this port of the unit until the case ends. */
async function reserve(session: Session, through: ScsiUnit, type: number | undefined): Promise<void> {
  await session.must([tool, 'reserve', through.device, '1', String(type)])
  session.undo(() => session.must([tool, 'clear', through.device, '1']))
}

kernelCase(
  'scsi/044',
  'EXTENDED COPY is gone: turned off by the first command, and on again when the unit is looked at',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    const { limit, hardwareLimit } = session.profile.sysfs
    await session.set(unit.attribute('emulate_3pc'), '0')
    const refused = await copy({
      path: 'scsi-same-unit',
      from: unit.at(0),
      to: unit.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(refused).fellBack()
    proof.device(refused).fellBack({ failed: 1 })
    expect(await session.getQueue(unit, hardwareLimit)).toBe('0')
    const off = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(12)), bytes: MiB(1) })
    proof.guest(off).fellBack()
    proof.device(off).fellBack()

    await session.set(unit.attribute('emulate_3pc'), '1')
    await unit.rescan()
    expect(await session.getQueue(unit, hardwareLimit)).toBe(String(65535 * 512))
    expect(await session.getQueue(unit, limit)).toBe(String(65535 * 512))
    const on = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(16)), bytes: MiB(1) })
    proof.guest(on).moved()
    proof.device(on).moved()
    await proof.host(unit).changedOnlyIn([MiB(8), MiB(12), MiB(16)].map((at): Change => [at, data]))
  },
)

kernelCase(
  'scsi/045',
  'EXTENDED COPY is gone, and no fallback is EOPNOTSUPP',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    await session.set(unit.attribute('emulate_3pc'), '0')
    const call = await copy(
      { path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched({ failed: 1 })
    await proof.host(unit).unchanged()
  },
)

kernelCase(
  'scsi/046',
  'COPY ABORTED, since the copy manager does not find the source: fallback, and not for ever',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const data = pattern(MiB(1))
    await from.write(0, data)
    await session.set(from.attribute('emulate_3pc'), '0')
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack({ failed: 1 })
    await proof.host(to).changedOnly(MiB(8), data)
    await session.set(from.attribute('emulate_3pc'), '1')
    const again = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(12)), bytes: MiB(1) })
    proof.guest(again).moved()
    proof.device(again).moved()
    await proof.host(to).changedOnly(MiB(12), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/047',
  'COPY ABORTED, and no fallback is EREMOTEIO: who knows how much was written',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    await session.set(from.attribute('emulate_3pc'), '0')
    const call = await copy(
      { path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EREMOTEIO')
    proof.device(call).untouched({ failed: 1 })
    await proof.host(to).unchanged()
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/048',
  'UNIT ATTENTION: the command is sent again',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const unit = await target.unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    await target.unit(await disk('small'), { attention: true })
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved('profile', { failed: 1 })
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/049',
  'RESERVATION CONFLICT is an error, by whatever command',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const other = await (await session.target()).twin(unit)
    await reserve(session, other, exclusiveAccess)
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).stopped('EBADE', 0)
    proof.device(call).untouched({ failed: 'some' })
    await session.restore()
    await proof.host(unit).unchanged()
  },
)

kernelCase(
  'scsi/050',
  'RESERVATION CONFLICT with no fallback is the same error',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const other = await (await session.target()).twin(unit)
    await reserve(session, other, writeExclusive)
    const call = await copy(
      { path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EBADE')
    proof.device(call).untouched({ failed: 1 })
    await session.restore()
    await proof.host(unit).unchanged()
  },
)

kernelCase(
  'scsi/051',
  'a source that others may only read is copied',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const data = pattern(MiB(1))
    await from.write(0, data)
    await reserve(session, await (await session.target()).twin(from), writeExclusive)
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await session.restore()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/052',
  'a write fails on the disk under the destination: what could be written was',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('bad'))]
    const data = pattern(MiB(3))
    await from.write(0, data)
    // Of reads and writes of 1 MiB the third fails.
    const at = MiB(12) - KiB(2560)
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(at), bytes: MiB(3) })
    const { copied, offloaded } = proof.guest(call).cutShort('EIO')
    expect([copied, offloaded]).toEqual([MiB(2), 0])
    proof.device(call).reached(copied, 'fallback', { failed: 'some' })
    await proof.host(to).changedUpTo(at, data, copied)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/053',
  'a read fails on the disk under the source',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('bad')), await target.unit(await disk('large'))]
    const data = pattern(MiB(3))
    const at = MiB(4) - KiB(2560)
    await from.write(at, data)
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(at), to: to.at(0), bytes: MiB(3) })
    const { copied, offloaded } = proof.guest(call).cutShort('EIO')
    expect([copied, offloaded]).toEqual([MiB(2), 0])
    proof.device(call).reached(copied, 'fallback', { failed: 'some' })
    await proof.host(to).changedUpTo(0, data, copied)
    await proof.host(from).unchanged()
  },
)

/** Its target ports are in transition for three seconds, whose end can be waited for. */
async function changeState(session: Session, unit: ScsiUnit): Promise<{ end: Promise<unknown> }> {
  const state = `${unit.ports}/alua_access_state`
  await session.set(`${unit.ports}/trans_delay_msecs`, '3000')
  const end = session.must([tool, 'set', state, '1'])
  // SPC-4, REPORT TARGET PORT GROUPS: 15 is transitioning.
  await until(
    'the access state of the target ports',
    () => session.must([tool, 'get', state]),
    (seen) => seen.trim() === '15',
  )
  return { end }
}

kernelCase(
  'scsi/054',
  'NOT READY while target ports change their state: a little is read and written, the rest is offloaded',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(4))
    await unit.write(0, data)
    const changing = await changeState(session, unit)
    const call = await copy({
      path: 'scsi-same-unit',
      from: unit.at(0),
      to: unit.at(MiB(8)),
      bytes: data.bytes,
    })
    await changing.end
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced', { failed: 'some' })
    expect(call.results[0]?.offloaded).toBe(String(MiB(3)))
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/073',
  'NOT READY while target ports change their state, and no fallback is EAGAIN: the command was begun',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const changing = await changeState(session, unit)
    const call = await copy(
      { path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    await changing.end
    proof.guest(call).refused('EAGAIN')
    proof.device(call).untouched({ failed: 'some' })
    await proof.host(unit).unchanged()
  },
)

kernelCase(
  'scsi/055',
  'NOT READY of standby ports is an error',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    await session.set(`${unit.ports}/alua_access_state`, '2')
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).stopped('EIO', 0)
    proof.device(call).untouched({ failed: 'some' })
    await session.restore()
    await proof.host(unit).unchanged()
  },
)

kernelCase(
  'scsi/056',
  'the transport loses every command',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, proof }) => {
    const target = await session.target()
    const unit = await target.unit(await disk('large'))
    await session.set(target.transportStatus, 'offline')
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).stopped('EIO', 0)
    proof.device(call).untouched({ failed: 'some' })
    await session.restore()
    await proof.host(unit).unchanged()
  },
)
