/** What a bisection has come to, as bisect.json has it, and what it has cost. */
import type { Conclusion } from '../bisect.ts'
import { type Decision, endDecision } from '../decide.ts'
import type { BisectHeader } from '../journal.ts'
import type { Symptom } from '../question.ts'
import type { Candidate, Change } from '../space/candidate.ts'

export interface Place {
  id: string
  title: string
  change?: Change | undefined
}

export interface Costs {
  attempts: number
  /** Kernels that were built, and those that were there before. */
  builds: number
  cached: number
  /** Milliseconds. */
  buildMs: number
  testMs: number
}

export interface BisectResult {
  kind: BisectHeader['kind']
  startedAt: string
  /** Names of the case and of the symptom. */
  case: string | null
  symptom: Symptom
  /** The symptom's own words, where it has some. */
  signature: string | null
  fixed: boolean
  confidence: number
  /**
   * `found`: and verified. `contradicted`: found, but its verification says otherwise. `left`: what could not be tested
   * hides which of several it is.
   */
  outcome: 'found' | 'contradicted' | 'left'
  culprit: Place | null
  parent: Place | null
  left: Place[]
  /** It may also come from one of these before the culprit, since the case cannot run without the culprit, and why. */
  hidden: { changes: Place[]; reason: string } | null
  ends: { before: Decision; after: Decision }
  steps: Decision[]
  verification: { culprit: Decision; parent: Decision } | null
  /** The end after the change, without it. */
  without: Decision | { impossible: string } | null
  costs: Costs
  /** git's own. */
  log: string | null
}

export interface Asked extends Pick<BisectResult, 'kind' | 'startedAt' | 'symptom' | 'fixed' | 'confidence'> {
  case: string | null
}

export function resultOf({ ends, steps, result, log }: Conclusion, asked: Asked): BisectResult {
  const bad = endDecision(ends.with, 'symptom')
  const good = endDecision(ends.without, ends.always ? 'symptom' : 'clean')
  const [before, after] = asked.fixed ? [bad, good] : [good, bad]
  const found = 'found' in result ? result.found : undefined
  const verification = found ? { culprit: found.again.culprit, parent: found.again.parent } : null
  const without = found?.without ?? null
  const all = [before, after, ...steps, ...(verification ? Object.values(verification) : [])]
  return {
    ...asked,
    signature: ends.known.signature?.text ?? null,
    outcome: found ? (found.again.agree ? 'found' : 'contradicted') : 'left',
    culprit: found ? placeOf(found.culprit) : null,
    parent: found ? placeOf(found.parent) : null,
    left: 'left' in result ? result.left.map(placeOf) : [],
    hidden: found?.hidden?.changes.length
      ? { changes: found.hidden.changes.map(placeOf), reason: found.hidden.reason }
      : null,
    ...{ ends: { before, after }, steps, verification, without },
    costs: costsOf(without && 'trials' in without ? [...all, without] : all),
    log,
  }
}

function placeOf({ id, title, change }: Candidate): Place {
  return { id, title, ...(change && { change }) }
}

export function costsOf(decisions: readonly Decision[]): Costs {
  // What was seen at an end may be the evidence of the verdict, too.
  const trials = [...new Set(decisions.flatMap(({ trials }) => trials))]
  const keys = (some: typeof trials) => new Set(some.flatMap(({ kernelKey }) => kernelKey ?? []))
  const [all, built] = [keys(trials), keys(trials.filter((trial) => trial.built))]
  const sum = (key: 'buildMs' | 'testMs') => trials.reduce((total, trial) => total + trial[key], 0)
  return {
    attempts: trials.length,
    builds: built.size,
    cached: all.size - built.size,
    ...{ buildMs: sum('buildMs'), testMs: sum('testMs') },
  }
}
