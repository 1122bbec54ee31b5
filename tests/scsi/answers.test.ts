// What a unit answers to EXTENDED COPY, and its transport reports, that LIO never does by itself: injected after the command was
// carried out, so that a unit may have copied what it says it has not.
import { expect } from 'vitest'
import type { Pattern } from '../../harness/evidence/pattern.ts'
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import { type CopyCall, NO_FALLBACK } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import type { ScsiTarget } from '../fixtures/scsi-target.ts'
import type { ScsiUnit } from '../fixtures/scsi-unit.ts'
import type { Session } from '../fixtures/session.ts'
import { MiB } from '../fixtures/units.ts'

/** How a command ends: a status or a host byte (include/scsi/scsi_proto.h, scsi_status.h), sense data, a residual. */
interface Answer {
  result?: number
  /** Key, ASC and ASCQ, a byte each. */
  sense?: number
  /** Bytes. */
  residual?: number
}

const status = (result: number): Answer => ({ result })
const host = (byte: number): Answer => ({ result: byte << 16 })
const checkCondition = (sense: number): Answer => ({ result: 0x02, sense })

const [busy, taskSetFull] = [status(0x08), status(0x28)]
const [softError, reset, immediateRetry, requeue] = [host(0x0b), host(0x08), host(0x0c), host(0x0d)]
/** SPC-4, INSUFFICIENT RESOURCES, and LOGICAL UNIT IS IN PROCESS OF BECOMING READY. */
const [noResources, becomingReady] = [checkCondition(0x05_55_03), checkCondition(0x02_04_01)]
const recoveredError = checkCondition(0x01_17_00)
/** SPC-4: of the transfer of the parameter list, of the medium, of the hardware. */
const [aborted, mediumError, hardwareError] = [0x0b_44_00, 0x03_11_00, 0x04_44_00].map(checkCondition) as [
  Answer,
  Answer,
  Answer,
]

interface Tried {
  target: ScsiTarget
  unit: ScsiUnit
  data: Pattern
}

/** A unit with 4 MiB to copy. */
async function prepare({ session, disk, pattern }: CaseTools): Promise<Tried> {
  const target = await session.target()
  const unit = await target.unit(await disk('large'))
  const data = pattern(MiB(4))
  await unit.write(0, data)
  return { target, unit, data }
}

/** The next EXTENDED COPY ends so. */
async function inject(
  session: Session,
  { target }: Tried,
  { result = 0, sense = 0, residual = 0 }: Answer,
): Promise<void> {
  const extendedCopy = 0x83
  await session.set(target.injectedResult, [extendedCopy, 1, result, sense, residual].join(' '))
}

/** A copy of its own for each answer, to a place of its own. Returns these places. */
async function tryEach(
  tools: CaseTools,
  tried: Tried,
  answers: readonly Answer[],
  flags: number,
  judge: (call: CopyCall, answer: number) => void,
): Promise<Change[]> {
  const { session, copy } = tools
  const { unit, data } = tried
  const places = answers.map((_, index) => MiB(8) + index * data.bytes)
  for (const [index, answer] of answers.entries()) {
    await inject(session, tried, answer)
    const to = unit.at(places[index] ?? 0)
    judge(await copy({ path: 'scsi-same-unit', from: unit.at(0), to, bytes: data.bytes }, { flags }), index)
  }
  return places.map((at): Change => [at, data])
}

/** Of what passes: a little is read and written, and the unit is asked again for the rest. */
async function asksAgain(tools: CaseTools, answers: readonly Answer[]): Promise<void> {
  const { proof } = tools
  const tried = await prepare(tools)
  const changes = await tryEach(tools, tried, answers, 0, (call) => {
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced', { failed: 1 })
    expect(call.results[0]?.offloaded).toBe(String(MiB(3)))
  })
  await proof.host(tried.unit).changedOnlyIn(changes)
}

/** The caller is told this, and the command is not sent again. */
async function tells(tools: CaseTools, answers: readonly Answer[], errors: readonly string[]): Promise<void> {
  const { proof } = tools
  const tried = await prepare(tools)
  const changes = await tryEach(tools, tried, answers, NO_FALLBACK, (call, answer) => {
    proof.guest(call).refused(errors[answer] ?? '')
    proof.device(call).reached(0, 'profile', { failed: 1 })
  })
  // The unit has copied nevertheless.
  await proof.host(tried.unit).changedOnlyIn(changes)
}

