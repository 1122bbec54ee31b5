/**
 * The next candidate of a bisection over a line of them: 0 is known to be good, the last one to be bad. Pure: all that
 * is known comes in, so that a bisection that is resumed or replayed takes the same way.
 */

/** `skip`: nothing can be said of it, such as a commit that does not compile. */
export type Verdict = 'good' | 'bad' | 'skip'

/** By the candidate's place. The two ends need not be there. */
export type Verdicts = ReadonlyMap<number, Verdict>

export type Next =
  | { test: number }
  /** The first bad one: the one before it is good. */
  | { found: number }
  /** Places of the first and of the last that can be the first bad one: all but the last are skipped. */
  | { range: [first: number, last: number] }

export interface SearchOptions {
  /** Places of the candidates that cost no build. */
  cached?: ReadonlySet<number>
}

/**
 * What to test next.
 *
 * The middle of what is left; or the cached candidate nearest to it, as long as the search as a whole takes at most one
 * verdict more in the worst case than it would without. When the middle is skipped, a quarter of what is left, then
 * three quarters, the eighths and so on: its neighbours most often cannot be tested for the same reason.
 *
 * Should a good one come after a bad one, the search is for the change before the first bad one.
 * @param candidates how many there are, both ends with them
 * @throws RangeError for fewer than 2 candidates, and for verdicts of places that are not there or contradict the ends
 */
export function next(candidates: number, verdicts: Verdicts, { cached }: SearchOptions = {}): Next {
  const { good, bad } = bounds(candidates, verdicts)
  if (bad - good === 1) return { found: bad }
  const left = testable(good, bad, verdicts)
  if (left.length === 0) return { range: [good + 1, bad] }
  const allowed = allowance(candidates, verdicts)
  const affordable = left.filter(
    (place) => cached?.has(place) && 1 + halvings(Math.max(place - good, bad - place)) <= allowed,
  )
  const middle = (good + bad) / 2
  affordable.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))
  return { test: affordable[0] ?? firstTestable(good, bad, verdicts) }
}

/**
 * What may be tested after `tested`: when it turns out bad, and when it turns out good. To build them meanwhile.
 * @returns none, one or two places
 */
export function following(
  candidates: number,
  verdicts: Verdicts,
  tested: number,
  options: SearchOptions = {},
): number[] {
  const places = (['bad', 'good'] as const).map((verdict) =>
    next(candidates, new Map([...verdicts, [tested, verdict]]), options),
  )
  return places.flatMap((place) => ('test' in place ? [place.test] : []))
}

/** How many verdicts are still needed in the worst case, when no further candidate is skipped. */
export function worstSteps(
  candidates: number,
  verdicts: Verdicts = new Map(),
  { cached }: SearchOptions = {},
): number {
  const { good, bad } = bounds(candidates, verdicts)
  const left = testable(good, bad, verdicts)
  const detour = left.some((place) => cached?.has(place)) ? allowance(candidates, verdicts) : 0
  return Math.min(left.length, Math.max(halvings(bad - good), detour))
}

/** The last good one before the first bad one, and that one. */
function bounds(candidates: number, verdicts: Verdicts): { good: number; bad: number } {
  const last = candidates - 1
  if (!(last >= 1)) throw new RangeError(`a bisection of ${candidates} candidates`)
  for (const [place, verdict] of verdicts) {
    const contradicts = (place === 0 && verdict !== 'good') || (place === last && verdict !== 'bad')
    if (contradicts || !Number.isInteger(place) || place < 0 || place > last) {
      throw new RangeError(`candidate ${place} of 0 to ${last} cannot be ${verdict}`)
    }
  }
  const places = (wanted: Verdict) =>
    [...verdicts].filter(([, verdict]) => verdict === wanted).map(([place]) => place)
  const bad = Math.min(last, ...places('bad'))
  return { good: Math.max(0, ...places('good').filter((place) => place < bad)), bad }
}

/** The places between two that have no verdict. */
function testable(good: number, bad: number, verdicts: Verdicts): number[] {
  return Array.from({ length: bad - good - 1 }, (_, index) => good + 1 + index).filter(
    (place) => !verdicts.has(place),
  )
}

/** The first of 1/2, 1/4, 3/4, 1/8, 3/8, … of the way that has no verdict. There is one. */
function firstTestable(good: number, bad: number, verdicts: Verdicts): number {
  for (let parts = 2; ; parts *= 2) {
    for (let part = 1; part < parts; part += 2) {
      const place = good + Math.floor(((bad - good) * part) / parts)
      if (place > good && !verdicts.has(place)) return place
    }
  }
}

/** How often that many steps from good to bad have to be halved for one to remain. */
function halvings(gaps: number): number {
  return Math.ceil(Math.log2(gaps))
}

/** How many verdicts the search may still take. What luck has saved may go into detours, too. */
function allowance(candidates: number, verdicts: Verdicts): number {
  const ends = [0, candidates - 1]
  const spent = [...verdicts].filter(([place, verdict]) => verdict !== 'skip' && !ends.includes(place))
  return halvings(candidates - 1) + 1 - spent.length
}
