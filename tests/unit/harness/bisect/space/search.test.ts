import { describe, expect, test } from 'vitest'
import {
  following,
  type Next,
  next,
  type Verdict,
  type Verdicts,
  worstSteps,
} from '../../../../../harness/bisect/space/search.ts'

interface Way {
  end: Exclude<Next, { test: number }>
  /** Places in the order in which they were tested. */
  tested: number[]
  verdicts: Verdicts
}

/** Searches until there is nothing more to test. No candidate is tested twice, and no end. */
function search(
  candidates: number,
  verdictOf: (place: number) => Verdict,
  { cached, known }: { cached?: ReadonlySet<number>; known?: Verdicts } = {},
): Way {
  const verdicts = new Map<number, Verdict>(known)
  const tested: number[] = []
  for (;;) {
    const step = next(candidates, verdicts, cached && { cached })
    if (!('test' in step)) return { end: step, tested, verdicts }
    if (verdicts.has(step.test) || step.test <= 0 || step.test >= candidates - 1) {
      throw new Error(`${step.test} is tested after ${tested}`)
    }
    tested.push(step.test)
    verdicts.set(step.test, verdictOf(step.test))
  }
}

/** All subsets of 1 to candidates - 2. */
function* subsets(candidates: number): Generator<Set<number>> {
  const inner = Array.from({ length: candidates - 2 }, (_, index) => index + 1)
  for (let mask = 0; mask < 2 ** inner.length; mask += 1) {
    yield new Set(inner.filter((_, index) => mask & (1 << index)))
  }
}

const from = (culprit: number) => (place: number) => (place >= culprit ? ('bad' as const) : ('good' as const))
const culprits = (candidates: number) => Array.from({ length: candidates - 1 }, (_, index) => index + 1)

describe('without skips', () => {
  test.each([
    2, 3, 4, 5, 8, 9, 16, 17, 33, 64, 65,
  ])('each of %d is found in the fewest steps', (candidates) => {
    const most = Math.ceil(Math.log2(candidates - 1))
    const ways = culprits(candidates).map((culprit) => {
      const { end, tested } = search(candidates, from(culprit))
      expect(end).toEqual({ found: culprit })
      return tested.length
    })
    expect(Math.max(...ways)).toBe(most)
    expect(worstSteps(candidates)).toBe(most)
  })

  test('the steps that are left are counted from what is known', () => {
    expect(worstSteps(65)).toBe(6)
    expect(worstSteps(65, new Map([[32, 'bad']]))).toBe(5)
    const known = new Map([
      [32, 'bad'],
      [28, 'good'],
    ] as const)
    expect(worstSteps(65, known)).toBe(2)
    expect(worstSteps(65, new Map([...known, [29, 'bad']]))).toBe(0)
  })
})

describe('with cached candidates', () => {
  test('every one of every set is found, with at most one step more', () => {
    for (const candidates of [4, 5, 7, 9, 10]) {
      const most = Math.ceil(Math.log2(candidates - 1)) + 1
      for (const cached of subsets(candidates)) {
        for (const culprit of culprits(candidates)) {
          const { end, tested } = search(candidates, from(culprit), { cached })
          expect(end).toEqual({ found: culprit })
          expect(tested.length).toBeLessThanOrEqual(
            Math.min(most, worstSteps(candidates, new Map(), { cached })),
          )
        }
      }
    }
  })

  test('the one nearest to the middle is tested while that costs at most one step', () => {
    expect(next(65, new Map(), { cached: new Set([3, 28, 40, 60]) })).toEqual({ test: 28 })
    expect(next(65, new Map(), { cached: new Set([2]) })).toEqual({ test: 2 })
    // 2 is good: the 62 that are left take the six steps that are left, and 60 would cost another one.
    const known = new Map([[2, 'good']] as const)
    expect(next(65, known, { cached: new Set([2, 60]) })).toEqual({ test: 33 })
  })

  test('skips take nothing of what may be spent on them', () => {
    const skipped = new Map([
      [32, 'skip'],
      [48, 'skip'],
      [8, 'skip'],
    ] as const)
    expect(next(65, skipped, { cached: new Set([2]) })).toEqual({ test: 2 })
  })

  test('one that halves as well as the middle costs nothing', () => {
    // Of 9 steps from good to bad the larger part may be 8: three more halvings, as after the middle.
    expect(search(10, from(9), { cached: new Set([1]) }).tested[0]).toBe(1)
    expect(search(10, from(9), { cached: new Set([1]) }).tested.length).toBeLessThanOrEqual(4)
  })
})

