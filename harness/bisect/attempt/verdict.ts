/** What an error, a boot or a case's outcome tells of a kernel. */
import { findSplat } from '../../../qemu/console.ts'
import { DisksMissing } from '../../../qemu/disks.ts'
import type { Guest } from '../../../qemu/guest.ts'
import { GuestLost } from '../../../qemu/lost.ts'
import { expected } from '../../failure.ts'
import { BuildRefused } from '../../kernel/errors.ts'
import { OptionDropped } from '../../kernel/kconfig.ts'
import type { CaseOutcome } from '../../run/outcome.ts'
import type { CaseRecord, CopyEvidence } from '../../run/record.ts'
import { PatchRefused } from '../../series/refusal.ts'
import { leakSignature, type Signature, splatSignature, withoutStamp, wordsSignature } from './signature.ts'
import type { Trial } from './trial.ts'

type Common = 'startedAt' | 'buildMs' | 'testMs' | 'built' | 'kernelKey' | 'directory'
type WithoutCommon<T> = T extends unknown ? Omit<T, Common> : never

/** A Trial without what every one has. */
export type Verdict = WithoutCommon<Trial>

/**
 * Of an attempt that has come to an error.
 * @param log all that the guest has printed, if it was booted
 * @throws the error itself when it is a bug, or the user's: no other attempt would fare better
 */
export function verdictOfError(error: unknown, log = ''): Verdict {
  if (error instanceof BuildRefused)
    return { result: 'no build', signature: wordsSignature('build', error.error), reason: line(error) }
  if (error instanceof PatchRefused) return { result: 'no apply', reason: line(error) }
  if (error instanceof OptionDropped) return { result: 'no config', reason: line(error) }
  if (error instanceof DisksMissing) {
    const splat = findSplat(log)
    const words = `the kernel has not found ${[...error.names].sort().join(', ')}`
    const signature = splat ? splatSignature(splat, [log], 'boot') : wordsSignature('boot', words)
    return { result: 'no boot', signature, reason: line(error) }
  }
  if (error instanceof GuestLost) return verdictOfLostBoot(error, log)
  const failure = expected(error)
  if (failure?.kind !== 'infra') throw error
  return { result: 'infra', reason: line(failure) }
}

/** A guest that was lost before its agent answered and its disks were there. */
function verdictOfLostBoot(error: GuestLost, log: string): Verdict {
  const { reason: how, splat } = error
  if (how === 'panic' || how === 'hung') {
    const signature =
      splat === undefined ? silentBoot(error, log) : splatSignature(splat, [log, error.consoleTail], 'boot')
    const said = splat === undefined ? line(error) : `${line(error)}, after: ${withoutStamp(splat)}`
    return { result: 'no boot', signature, reason: said }
  }
  // QEMU was ended from outside, or the host did not let it run; what the kernel had said by then is known.
  if (splat === undefined) return { result: 'infra', reason: line(error) }
  return {
    result: 'fail',
    signature: splatSignature(splat, [log, error.consoleTail]),
    reason: withoutStamp(splat),
    ...{ copied: 0, offloaded: 0 },
  }
}

/** A boot that ended or stopped without a complaint is known by the last thing that the kernel has said. */
function silentBoot({ reason: how }: GuestLost, log: string): Signature {
  const last = log.trimEnd().split('\n').at(-1) ?? ''
  const what = how === 'hung' ? 'hangs' : 'resets the machine'
  const after = last ? `after: ${withoutStamp(last)}` : 'before its first message'
  return wordsSignature('boot', `the kernel ${what} ${after}`)
}

export function verdictOfBoot({ bootMs, release }: Guest): Verdict {
  const evidence = [`${release}: the agent answers, all disks are there, and the kernel has no complaint`]
  return { result: 'pass', runtimeMs: bootMs, copied: 0, offloaded: 0, evidence }
}

/**
 * Of a case, and of the look at the guest after it. What the kernel has done wrong is known, whatever else there was.
 * @param log all that the guest has printed
 */
export function verdictOfOutcomes(outcomes: readonly CaseOutcome[], log: string): Verdict {
  const find = (verdict: CaseOutcome['verdict']) => outcomes.find((one) => one.verdict === verdict)
  const failed = find('fail')
  const other = find('infra') ?? find('not run')
  if (failed) {
    const reason = withoutStamp(failed.reason ?? '')
    return { result: 'fail', signature: signatureOf(failed, log), reason, ...bytesOf(failed.record) }
  }
  if (other) return { result: other.verdict as 'infra' | 'not run', reason: other.reason ?? '' }
  const [outcome] = outcomes
  if (!outcome) return { result: 'infra', reason: 'the case has no outcome' }
  const { record } = outcome
  const { runtimeMs } = record
  return { result: 'pass', runtimeMs, ...bytesOf(record), evidence: evidenceOf(record) }
}

function signatureOf({ reason = '', record }: CaseOutcome, log: string): Signature {
  const { splat, lost, dmesg } = record
  if (splat?.startsWith('kmemleak: ')) return leakSignature(dmesg)
  if (splat !== undefined && findSplat(splat)) return splatSignature(splat, [log, dmesg])
  if (lost !== undefined) return wordsSignature(lost === 'hung' ? 'timeout' : 'lost', reason)
  // `the kernel became tainted: warning`, without a message
  if (splat !== undefined) return wordsSignature('assertion', splat)
  return wordsSignature(/^Test timed out in /.test(reason) ? 'timeout' : 'assertion', reason)
}

function evidenceOf({ copies, host }: CaseRecord): string[] {
  const lines = copies.flatMap(({ requests, device, witnesses }, index) => {
    const heard = Object.entries(witnesses).flatMap(([name, yes]) => (yes ? [name] : []))
    const commands = device ? `, ${device.copyCommands} Copy commands` : ''
    return requests.map(
      ({ path, bytes, error, copied, offloaded }) =>
        `copy ${index + 1} (${path}): error ${error}, ${copied} of ${bytes} bytes copied, ${offloaded} offloaded${commands}; borne out by ${heard.join(', ')}`,
    )
  })
  const disks = host.map(({ disk, sha256 }) => `${disk} has sha256 ${sha256}`)
  return [...lines, ...new Set(disks)]
}

function bytesOf({ copies }: CaseRecord): { copied: number; offloaded: number } {
  return { copied: sum(copies, 'copied'), offloaded: sum(copies, 'offloaded') }
}

/** A call that has no way to say how much was offloaded says `unknown`: then the tracepoints know. */
function sum(copies: readonly CopyEvidence[], what: 'copied' | 'offloaded'): number {
  let bytes = 0
  for (const { requests, traced } of copies) {
    const said = requests.map((request) => Number(request[what]))
    if (said.every(Number.isFinite)) bytes += said.reduce((a, b) => a + b, 0)
    else if (traced) bytes += traced.offloaded + (what === 'copied' ? traced.fallback : 0)
  }
  return bytes
}

/** The first one. */
function line({ message }: Error): string {
  return message.split('\n')[0] ?? ''
}
