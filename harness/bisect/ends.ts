/** Both ends of a bisection: that they are what they were said to be, what the symptom is, and how often it is seen. */
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import type { Trial } from './attempt/trial.ts'
import { judgeEnds, type Tally, threshold } from './confidence.ts'
import { type Known, type Observation, observe, type Symptom } from './question.ts'
import type { Candidate, Space } from './space/candidate.ts'

/** One attempt at a candidate, in a guest of its own. */
export type Attempt = (candidate: Candidate) => Promise<Trial>

export interface End {
  candidate: Candidate
  trials: Trial[]
  /** Of the trials that say anything of the symptom. */
  tally: Tally
  /** What the last of them said that is as it should be at this end. */
  reason: string
}

/** What candidates are compared with. The tallies grow as the ends are tried again. */
export interface Ends {
  symptom: Symptom
  known: Known
  /** How likely an answer may be wrong. */
  error: number
  /** The end that shows the symptom. */
  with: End
  /** The one that does not, or not as often. */
  without: End
  /** Both show it alike: the case has done so ever since it can run. */
  always?: true
}

export interface EndOptions {
  space: Pick<Space, 'before' | 'after' | 'unable'>
  symptom: Symptom
  fixed: boolean
  error: number
  attempt: Attempt
  emit: Emit
}

/** A symptom that is not seen in so many attempts is not there. */
const mostUnseen = 40

/** Ends that are not apart after so many attempts at each are alike. */
const mostAttempts = 100

/** Attempts in a row that are lost to the host, or other failures in all: more are not borne. */
export const patience = 3

/** What is the same each time, as it comes from the sources alone. */
export function isCertain(symptom: Symptom): boolean {
  return symptom === 'build' || symptom === 'warning'
}

/**
 * Tries the ends in turns until they are surely apart.
 * @throws Failure('usage') when they are not, 'infra' when the harness or the machine fails time and again
 */
export async function tryEnds(options: EndOptions): Promise<Ends> {
  const { space, symptom, fixed, error, attempt, emit } = options
  const [has, hasNot] = fixed ? [space.before, space.after] : [space.after, space.before]
  const ends: Ends = { symptom, known: {}, error, with: endOf(has), without: endOf(hasNot) }
  emit({ type: 'note', message: `the end with the symptom: ${has.title}` })
  await findSymptom(ends, attempt)
  emit({ type: 'note', message: `  ${ends.with.reason}` })
  emit({ type: 'note', message: `the end without it: ${hasNot.title}` })
  if (symptom === 'slow') return timeEnds(ends, attempt)
  await tryOnce(ends, 'without', attempt)
  if (symptom === 'warning') return compareWarnings(ends)
  for (;;) {
    const said = isCertain(symptom) ? certain(ends) : judgeEnds(ratesOf(ends))
    const { with: bad, without: good } = ends
    if (said === 'apart') {
      emit({ type: 'note', message: `  ${good.reason}; seen ${shown(bad)} and ${shown(good)}` })
      return ends
    }
    const alike = said === 'reversed' || bad.tally.of >= mostAttempts || alwaysSeen(good)
    // With --fixed that is a symptom that nothing has mended.
    if (alike && good.tally.seen > 0 && space.unable && !fixed) return { ...ends, always: true }
    if (alike) throw notApart(ends)
    await tryOnce(ends, bad.tally.of <= good.tally.of ? 'with' : 'without', attempt)
  }
}

/** As judge() takes them. */
export function ratesOf({ with: bad, without: good, error }: Ends) {
  return { badRate: bad.tally, goodRate: good.tally, error }
}

/**
 * Tries an end again; an attempt that is lost to the host, or hidden by another failure, does not count.
 * @throws Failure
 */
export async function tryOnce(ends: Ends, which: 'with' | 'without', attempt: Attempt): Promise<Observation> {
  const end = ends[which]
  for (let lost = 1; ; lost += 1) {
    const trial = await attempt(end.candidate)
    end.trials.push(trial)
    const observation = observe(trial, ends.symptom, ends.known)
    const { says, reason } = observation
    if (says === 'seen' || says === 'absent') {
      count(end, says === 'seen')
      if ((says === 'seen') === (which === 'with') || !end.reason) end.reason = reason
      return observation
    }
    if (says === 'not run') throw cannotRun(end, reason)
    if (lost === patience) throw tellsNothing(end, observation)
  }
}