describe('with skips', () => {
  test('whatever is skipped, the answer is right and as narrow as it can be', () => {
    for (const candidates of [3, 5, 8, 11]) {
      for (const skipped of subsets(candidates)) {
        for (const culprit of culprits(candidates)) {
          const { end, verdicts } = search(candidates, (place) =>
            skipped.has(place) ? 'skip' : from(culprit)(place),
          )
          const [first, last] = 'found' in end ? [end.found, end.found] : end.range
          expect(first).toBeLessThanOrEqual(culprit)
          expect(last).toBeGreaterThanOrEqual(culprit)
          const verdict = (place: number) => (place === 0 ? 'good' : (verdicts.get(place) ?? 'bad'))
          expect(verdict(first - 1)).toBe('good')
          expect(last === candidates - 1 ? 'bad' : verdict(last)).toBe('bad')
          for (let place = first; place < last; place += 1) expect(verdict(place)).toBe('skip')
        }
      }
    }
  })

  test('the neighbours of a skipped one are not the next, nor those of the second', () => {
    expect(next(65, new Map([[32, 'skip']]))).toEqual({ test: 16 })
    expect(
      next(
        65,
        new Map([
          [32, 'skip'],
          [16, 'skip'],
        ]),
      ),
    ).toEqual({ test: 48 })
  })

  test('a block that cannot be tested costs little when the change is elsewhere', () => {
    const block = (culprit: number) =>
      search(65, (place) => (place >= 24 && place <= 40 ? 'skip' : from(culprit)(place)))
    expect(block(10).end).toEqual({ found: 10 })
    expect(block(10).tested.length).toBeLessThanOrEqual(8)
    expect(block(55).tested.length).toBeLessThanOrEqual(9)
    expect(block(30).end).toEqual({ range: [24, 41] })
  })

  test('what is known to be skipped beforehand is never tested', () => {
    const known = new Map(Array.from({ length: 20 }, (_, index) => [index + 1, 'skip'] as const))
    const { end, tested } = search(64, from(50), { known })
    expect(end).toEqual({ found: 50 })
    expect(Math.min(...tested)).toBeGreaterThan(20)
    expect(search(64, from(7), { known }).end).toEqual({ range: [1, 21] })
  })
})

describe('what may follow', () => {
  test('is one candidate for each verdict', () => {
    expect(following(65, new Map(), 32)).toEqual([16, 48])
    expect(following(65, new Map(), 32, { cached: new Set([15, 50]) })).toEqual([15, 50])
  })

  test('is nothing where the verdict ends the search', () => {
    expect(following(3, new Map(), 1)).toEqual([])
    expect(following(4, new Map(), 1)).toEqual([2])
  })
})

describe('what it is given', () => {
  test('a good one after a bad one leaves the first change to bad', () => {
    const verdicts = new Map([
      [20, 'bad'],
      [40, 'good'],
      [10, 'good'],
    ] as const)
    expect(next(65, verdicts)).toEqual({ test: 15 })
  })

  test.each<[string, number, Verdicts, string]>([
    ['one candidate', 1, new Map(), 'a bisection of 1 candidates'],
    ['a good last one', 4, new Map([[3, 'good']]), 'candidate 3 of 0 to 3 cannot be good'],
    ['a skipped first one', 4, new Map([[0, 'skip']]), 'candidate 0 of 0 to 3 cannot be skip'],
    ['a place that is not there', 4, new Map([[4, 'bad']]), 'candidate 4 of 0 to 3 cannot be bad'],
  ])('%s is refused', (_what, candidates, verdicts, message) => {
    expect(() => next(candidates, verdicts)).toThrow(message)
    expect(() => worstSteps(candidates, verdicts)).toThrow(message)
  })

  test('the ends may be among the verdicts', () => {
    const verdicts = new Map([
      [0, 'good'],
      [4, 'bad'],
    ] as const)
    expect(next(5, verdicts)).toEqual({ test: 2 })
  })
})
