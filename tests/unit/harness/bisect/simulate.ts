/** Whole bisections with attempts that a seeded generator answers. */
import {
  type Ends,
  judge,
  judgeEnds,
  nextAttempt,
  perStepError,
  rate,
  rateOf,
  type Tally,
  threshold,
} from '../../../../harness/bisect/confidence.ts'
import { next, type Verdict, worstSteps } from '../../../../harness/bisect/space/search.ts'

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A number drawn from the normal distribution (Box and Muller). */
export function normal(random: () => number, mean: number, deviation: number): number {
  return mean + deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** One attempt at a kernel that has the bug, or has not: what the test of the symptom is made on. */
export type Attempt<Answer> = (bug: boolean, random: () => number) => Answer

/** The symptom itself. */
export const symptom =
  (badRate: number, goodRate: number): Attempt<boolean> =>
  (bug, random) =>
    random() < (bug ? badRate : goodRate)

/** Milliseconds, noisy by a share of themselves. */
export const slowDown =
  (factor: number, noise: number): Attempt<number> =>
  (bug, random) => {
    const mean = bug ? 1000 * factor : 1000
    return normal(random, mean, noise * mean)
  }

export interface Simulated {
  /** `undecided`: the ends or a candidate were tried 2000 times. */
  outcome: 'right' | 'wrong' | 'undecided'
  attempts: number
  /** Those of them at the ends, before the search. */
  atEnds: number
}

/** One bisection with an asked confidence of 99 %, as the attempts allow: ends first, then step by step. */
export function simulate(
  candidates: number,
  attempt: Attempt<boolean> | Attempt<number>,
  random: () => number,
): Simulated {
  const most = 2000
  const error = perStepError(0.99, worstSteps(candidates) + 3)
  const culprit = 1 + Math.floor(random() * (candidates - 1))
  const last = candidates - 1
  let attempts = 0
  const ask = (place: number) => {
    attempts += 1
    return attempt(place >= culprit, random)
  }
  /** What makes an answer an observation. Until a slow-down has a threshold there is none. */
  let seen: ((answer: boolean | number) => boolean) | undefined
  const answers = { bad: [] as (boolean | number)[], good: [] as (boolean | number)[] }
  let ends: Ends | undefined
  while (!ends || judgeEnds(ends) !== 'apart') {
    if (attempts >= most) return { outcome: 'undecided', attempts, atEnds: attempts }
    answers.bad.push(ask(last))
    answers.good.push(ask(0))
    if (!seen) {
      const limit = answers.bad.every((answer) => typeof answer === 'number')
        ? threshold(answers.good.map(Number), answers.bad.map(Number), error)
        : 0
      if (limit !== undefined) seen = (answer) => Number(answer) > limit
    }
    if (seen) {
      ends = { badRate: rateOf(answers.bad.map(seen)), goodRate: rateOf(answers.good.map(seen)), error }
    }
  }
  const observe = (place: number) => Boolean(seen?.(ask(place)))
  const again = ({ seen, of }: Tally, observation: boolean) => rate(seen + Number(observation), of + 1)
  const atEnds = attempts
  const verdicts = new Map<number, Verdict>()
  for (;;) {
    const step = next(candidates, verdicts)
    if (!('test' in step)) {
      const right = 'found' in step && step.found === culprit
      return { outcome: right ? 'right' : 'wrong', attempts, atEnds }
    }
    const observations: boolean[] = []
    let verdict: Verdict | 'undecided' = 'undecided'
    const started = attempts
    while (verdict === 'undecided') {
      if (attempts - started >= most) return { outcome: 'undecided', attempts, atEnds }
      const where = nextAttempt(observations, ends)
      if (where === 'candidate') observations.push(observe(step.test))
      else if (where === 'bad end') ends.badRate = again(ends.badRate, observe(last))
      else ends.goodRate = again(ends.goodRate, observe(0))
      verdict = judge(observations, ends)
    }
    verdicts.set(step.test, verdict)
  }
}

/** Shares and means of many bisections. */
export function simulateMany(
  runs: number,
  candidates: number,
  attempt: Attempt<boolean> | Attempt<number>,
  seed = 1,
) {
  const random = generator(seed)
  const all = Array.from({ length: runs }, () => simulate(candidates, attempt, random))
  const share = (outcome: Simulated['outcome']) => all.filter((run) => run.outcome === outcome).length / runs
  const mean = (of: (run: Simulated) => number) => all.reduce((sum, run) => sum + of(run), 0) / runs
  return {
    wrong: share('wrong'),
    undecided: share('undecided'),
    attempts: mean((run) => run.attempts),
    atEnds: mean((run) => run.atEnds),
  }
}
