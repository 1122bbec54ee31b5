/**
 * Which of many changes make the difference: delta debugging. Sets, rather than single changes, are tested, since
 * several may be needed.
 *
 * Most often it is one change, or a few that add up. So the changes are bisected first, as if they came one after the
 * other: that finds the last one that is needed, with it there the one before, and so on. What remains is minimised by
 * ddmin (A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002), which takes nothing for
 * granted, but would by itself need about twice as many tests, or more.
 */
import { next, type Verdict } from '../space/search.ts'

/** `skip`: nothing can be said of that set, such as one that cannot be configured. */
export type Answer = 'bad' | 'good' | 'skip'

export interface DeltaOptions<T> {
  /**
   * What a change makes no sense without. Only sets that have all that their members need are tested. What is not among
   * the changes counts as there.
   */
  needs?: (item: T) => readonly T[]
  signal?: AbortSignal | undefined
}

export interface Minimal<T> {
  /** In the given order. Without any one of them, and what needs that one, the set is no longer known to be bad. */
  items: T[]
  /** Those of them of which that is so only because the set without them was skipped. */
  unsure: T[]
  /** How many sets were tested. */
  tested: number
}

/**
 * Reduces changes that are bad together to a minimal set that is still bad. Deterministic: the same answers lead to the
 * same questions in the same order, and no set is asked about twice.
 * @param items all together known to be bad; none of them to be good. Neighbours should be related, since they are
 * tested together.
 * @param test is given changes in their order; neither none nor all of them
 */
export async function minimise<T>(
  items: readonly T[],
  test: (subset: T[]) => Promise<Answer>,
  { needs, signal }: DeltaOptions<T> = {},
): Promise<Minimal<T>> {
  const places = new Map(items.map((item, place) => [item, place]))
  const needsOf = items.map((item) => (needs?.(item) ?? []).flatMap((needed) => places.get(needed) ?? []))
  const every = items.map((_, place) => place)
  const without = (set: number[], dropped: number[]) => allBut(set, dropped, (place) => needsOf[place] ?? [])
  const answers = new Map<string, Answer>([
    ['', 'good'],
    [every.join(), 'bad'],
  ])
  const known = answers.size
  const ask = async (subset: number[]): Promise<Answer> => {
    const key = subset.join()
    const answer = answers.get(key)
    if (answer) return answer
    signal?.throwIfAborted()
    const fresh = await test(subset.map((place) => items[place] as T))
    answers.set(key, fresh)
    return fresh
  }
  const firstBad = async (subsets: number[][]): Promise<number[] | undefined> => {
    for (const subset of subsets) if ((await ask(subset)) === 'bad') return subset
    return undefined
  }

  const { left, sure } = await bisectOrder(every, (subset) => ask(withNeeds(subset, needsOf)))
  let current = withNeeds(left, needsOf)
  /** Those without which the set was skipped. */
  const unsureOf = (set: number[]) =>
    set.filter((place) => answers.get(without(set, [place]).join()) === 'skip')
  let parts = sure ? current.length : 2
  while (current.length > 1) {
    const whole = current
    const finest = parts >= whole.length
    const chunks = split(whole, parts)
    const rest = await firstBad(chunks.map((chunk) => without(whole, chunk)))
    if (rest) {
      current = rest
      parts = Math.min(Math.max(parts - 1, 2), rest.length)
      continue
    }
    if (finest && unsureOf(whole).length === 0) break
    const sets = chunks.map((chunk) => withNeeds(chunk, needsOf))
    const part = await firstBad(sets.filter((set) => set.length < whole.length))
    if (!part && finest) break
    current = part ?? whole
    parts = part ? 2 : Math.min(parts * 2, whole.length)
  }
  const itemsAt = (wanted: number[]) => wanted.map((place) => items[place] as T)
  return { items: itemsAt(current), unsure: itemsAt(unsureOf(current)), tested: answers.size - known }
}

/** After so many the order of the changes is no good for a bisection: ddmin goes on, by other sets. */
const mostSkips = 4

/**
 * A smaller set that is bad, if only some of the changes are needed and the others do not matter.
 * @returns `sure`: no more of them than are needed, unless the others do matter
 */
async function bisectOrder(
  every: number[],
  ask: (subset: number[]) => Promise<Answer>,
): Promise<{ left: number[]; sure: boolean }> {
  let kept: number[] = []
  let sure = true
  /** How many of the first are bad together with those kept. Those kept are not bad alone. */
  let length = every.length
  while (length > 0) {
    const verdicts = new Map<number, Verdict>()
    const places = (wanted: Verdict) => every.filter((place) => verdicts.get(place) === wanted)
    let step = next(length + 1, verdicts)
    while ('test' in step && places('skip').length < mostSkips) {
      verdicts.set(step.test, await ask([...every.slice(0, step.test), ...kept]))
      step = next(length + 1, verdicts)
    }
    const last = Math.min(length, ...places('bad'))
    const first = 1 + Math.max(0, ...places('good').filter((place) => place < last))
    if (first < last) sure = false
    kept = [...every.slice(first - 1, last), ...kept]
    length = first - 1
    if (length > 0 && (await ask(kept)) === 'bad') return { left: kept, sure }
  }
  return { left: kept, sure }
}

/** Parts of nearly the same size, none of them empty. */
function split(places: number[], parts: number): number[][] {
  const count = Math.min(parts, places.length)
  const start = (part: number) => Math.floor((part * places.length) / count)
  return Array.from({ length: count }, (_, part) => places.slice(start(part), start(part + 1)))
}

/** The smallest set with these that has all that its members need. */
function withNeeds(places: number[], needsOf: number[][]): number[] {
  const set = new Set(places)
  // A set is iterated over what is added meanwhile, too.
  for (const place of set) for (const needed of needsOf[place] ?? []) set.add(needed)
  return [...set].sort((a, b) => a - b)
}

/**
 * The largest set without those that has all that its members need.
 * @param needs names members of the set alone
 */
export function allBut<T>(items: readonly T[], dropped: readonly T[], needs: (item: T) => readonly T[]): T[] {
  const set = new Set(items)
  for (const item of dropped) set.delete(item)
  for (;;) {
    const lost = [...set].filter((item) => needs(item).some((needed) => !set.has(needed)))
    if (lost.length === 0) return [...set]
    for (const item of lost) set.delete(item)
  }
}
