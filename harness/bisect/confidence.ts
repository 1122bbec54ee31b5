/**
 * When a bisection may say good or bad of a candidate whose symptom comes and goes.
 *
 * A sequential probability ratio test (A. Wald, Sequential Tests of Statistical Hypotheses, 1945): after each attempt
 * the likelihood of all that was seen, if the candidate behaves as the bad end does, is divided by that if it behaves as
 * the good end does. At 1/error it is bad, at error it is good; in between it is tried again. The chance of a wrong
 * verdict is then at most `error`, however often one looks.
 *
 * What the ends do is known from a few attempts only. Taking 3 of 3 for "always" would let a failure of one in three
 * pass for gone. So the likelihoods are averaged over the rates that the attempts at an end leave possible.
 */
import { median } from '../bench/figures.ts'

/** How often the symptom was seen in how many attempts. */
export interface Tally {
  seen: number
  of: number
}

export interface Rate extends Tally {
  /** The mean of what the attempts leave possible; above 0 and below 1. */
  estimate: number
  /** Wilson's interval at 95 %, for people: E. B. Wilson, Probable Inference, 1927. */
  low: number
  high: number
}

export interface Ends {
  /** At the end that has the symptom. */
  badRate: Tally
  /** At the end that has not, or has it less often. */
  goodRate: Tally
  /** The chance that may remain of a wrong verdict, above 0 and below 0.5: see perStepError(). */
  error: number
}

/**
 * The prior: two in five that the symptom is all or nothing, otherwise every rate is as likely as any other. Most
 * failures of kernels do come every time; with the flat part alone those would cost a quarter more attempts, and without
 * it a single failure would rule out a flaky one. With more weight on all or nothing, rare failures at the good end make
 * more verdicts wrong than asked for (simulated, for rates of 30 to 100 % at the bad end and 0 to 30 % at the good one).
 */
const never = 0.2
const always = 0.2
const flaky = 0.6

/**
 * The rate of a symptom. It stays away from 0 and 1: few attempts can rule out neither.
 * @throws RangeError when more was seen than tried
 */
export function rate(seen: number, of: number): Rate {
  if (!Number.isInteger(seen) || !Number.isInteger(of) || seen < 0 || seen > of) {
    throw new RangeError(`${seen} seen of ${of} attempts`)
  }
  // The chance that the next attempt shows it.
  const estimate = Math.exp(logEvidence({ seen: seen + 1, of: of + 1 }) - logEvidence({ seen, of }))
  if (of === 0) return { seen, of, estimate, low: 0, high: 1 }
  const z = 1.959964
  const share = seen / of
  const centre = share + z ** 2 / (2 * of)
  const spread = z * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2))
  const scale = 1 + z ** 2 / of
  // At the edges the formula's rounding would say 1e-17.
  const low = seen === 0 ? 0 : (centre - spread) / scale
  const high = seen === of ? 1 : (centre + spread) / scale
  return { seen, of, estimate, low, high }
}

/** The rate of a list of attempts, each true if it showed the symptom. */
export function rateOf(observations: readonly boolean[]): Rate {
  return rate(observations.filter(Boolean).length, observations.length)
}

/**
 * The error that each verdict may have so that all of them together are right with the given confidence (Boole's
 * inequality: errors add up at worst).
 * @param confidence such as 0.99
 * @param verdicts how many there can be: a step of the search each, one that the ends differ, and those that verify
 */
export function perStepError(confidence: number, verdicts: number): number {
  if (!(confidence > 0.5 && confidence < 1)) throw new RangeError(`a confidence of ${confidence}`)
  return (1 - confidence) / Math.max(1, verdicts)
}

/**
 * Whether the ends differ surely enough to begin: tried in turns until then, or until the caller has had enough, since
 * ends that are alike stay undecided. `reversed`: the good end is the one that shows the symptom.
 */
export function judgeEnds({ badRate, goodRate, error }: Ends): 'apart' | 'reversed' | 'undecided' {
  const differ = logEvidence(badRate) + logEvidence(goodRate) - logEvidence(joined(badRate, goodRate))
  if (differ < logBound(error)) return 'undecided'
  return badRate.seen * goodRate.of > goodRate.seen * badRate.of ? 'apart' : 'reversed'
}

/**
 * The verdict on one candidate.
 * @param observations of this candidate, each true if it showed the symptom. What says nothing, such as a host that
 * failed or a failure with another signature, is not among them.
 */
export function judge(observations: readonly boolean[], ends: Ends): 'bad' | 'good' | 'undecided' {
  return judgeTally(rateOf(observations), ends)
}

/**
 * Where the next attempt tells most while a candidate is undecided. What is known of an end limits what can be said of
 * a candidate: once it was tried as often as one of them, that end is tried again.
 */
