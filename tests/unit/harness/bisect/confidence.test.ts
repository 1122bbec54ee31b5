import { describe, expect, test } from 'vitest'
import {
  attemptsFor,
  judge,
  judgeEnds,
  nextAttempt,
  perStepError,
  rate,
  rateOf,
  threshold,
} from '../../../../harness/bisect/confidence.ts'
import { type Attempt, generator, normal, simulateMany, slowDown, symptom } from './simulate.ts'

const seen = (times: number) => Array<boolean>(times).fill(true)
const notSeen = (times: number) => Array<boolean>(times).fill(false)

describe('a rate', () => {
  test('is never 0 or 1, and nears them with more attempts', () => {
    const estimates = [0, 1, 5, 100].map((of) => rate(of, of).estimate)
    expect(estimates).toEqual([...estimates].sort((a, b) => a - b))
    expect(estimates[0]).toBeCloseTo(0.5)
    expect(estimates[3]).toBeGreaterThan(0.999)
    expect(estimates[3]).toBeLessThan(1)
    expect(rate(0, 5).estimate).toBeCloseTo(1 - rate(5, 5).estimate)
  })

  test('of a mixed tally is that of the rule of succession, also of a long one', () => {
    expect(rate(5, 17).estimate).toBeCloseTo(6 / 19)
    expect(rate(1000, 4000).estimate).toBeCloseTo(1001 / 4002)
  })

  test("has Wilson's interval", () => {
    expect(rate(5, 17)).toMatchObject({
      seen: 5,
      of: 17,
      low: expect.closeTo(0.1328, 4),
      high: expect.closeTo(0.5313, 4),
    })
    expect(rate(0, 0)).toMatchObject({ low: 0, high: 1 })
    expect(rate(6, 6)).toMatchObject({ low: expect.closeTo(0.6097, 4), high: 1 })
  })

  test('is taken of observations', () => {
    expect(rateOf([true, false, false, true])).toEqual(rate(2, 4))
  })

  test.each([
    [2, 1],
    [-1, 3],
    [0.5, 3],
    [0, Number.NaN],
  ])('of %d in %d is refused', (some, all) => {
    expect(() => rate(some, all)).toThrow(`${some} seen of ${all} attempts`)
  })
})

test('the errors of all verdicts add up to what the confidence leaves', () => {
  expect(7 * perStepError(0.99, 7)).toBeCloseTo(0.01)
  expect(perStepError(0.99, 0)).toBeCloseTo(0.01)
  expect(() => perStepError(99, 7)).toThrow('a confidence of 99')
})

describe('the ends', () => {
  const ends = (bad: [number, number], good: [number, number], error = 0.00143) =>
    judgeEnds({ badRate: rate(...bad), goodRate: rate(...good), error })

  test('are not told apart by a few attempts', () => {
    expect(ends([0, 0], [0, 0])).toBe('undecided')
    expect(ends([1, 1], [0, 1])).toBe('undecided')
    expect(ends([3, 3], [0, 3])).toBe('undecided')
  })

  test('need half a dozen when the failure comes every time', () => {
    expect(ends([5, 5], [0, 5])).toBe('undecided')
    expect(ends([6, 6], [0, 6])).toBe('apart')
  })

  test('need more when it comes and goes', () => {
    expect(ends([3, 10], [0, 10])).toBe('undecided')
    expect(ends([12, 40], [0, 40])).toBe('apart')
    expect(ends([12, 40], [6, 40])).toBe('undecided')
  })

  test('stay undecided when they are alike', () => {
    expect(ends([0, 500], [0, 500])).toBe('undecided')
    expect(ends([500, 500], [500, 500])).toBe('undecided')
    expect(ends([50, 500], [49, 500])).toBe('undecided')
  })

  test('that are swapped are told', () => {
    expect(ends([0, 6], [6, 6])).toBe('reversed')
    expect(ends([1, 40], [30, 60])).toBe('reversed')
  })
})

