/** Whether a candidate has the symptom: attempts at it, until it is as sure as it has to be. */
import type { Trial } from './attempt/trial.ts'
import { judge, nextAttempt } from './confidence.ts'
import {
  type Attempt,
  type End,
  type Ends,
  hostFailed,
  isCertain,
  patience,
  ratesOf,
  tryOnce,
} from './ends.ts'
import { observe } from './question.ts'
import type { Candidate } from './space/candidate.ts'

export interface Decision {
  candidate: { id: string; title: string }
  /** `not run`: it cannot show the symptom there. `skip`: it cannot be told. */
  says: 'symptom' | 'clean' | 'not run' | 'skip'
  /** What the last attempt said that agrees with it. */
  reason: string
  /** Of `tried` attempts that said anything of the symptom, those that showed it. */
  seen: number
  tried: number
  /** All attempts, also those that said nothing of it. */
  trials: Trial[]
}

/** A candidate that is neither like the one end nor like the other after so many attempts. */
const mostAttempts = 60

/**
 * @param earlier attempts at it that were made before, which count as if they were made now
 * @throws Failure('infra') when the harness or the machine fails time and again
 */
export async function decide(
  candidate: Candidate,
  ends: Ends,
  attempt: Attempt,
  earlier: readonly Trial[] = [],
): Promise<Decision> {
  const { symptom, known } = ends
  const trials: Trial[] = []
  const observations: boolean[] = []
  const said = { seen: '', absent: '' }
  let [lost, others] = [0, 0]
  const decision = (says: Decision['says'], reason: string): Decision => ({
    candidate: { id: candidate.id, title: candidate.title },
    ...{ says, reason, seen: observations.filter(Boolean).length, tried: observations.length, trials },
  })
  for (let index = 0; ; index += 1) {
    const trial = earlier[index] ?? (await attempt(candidate))
    trials.push(trial)
    const { says, reason } = observe(trial, symptom, known)
    if (says === 'not run') return decision(says, reason)
    if (says === 'infra') {
      lost += 1
      if (lost < patience) continue
      throw hostFailed(candidate, reason)
    }
    if (says === 'other') {
      others += 1
      // What does not build or apply does so every time; another failure may be as flaky as the one that is looked for.
      const settled = trial.result !== 'fail' && trial.result !== 'no boot'
      if (settled || others === patience) return decision('skip', reason)
      continue
    }
    lost = 0
    observations.push(says === 'seen')
    said[says] = reason
    if (index + 1 < earlier.length) continue
    const verdict = await settle(observations, ends, attempt)
    if (verdict === 'bad') return decision('symptom', said.seen)
    if (verdict === 'good') return decision('clean', said.absent)
    if (observations.length - earlier.length >= mostAttempts)
      return decision('skip', `neither as one end nor as the other in ${mostAttempts} attempts`)
  }
}

/** The verdict on what was seen. Where the ends are known less well than the candidate, they are tried again. */
async function settle(observations: readonly boolean[], ends: Ends, attempt: Attempt) {
  if (isCertain(ends.symptom)) return observations[0] ? 'bad' : 'good'
  for (;;) {
    const rates = ratesOf(ends)
    const verdict = judge(observations, rates)
    const where = nextAttempt(observations, rates)
    if (verdict !== 'undecided' || where === 'candidate') return verdict
    await tryOnce(ends, where === 'bad end' ? 'with' : 'without', attempt)
  }
}

/** An end as a decision, for reports. */
export function endDecision({ candidate, trials, tally, reason }: End, says: 'symptom' | 'clean'): Decision {
  const { id, title } = candidate
  return { candidate: { id, title }, says, reason, seen: tally.seen, tried: tally.of, trials }
}
