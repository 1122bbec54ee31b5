/** What is asked of each candidate, and what an attempt at it says to that. */
import { type Signature, sameSignature } from './attempt/signature.ts'
import type { Trial } from './attempt/trial.ts'

export const symptoms = ['fail', 'splat', 'offload', 'slow', 'warning', 'build', 'boot'] as const
export type Symptom = (typeof symptoms)[number]

/** For `--help`. */
export const symptomHelp: Record<Symptom, string> = {
  fail: 'the case fails as it does at the end that shows it, also by a splat, or because the kernel does not build or boot there',
  splat: 'the kernel complains during the case',
  offload: 'no copy of the case is offloaded, whether it passes or not',
  slow: 'the case takes longer, beyond noise',
  warning: 'the compiler has a warning that it does not have at the other end',
  build: 'the kernel does not build',
  boot: 'the kernel does not boot',
}

/** How far an attempt has to go to tell. */
export function stageOf(symptom: Symptom): 'build' | 'boot' | 'case' {
  if (symptom === 'warning' || symptom === 'build') return 'build'
  return symptom === 'boot' ? 'boot' : 'case'
}

/** The symptom as it was seen at the end that has it: only this one counts from then on. */
export interface Known {
  /** Of `fail`, `splat`, `build` and `boot`. */
  signature?: Signature | undefined
  /** Of `slow`: an attempt that takes longer shows the symptom. Milliseconds of the case. */
  slowerThanMs?: number | undefined
  /** Of `warning`: those that the other end does not have. */
  warnings?: readonly string[] | undefined
}

/**
 * What one attempt says. `seen`, `absent`: evidence for or against the symptom. `not run`: the case cannot show it there,
 * as what it asks for does not exist. `other`: something else is wrong there, which hides whether the symptom is. `infra`:
 * nothing is known of the kernel.
 */
export interface Observation {
  says: 'seen' | 'absent' | 'not run' | 'other' | 'infra'
  /** One line. */
  reason: string
}

export function observe(trial: Trial, symptom: Symptom, known: Known): Observation {
  if (trial.result === 'infra') return { says: 'infra', reason: trial.reason }
  if (trial.result === 'not run') return { says: 'not run', reason: trial.reason }
  if (trial.result === 'no apply' || trial.result === 'no config')
    return { says: 'other', reason: trial.reason }
  if (symptom === 'offload') return observeOffload(trial, known)
  if ('signature' in trial) return observeFailure(trial, symptom, known)
  if (symptom === 'slow') return observeTime(trial, known)
  if (symptom === 'warning') return observeWarnings(trial, known)
  return { says: 'absent', reason: passed(trial) }
}

type Passed = Extract<Trial, { result: 'pass' }>
type Failed = Extract<Trial, { signature: Signature }>

function observeFailure(
  { result, signature, reason }: Failed,
  symptom: Symptom,
  { signature: wanted }: Known,
) {
  const what = result === 'fail' ? reason : `${result}: ${reason}`
  const counts =
    symptom === 'fail' ||
    (symptom === 'splat' && signature.kind === 'splat') ||
    (symptom === 'build' && result === 'no build') ||
    (symptom === 'boot' && result === 'no boot')
  const same = counts && (wanted === undefined || sameSignature(signature, wanted))
  return { says: same ? ('seen' as const) : ('other' as const), reason: what }
}

/**
 * A case that expects offload fails where there is none; how much was copied how is known all the same. One that ends by
 * a splat, by a lost guest or otherwise than at the end with the symptom may not have come to the copies that are offloaded.
 */
function observeOffload(trial: Passed | Failed, { signature: wanted }: Known): Observation {
  const { copied = 0, offloaded = 0 } = 'copied' in trial ? trial : {}
  if (offloaded > 0) return { says: 'absent', reason: `${offloaded} of ${copied} bytes were offloaded` }
  if ('signature' in trial) {
    const { signature, reason } = trial
    const another = wanted !== undefined && !sameSignature(signature, wanted)
    if (signature.kind !== 'assertion' || another) return { says: 'other', reason }
  }
  if (copied > 0) return { says: 'seen', reason: `none of ${copied} bytes were offloaded` }
  return { says: 'other', reason: 'reason' in trial ? trial.reason : 'the case has copied nothing' }
}

function observeTime({ runtimeMs }: Passed, { slowerThanMs }: Known): Observation {
  const took = `${(runtimeMs / 1000).toFixed(2)} s`
  if (slowerThanMs === undefined) return { says: 'seen', reason: took }
  const slower = runtimeMs > slowerThanMs
  const limit = `${(slowerThanMs / 1000).toFixed(2)} s`
  return { says: slower ? 'seen' : 'absent', reason: `${took}, ${slower ? 'above' : 'below'} ${limit}` }
}

function observeWarnings({ warnings }: Passed, { warnings: wanted }: Known): Observation {
  if (!warnings) return { says: 'infra', reason: 'nobody has noted what the compiler had to say' }
  const found = wanted ? warnings.filter((one) => wanted.includes(one)) : warnings
  const [first] = found
  return first === undefined
    ? { says: 'absent', reason: wanted ? 'none of the warnings' : 'no warning' }
    : { says: 'seen', reason: first }
}

function passed({ evidence }: Passed): string {
  return evidence.length ? `passed: ${evidence.join('; ')}` : 'passed'
}