describe('a verdict', () => {
  const always = { badRate: rate(6, 6), goodRate: rate(0, 6), error: 0.00143 }
  const flaky = { badRate: rate(10, 30), goodRate: rate(0, 30), error: 0.00143 }
  const background = { badRate: rate(24, 40), goodRate: rate(2, 40), error: 0.00143 }

  test('is not given for nothing', () => {
    expect(judge([], always)).toBe('undecided')
  })

  test('takes four attempts when the failure came every time', () => {
    expect(judge(notSeen(3), always)).toBe('undecided')
    expect(judge(notSeen(4), always)).toBe('good')
    expect(judge(seen(3), always)).toBe('undecided')
    expect(judge(seen(4), always)).toBe('bad')
  })

  test('takes more passes when less is known of the bad end', () => {
    const few = { ...always, badRate: rate(3, 3) }
    expect(judge(notSeen(4), few)).toBe('undecided')
    expect(judge(notSeen(8), few)).toBe('good')
  })

  test('takes many passes when the failure is flaky, and few failures', () => {
    expect(judge(notSeen(10), flaky)).toBe('undecided')
    expect(judge(notSeen(40), flaky)).toBe('good')
    expect(judge([...notSeen(6), ...seen(4)], flaky)).toBe('bad')
  })

  test('is not bad for a failure that the good end has, too', () => {
    expect(judge([...notSeen(20), true], background)).toBe('good')
    expect(judge([...notSeen(4), true, true], background)).toBe('undecided')
    expect(judge([...notSeen(4), ...seen(6)], background)).toBe('bad')
  })

  test('is never given when the ends are alike', () => {
    const alike = { badRate: rate(20, 40), goodRate: rate(20, 40), error: 0.01 }
    for (const observations of [seen(500), notSeen(500), [...seen(250), ...notSeen(250)]]) {
      expect(judge(observations, alike)).toBe('undecided')
    }
  })

  test('takes more the smaller the error is', () => {
    const attempts = [0.05, 0.01, 0.001, 0.0001].map((error) => attemptsFor('good', { ...flaky, error }) ?? 0)
    expect(attempts).toEqual([...attempts].sort((a, b) => a - b))
    expect(new Set(attempts).size).toBe(4)
    expect(() => judge([true], { ...flaky, error: 0 })).toThrow('an error of 0')
  })

  test('has a cost that can be told beforehand', () => {
    expect(attemptsFor('good', always)).toBe(4)
    expect(attemptsFor('bad', always)).toBe(4)
    const passes = attemptsFor('good', flaky) as number
    expect(judge(notSeen(passes - 1), flaky)).toBe('undecided')
    expect(judge(notSeen(passes), flaky)).toBe('good')
    expect(attemptsFor('good', flaky, passes - 1)).toBeUndefined()
  })
})

test('the ends are tried again once the candidate was tried as often, the less known first', () => {
  const at = (candidate: number, bad: number, good: number) =>
    nextAttempt(seen(candidate), { badRate: rate(bad, bad), goodRate: rate(0, good) })
  expect(at(0, 6, 6)).toBe('candidate')
  expect(at(5, 6, 6)).toBe('candidate')
  expect(at(6, 6, 6)).toBe('bad end')
  expect(at(6, 7, 6)).toBe('good end')
  expect(at(6, 7, 7)).toBe('candidate')
})

describe('the threshold of a slow-down', () => {
  test('lies between the two, by their proportion', () => {
    expect(threshold([1, 2, 3, 4, 5], [18, 19, 27, 30, 99], 0.01)).toBe(9)
  })

  test('is as sure as the ranks are: 5 of 5 are 1 in 252', () => {
    const [good, bad] = [
      [1, 2, 3, 4, 5],
      [6, 7, 8, 9, 10],
    ] as const
    expect(threshold(good, bad, 1 / 251)).toBeDefined()
    expect(threshold(good, bad, 1 / 253)).toBeUndefined()
    expect(threshold(bad, good, 0.4)).toBeUndefined()
  })

  test('counts ties: {3, 4, 4} are among the three highest in 4 of 20 drawings', () => {
    // Of 1 2 3 3 4 4 the ranks are 1, 2, 3.5, 3.5, 5.5, 5.5: three that sum to 14.5 are both 4 and one 3, 2 of 20.
    expect(threshold([1, 2, 3], [3, 4, 4], 0.1001)).toBeDefined()
    expect(threshold([1, 2, 3], [3, 4, 4], 0.0999)).toBeUndefined()
  })

  test('is not there without times, or when all are the same', () => {
    expect(threshold([], [1], 0.4)).toBeUndefined()
    expect(threshold([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], 0.4)).toBeUndefined()
  })

  test('is seldom found where there is none', () => {
    const random = generator(3)
    const times = () => Array.from({ length: 7 }, () => normal(random, 1000, 100))
    const found = Array.from({ length: 2000 }, () => threshold(times(), times(), 0.05)).filter(Boolean)
    // Of 2000 one in twenty, give or take three deviations.
    expect(found.length).toBeLessThan(100 + 3 * 10)
    expect(found.length).toBeGreaterThan(50)
  })
})

describe('simulated bisections with a confidence of 99 %', () => {
  const scenarios: [string, Attempt<boolean> | Attempt<number>, { runs: number; attempts: number }][] = [
    ['a failure every time', symptom(1, 0), { runs: 500, attempts: 40 }],
    ['a failure in 30 %', symptom(0.3, 0), { runs: 1000, attempts: 250 }],
    ['a failure in 60 % and in 5 % without the bug', symptom(0.6, 0.05), { runs: 1000, attempts: 200 }],
    ['1.3 times as slow with 10 % noise', slowDown(1.3, 0.1), { runs: 1000, attempts: 100 }],
  ]
  describe.each(scenarios)('%s', (_name, attempt, { runs, attempts }) => {
    test.each([16, 64])('over %d candidates', (candidates) => {
      const result = simulateMany(runs, candidates, attempt)
      expect(result.wrong).toBeLessThanOrEqual(0.01)
      expect(result.undecided).toBe(0)
      expect(result.attempts).toBeLessThan(attempts)
    })
  })

  test('of a failure that does not depend on the change come to nothing', () => {
    const alike = simulateMany(5, 16, symptom(0.3, 0.3))
    expect(alike.undecided).toBe(1)
  })
})