function endOf(candidate: Candidate): End {
  return { candidate, trials: [], tally: { seen: 0, of: 0 }, reason: '' }
}

function count({ tally }: End, seen: boolean): void {
  tally.of += 1
  if (seen) tally.seen += 1
}

/** Tries until the symptom is seen, and keeps what it is. */
async function findSymptom(ends: Ends, attempt: Attempt): Promise<void> {
  while (ends.with.tally.seen === 0) {
    if (ends.with.tally.of >= (isCertain(ends.symptom) ? 1 : mostUnseen)) {
      const { candidate, tally, reason } = ends.with
      throw new Failure(
        'usage',
        `${candidate.title} does not show the symptom '${ends.symptom}', in ${tally.of} attempts: ${reason}`,
        { remedy: 'name an end that shows it, or another --symptom' },
      )
    }
    await tryOnce(ends, 'with', attempt)
  }
  const last = ends.with.trials.at(-1)
  if (last && 'signature' in last) ends.known.signature = last.signature
}

function compareWarnings(ends: Ends): Ends {
  const of = (end: End) => end.trials.flatMap((trial) => ('warnings' in trial ? (trial.warnings ?? []) : []))
  const old = new Set(of(ends.without))
  ends.known.warnings = of(ends.with).filter((warning) => !old.has(warning))
  const [first] = ends.known.warnings
  if (first === undefined) throw notApart(ends)
  ends.with.reason = first
  ends.without = { ...ends.without, tally: { seen: 0, of: 1 }, reason: 'without that warning' }
  return ends
}

async function timeEnds(ends: Ends, attempt: Attempt): Promise<Ends> {
  const times = ({ trials }: End) =>
    trials.flatMap((trial) => (trial.result === 'pass' ? trial.runtimeMs : []))
  while (ends.with.trials.length < mostUnseen) {
    const [fast, slow] = [times(ends.without), times(ends.with)]
    const limit = threshold(fast, slow, ends.error)
    if (limit !== undefined) {
      ends.known.slowerThanMs = limit
      const tally = (of: number[]) => ({ seen: of.filter((ms) => ms > limit).length, of: of.length })
      Object.assign(ends.with, { tally: tally(slow) })
      Object.assign(ends.without, { tally: tally(fast) })
      return ends
    }
    await tryOnce(ends, fast.length <= slow.length ? 'without' : 'with', attempt)
  }
  throw notApart(ends)
}

function certain({ without }: Ends): 'apart' | 'reversed' {
  return without.tally.seen === 0 ? 'apart' : 'reversed'
}

/** Often enough to say that it is no background noise. */
function alwaysSeen({ tally }: End): boolean {
  return tally.of >= 5 && tally.seen === tally.of
}

function shown({ tally }: End): string {
  return `${tally.seen} of ${tally.of} times`
}

function notApart({ symptom, with: bad, without: good }: Ends): Failure {
  const [a, b] = [bad, good].map((end) => `${end.candidate.title} (${shown(end)}: ${end.reason})`)
  return new Failure('usage', `the ends do not differ in the symptom '${symptom}': ${a}, ${b}`, {
    remedy: 'name ends that do with --good and --bad, or another --symptom',
  })
}

function cannotRun({ candidate }: End, reason: string): Failure {
  return new Failure(
    'usage',
    `the case cannot run on an end of the bisection, ${candidate.title}: ${reason}`,
    {
      remedy: 'name an end on which it can with --good or --bad',
    },
  )
}

function tellsNothing({ candidate }: End, { says, reason }: Observation): Failure {
  if (says === 'infra') return hostFailed(candidate, reason)
  return new Failure('usage', `${candidate.title}: something else hides the symptom: ${reason}`, {
    remedy: 'name another end with --good or --bad, or another --symptom',
  })
}

/** What ends a bisection that the host or the harness has failed time and again. */
export function hostFailed({ title }: Candidate, reason: string): Failure {
  return new Failure('infra', `${title}: attempts say nothing of the kernel: ${reason}`, {
    remedy: "mend that; then 'copylab bisect resume' goes on, with the same --results",
  })
}
