// What may happen while a unit copies.
import { expect } from 'vitest'
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { tool } from '../fixtures/lab.ts'
import type { Change } from '../fixtures/proof.ts'
import type { ScsiUnit } from '../fixtures/scsi-unit.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { until } from '../fixtures/until.ts'

kernelCase(
  'scsi/057',
  'EXTENDED COPY times out: what it was to copy is read and written',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    // A copy is given four times that.
    await session.setQueue(unit, 'io_timeout', '500')
    await session.failTimeouts(unit, 1)
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack({ failed: 'some' })
    expect(await session.getQueue(unit, session.profile.sysfs.hardwareLimit)).toBe(String(65535 * 512))
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/058',
  'timeouts of copies do not count against the medium',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    await session.setQueue(unit, 'io_timeout', '500')
    // drivers/scsi/sd.c takes a disk offline after two commands for the medium that have timed out.
    const places = [MiB(8), MiB(9), MiB(10)]
    for (const to of places) {
      await session.failTimeouts(unit, 1)
      const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(to), bytes: MiB(1) })
      proof.guest(call).fellBack()
      proof.device(call).fellBack({ failed: 'some' })
    }
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(12)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnlyIn([...places, MiB(12)].map((at): Change => [at, data]))
  },
)

/** One of two units goes while one is copied to the other, slowly: what was copied is told, and is right. */
async function loses({ session, disk, pattern, proof }: CaseTools, which: 'from' | 'to'): Promise<void> {
  const target = await session.target()
  const from = await target.unit(await disk('slow'))
  const to = await target.unit(await disk('large'))
  const units = { from, to }
  const data = pattern(MiB(8))
  await from.write(0, data)
  // Of the one that stays: that of the other would be put back before it goes.
  const stays = which === 'to' ? from : to
  await session.setQueue(stays, session.profile.sysfs.limit, String(KiB(256)))
  const copying = await session.begin({
    path: 'scsi-cross-unit',
    from: from.at(0),
    to: to.at(MiB(16)),
    bytes: MiB(8),
  })
  await units[which].detach()
  const call = await copying.done()
  // Of a device that is going, or that has gone (drivers/scsi/scsi_lib.c, scsi_device_state_check())
  const { copied } = proof.guest(call).cutShort(['ENODEV', 'EIO'])
  proof.device(call).reached(copied, 'traced', { reset: true })
  await proof.host(to).changedUpTo(MiB(16), data, copied)
  await proof.host(from).unchanged()
}

kernelCase(
  'scsi/059',
  'the destination goes while it is copied to',
  { offloads: 'scsi-cross-unit', needs: ['limits'] },
  async (tools) => {
    await loses(tools, 'to')
  },
)

kernelCase(
  'scsi/060',
  'the source goes while it is copied from',
  { offloads: 'scsi-cross-unit', needs: ['limits'] },
  async (tools) => {
    await loses(tools, 'from')
  },
)

kernelCase(
  'scsi/061',
  'a copy is killed',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('slow'))
    const data = pattern(MiB(4))
    await unit.write(0, data)
    await session.setQueue(unit, session.profile.sysfs.limit, String(KiB(256)))
    const copying = await session.begin({
      path: 'scsi-same-unit',
      from: unit.at(0),
      to: unit.at(MiB(8)),
      bytes: MiB(4),
    })
    await copying.kill()
    const call = await copying.done()
    const { copied } = proof.guest(call).killed()
    proof.device(call).reached(copied)
    await proof.host(unit).changedUpTo(MiB(8), data, copied)
  },
)

kernelCase(
  'scsi/062',
  'EXTENDED COPY goes while a unit copies: the rest is read and written',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('slow'))
    const data = pattern(MiB(3))
    await unit.write(0, data)
    await session.setQueue(unit, session.profile.sysfs.limit, String(KiB(256)))
    const copying = await session.begin({
      path: 'scsi-same-unit',
      from: unit.at(0),
      to: unit.at(MiB(8)),
      bytes: MiB(3),
    })
    await session.set(unit.attribute('emulate_3pc'), '0')
    const call = await copying.done()
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced', { failed: 'some' })
    const offloaded = Number(call.results[0]?.offloaded)
    expect(offloaded).toBeGreaterThan(0)
    expect(offloaded).toBeLessThan(MiB(3))
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/063',
  'a unit is looked at again and again while it copies',
  { offloads: 'scsi-same-unit', needs: ['limits'] },
  async ({ session, disk, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('slow'))
    const data = pattern(MiB(3))
    await unit.write(0, data)
    await session.setQueue(unit, session.profile.sysfs.limit, String(KiB(256)))
    const copying = await session.begin({
      path: 'scsi-same-unit',
      from: unit.at(0),
      to: unit.at(MiB(8)),
      bytes: MiB(3),
    })
    for (let times = 0; times < 3; times++) await unit.rescan(copying)
    const call = await copying.done()
    // While a queue is frozen a little is read and written.
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    expect(Number(call.results[0]?.offloaded)).toBeGreaterThan(MiB(3) / 2)
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/074',
  'both units are runtime-suspended: a copy without fallback resumes them, as reads and writes would',
  { offloads: 'scsi-cross-unit', needs: ['CONFIG_PM'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const from = await target.unit(await disk('large'))
    const to = await target.unit(await disk('small'))
    const data = pattern(MiB(1))
    await from.write(0, data)
    const status = (unit: ScsiUnit) => session.must([tool, 'get', `${unit.scsiDevice}/power/runtime_status`])
    for (const unit of [from, to]) {
      const power = `${unit.scsiDevice}/power`
      await session.set(`${power}/autosuspend_delay_ms`, '0')
      await session.set(`${power}/control`, 'auto')
      await until(
        `the runtime status of ${unit.name}`,
        () => status(unit),
        (seen) => seen.trim() === 'suspended',
      )
      // It is not to be suspended again while the other one is resumed.
      await session.set(`${power}/autosuspend_delay_ms`, '60000')
    }
    const call = await copy(
      { path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    for (const unit of [from, to]) expect((await status(unit)).trim()).toBe('active')
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)