export function nextAttempt(
  observations: readonly boolean[],
  { badRate, goodRate }: Pick<Ends, 'badRate' | 'goodRate'>,
): 'candidate' | 'bad end' | 'good end' {
  if (observations.length < Math.min(badRate.of, goodRate.of)) return 'candidate'
  return badRate.of <= goodRate.of ? 'bad end' : 'good end'
}

/**
 * How many attempts in a row, all without the symptom (or all with it), make a candidate good (or bad), for a plan's
 * cost. undefined: more than `most`, so the ends have to be tried more often first.
 */
export function attemptsFor(verdict: 'good' | 'bad', ends: Ends, most = 1000): number | undefined {
  for (let of = 1; of <= most; of += 1) {
    if (judgeTally({ seen: verdict === 'bad' ? of : 0, of }, ends) === verdict) return of
  }
  return undefined
}

/**
 * The time above which an attempt shows a slow-down: the geometric mean of the two medians, since noise grows with the
 * time. Each attempt is then an observation as any other, and the ends have the rates that this time gives them.
 * @param good times of the good end, in any unit
 * @param bad times of the bad end, in the same unit
 * @param error the chance that may remain that ends alike are told apart
 * @returns undefined when the bad end is not slower by the one-sided Mann-Whitney test, which supposes nothing of the
 * noise. The test is exact: with 5 times each it cannot say less than 1/252, with 6 each 1/924.
 */
export function threshold(
  good: readonly number[],
  bad: readonly number[],
  error: number,
): number | undefined {
  if (good.length === 0 || bad.length === 0) return undefined
  const middles = [median(good), median(bad)] as const
  if (middles[1] <= middles[0] || chanceOfRanks(good, bad) > error) return undefined
  return Math.sqrt(middles[0] * middles[1])
}

/** The chance that `high`, drawn at random from all the values, has ranks as high as it has; ties share theirs. */
function chanceOfRanks(low: readonly number[], high: readonly number[]): number {
  const all = [...low, ...high]
  // Twice the mean rank, so that a shared one is a whole number.
  const rank = (value: number) =>
    2 * all.filter((other) => other < value).length + all.filter((other) => other === value).length + 1
  const ranks = all.map(rank).sort((a, b) => a - b)
  const seen = high.reduce((total, value) => total + rank(value), 0)
  /** By how many values are drawn and what their ranks sum to: in how many ways. */
  const ways = Array.from(
    { length: high.length + 1 },
    () => new Float64Array(2 * all.length * high.length + 1),
  )
  const empty = ways[0] as Float64Array
  empty[0] = 1
  for (const [index, add] of ranks.entries()) {
    for (let drawn = Math.min(index + 1, high.length); drawn > 0; drawn -= 1) {
      const from = ways[drawn - 1] as Float64Array
      const to = ways[drawn] as Float64Array
      // None of those before it is above it.
      for (let total = drawn * add; total >= add; total -= 1) {
        to[total] = (to[total] as number) + (from[total - add] as number)
      }
    }
  }
  const drawings = ways[high.length] as Float64Array
  const sum = (counts: Float64Array) => counts.reduce((total, count) => total + count, 0)
  return sum(drawings.subarray(seen)) / sum(drawings)
}

function judgeTally(candidate: Tally, { badRate, goodRate, error }: Ends): 'bad' | 'good' | 'undecided' {
  const asBad = logEvidence(joined(badRate, candidate)) - logEvidence(badRate)
  const asGood = logEvidence(joined(goodRate, candidate)) - logEvidence(goodRate)
  if (asBad - asGood >= logBound(error)) return 'bad'
  return asGood - asBad >= logBound(error) ? 'good' : 'undecided'
}

function logBound(error: number): number {
  if (!(error > 0 && error < 0.5)) throw new RangeError(`an error of ${error}`)
  return Math.log(1 / error)
}

function joined(a: Tally, b: Tally): Tally {
  return { seen: a.seen + b.seen, of: a.of + b.of }
}

/** Logarithm of the probability of a series of attempts with this tally, averaged over the prior. */
function logEvidence({ seen, of }: Tally): number {
  // The integral of p^seen (1-p)^(of-seen) over 0..1 is 1 / ((of+1) binomial(of, seen)).
  const mixed = -Math.log(of + 1) - logBinomial(of, seen)
  const constant = (seen === of ? always : 0) + (seen === 0 ? never : 0)
  // Without the constant exp() would come to 0 after a thousand attempts.
  return constant === 0 ? Math.log(flaky) + mixed : Math.log(constant + flaky * Math.exp(mixed))
}

function logBinomial(n: number, k: number): number {
  let log = 0
  for (let i = 1; i <= Math.min(k, n - k); i += 1) log += Math.log(n - i + 1) - Math.log(i)
  return log
}
