/** A bisection: both ends, the search between them, and its verdict put to the test. */
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { printable } from '../series/mail.ts'
import type { Trial } from './attempt/trial.ts'
import { perStepError } from './confidence.ts'
import { type Decision, decide, endDecision } from './decide.ts'
import { type Attempt, type Ends, tryEnds } from './ends.ts'
import type { Symptom } from './question.ts'
import type { Candidate, Side, Space } from './space/candidate.ts'

export interface Bisection {
  space: Space
  symptom: Symptom
  /** The symptom is before the change, and what is looked for is what mended it. */
  fixed: boolean
  /** How sure the verdict has to be: 0.99. */
  confidence: number
  attempt: Attempt
  emit: Emit
  /** Hears of what comes next, so that it can be built early. */
  soon?: (candidates: readonly Candidate[]) => void
}

/** The first change with the symptom, or the first without it. */
export interface Found {
  culprit: Candidate
  parent: Candidate
  /** Both were asked again, by attempts of their own. */
  again: { culprit: Decision; parent: Decision; agree: boolean }
  /** The end after the change, without it; or why there is no such thing. */
  without: Decision | { impossible: string } | null
  /** Changes before the culprit on which the case cannot run: one of them may be what shows only with the culprit. */
  hidden?: { changes: readonly Candidate[]; reason: string }
}

export interface Conclusion {
  ends: Ends
  /** In the order in which they were asked. */
  steps: Decision[]
  result: { found: Found } | { left: Candidate[] }
  /** git's own log. */
  log: string | null
}

/**
 * Ends, search, and verification. What is asked follows from the answers alone, so that it may be done again with answers
 * that are known.
 * @throws Failure('usage') when the ends are not what they were said to be
 */
export async function bisect(bisection: Bisection): Promise<Conclusion> {
  const { space, fixed, confidence, attempt, emit, soon } = bisection
  const meaning = { notRun: space.notRun, fixed }
  const planned = await space.stepsLeft()
  // The verdict is right if no answer is wrong: that the ends differ, those of the search, and two for its verification.
  const error = perStepError(confidence, 1 + planned + 2)
  const ends = await tryEnds({ ...bisection, error })
  const ask: Ask = (candidate, earlier) => decide(candidate, ends, attempt, earlier)
  const steps: Decision[] = []
  if (ends.always && space.unable) {
    const { candidates, reason } = space.unable
    const [culprit, parent] = [space.before, candidates.at(-1) ?? candidates[0]]
    // There is no end without the symptom to compare it with: this one has shown it as often as the other.
    const seen = endDecision(ends.without, 'symptom')
    const again = await verify({
      ...{ culprit, parent, earlier: [], meaning: { ...meaning, notRun: 'before' } },
      ask: async (one) => (one === culprit ? seen : ask(one)),
    })
    const hidden = { changes: candidates.slice(1), reason }
    return { ends, steps, log: null, result: { found: { culprit, parent, again, without: null, hidden } } }
  }
  for (;;) {
    const next = await space.next()
    const common = { ends, steps, log: (await space.log?.()) ?? null }
    if ('left' in next) return { ...common, result: { left: next.left } }
    if ('found' in next) {
      const { found: culprit, parent } = next
      emit({ type: 'note', message: `found: ${culprit.title}; it is tried again` })
      const again = await verify({ culprit, parent, earlier: [...steps, ...decisionsOf(ends)], ask, meaning })
      const without = again.agree ? await tryWithout(space, culprit, ask) : null
      return { ...common, result: { found: { culprit, parent, again, without } } }
    }
    const left = await space.stepsLeft()
    emit({ type: 'note', message: `step ${steps.length + 1}, about ${left} left: ${next.test.title}` })
    soon?.((await space.upcoming?.()) ?? [])
    const decision = await ask(next.test)
    steps.push(decision)
    emit({ type: 'note', message: `  ${showDecision(decision)}` })
    await space.tell(next.test, sideOf(decision, meaning), decision.reason)
  }
}

/** Where a candidate lies. @param notRun what it means that the case cannot run there */
export function sideOf({ says }: Decision, { notRun, fixed }: { notRun: Side; fixed: boolean }): Side {
  if (says === 'skip') return 'skip'
  if (says === 'not run') return notRun
  return (says === 'symptom') === fixed ? 'before' : 'after'
}

/** One line, also of what a guest or a compiler has said. */
export function showDecision({ says, seen, tried, reason: raw }: Decision): string {
  const reason = printable(raw)
  if (says === 'skip') return `skipped: ${reason}`
  if (says === 'not run') return `not run: ${reason}`
  return `${says === 'symptom' ? 'has it' : 'has it not'}, seen in ${seen} of ${tried}: ${reason}`
}

/** How a candidate is asked. @param earlier attempts at it that count, too */
export type Ask = (candidate: Candidate, earlier?: readonly Trial[]) => Promise<Decision>

/** Both ends as they are known so far. */
export function decisionsOf(ends: Ends): Decision[] {
  return [endDecision(ends.with, 'symptom'), endDecision(ends.without, 'clean')]
}

export interface Verification {
  culprit: Candidate
  parent: Candidate
  /** What was said of candidates before, these two among them. */
  earlier: readonly Decision[]
  ask: Ask
  meaning: Parameters<typeof sideOf>[1]
}

/**
 * Asks both sides of a verdict again. Where that contradicts what was said before, one of the two was bad luck: then all
 * attempts at that candidate count, and so many more until they are sure together.
 */
export async function verify({
  culprit,
  parent,
  earlier,
  ask,
  meaning,
}: Verification): Promise<Found['again']> {
  const again = async (candidate: Candidate, side: Side) => {
    const decision = await ask(candidate)
    if (sideOf(decision, meaning) === side) return decision
    const before = earlier.filter(({ candidate: { id } }) => id === candidate.id)
    return ask(
      candidate,
      [...before, decision].flatMap(({ trials }) => trials),
    )
  }
  const said = { culprit: await again(culprit, 'after'), parent: await again(parent, 'before') }
  const agree = sideOf(said.culprit, meaning) === 'after' && sideOf(said.parent, meaning) === 'before'
  return { ...said, agree }
}

async function tryWithout(space: Space, culprit: Candidate, ask: Ask): Promise<Found['without']> {
  if (!space.without) return null
  try {
    return await ask(await space.without(culprit))
  } catch (error) {
    if (error instanceof Failure && error.kind === 'usage') return { impossible: error.message }
    throw error
  }
}