/** The answer to a copy is lost, and it would have been a reset. */
async function timesOut(tools: CaseTools, flags: number): Promise<CopyCall> {
  const { session, proof } = tools
  const tried = await prepare(tools)
  // A copy is given four times that.
  await session.setQueue(tried.unit, 'io_timeout', '500')
  await session.failTimeouts(tried.unit, 1)
  const calls: CopyCall[] = []
  const changes = await tryEach(tools, tried, [reset], flags, (call) => calls.push(call))
  await proof.host(tried.unit).changedOnlyIn(changes)
  return calls[0] as CopyCall
}

kernelCase(
  'scsi/075',
  'BUSY, TASK SET FULL, no resources, becoming ready: a little is read and written, the rest is offloaded',
  { offloads: 'scsi-same-unit', needs: ['tracepoints', 'CONFIG_LOOPBACK_TARGET_INJECTION'] },
  (tools) => asksAgain(tools, [busy, taskSetFull, noResources, becomingReady]),
)

kernelCase(
  'scsi/076',
  'BUSY, TASK SET FULL, no resources, becoming ready, and no fallback is EAGAIN',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_LOOPBACK_TARGET_INJECTION'] },
  (tools) => tells(tools, [busy, taskSetFull, noResources, becomingReady], Array(4).fill('EAGAIN')),
)

kernelCase(
  'scsi/077',
  'a reset, and a driver that wants the command again: it is not sent again, the rest is offloaded',
  { offloads: 'scsi-same-unit', needs: ['tracepoints', 'CONFIG_LOOPBACK_TARGET_INJECTION'] },
  (tools) => asksAgain(tools, [reset, requeue, immediateRetry]),
)

kernelCase(
  'scsi/078',
  'a reset, and a driver that wants the command again, and no fallback is EAGAIN',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_LOOPBACK_TARGET_INJECTION'] },
  (tools) => tells(tools, [reset, requeue, immediateRetry], Array(3).fill('EAGAIN')),
)

kernelCase(
  'scsi/079',
  'errors, which leave open how much was copied: all is read and written',
  { offloads: 'scsi-same-unit', needs: ['tracepoints', 'CONFIG_LOOPBACK_TARGET_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const tried = await prepare(tools)
    const answers = [aborted, mediumError, hardwareError, softError]
    const changes = await tryEach(tools, tried, answers, 0, (call) => {
      proof.guest(call).fellBack()
      proof.device(call).fellBack({ failed: 1 })
    })
    await proof.host(tried.unit).changedOnlyIn(changes)
  },
)

kernelCase(
  'scsi/080',
  'errors, and no fallback: the caller is told what they are',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_LOOPBACK_TARGET_INJECTION'] },
  (tools) => {
    const answers = [aborted, mediumError, hardwareError, softError]
    return tells(tools, answers, ['EIO', 'ENODATA', 'EREMOTEIO', 'EIO'])
  },
)

kernelCase(
  'scsi/081',
  'RECOVERED ERROR is a success',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_LOOPBACK_TARGET_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const tried = await prepare(tools)
    const changes = await tryEach(tools, tried, [recoveredError], 0, (call) => {
      proof.guest(call).moved()
      proof.device(call).moved()
    })
    await proof.host(tried.unit).changedOnlyIn(changes)
  },
)

kernelCase(
  'scsi/082',
  'a residual with a good status: the unit is not believed to have copied',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_LOOPBACK_TARGET_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const tried = await prepare(tools)
    const changes = await tryEach(tools, tried, [{ residual: 28 }], 0, (call) => {
      proof.guest(call).fellBack()
      proof.device(call).fellBack({ failed: 1 })
    })
    await proof.host(tried.unit).changedOnlyIn(changes)
  },
)

kernelCase(
  'scsi/083',
  'a copy times out, and error recovery ends it with a reset: the unit is not asked again',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_LOOPBACK_TARGET_INJECTION', 'CONFIG_FAIL_IO_TIMEOUT'] },
  async (tools) => {
    const { proof } = tools
    const call = await timesOut(tools, 0)
    proof.guest(call).fellBack()
    proof.device(call).fellBack({ failed: 'some' })
  },
)

kernelCase(
  'scsi/084',
  'a copy times out, error recovery ends it with a reset, and no fallback is EIO',
  { offloads: 'scsi-same-unit', needs: ['CONFIG_LOOPBACK_TARGET_INJECTION', 'CONFIG_FAIL_IO_TIMEOUT'] },
  async (tools) => {
    const { proof } = tools
    const call = await timesOut(tools, NO_FALLBACK)
    proof.guest(call).refused('EIO')
    proof.device(call).reached(0, 'profile', { failed: 'some' })
  },
)
