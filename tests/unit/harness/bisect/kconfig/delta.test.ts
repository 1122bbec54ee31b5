import { describe, expect, test } from 'vitest'
import {
  type Answer,
  type DeltaOptions,
  type Minimal,
  minimise,
} from '../../../../../harness/bisect/kconfig/delta.ts'
import { generator } from '../simulate.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)
const hasAll = (wanted: Iterable<number>) => (subset: number[]) =>
  [...wanted].every((item) => subset.includes(item)) ? ('bad' as const) : ('good' as const)

interface Asked extends Minimal<number> {
  questions: string[]
}

/** Minimises 0 to count - 1. That no set is asked for twice, nor none, nor all, is checked on the way. */
async function minimum(
  count: number,
  answer: (subset: number[]) => Answer,
  options?: DeltaOptions<number>,
): Promise<Asked> {
  const questions: string[] = []
  const result = await minimise(
    numbers(count),
    async (subset) => {
      expect(questions).not.toContain(subset.join())
      expect(subset.length).toBeGreaterThan(0)
      expect(subset.length).toBeLessThan(count)
      expect(subset).toEqual([...subset].sort((a, b) => a - b))
      questions.push(subset.join())
      return answer(subset)
    },
    options,
  )
  expect(result.tested).toBe(questions.length)
  return { ...result, questions }
}

function* subsets(count: number): Generator<number[]> {
  for (let mask = 1; mask < 2 ** count; mask += 1) yield numbers(count).filter((item) => mask & (1 << item))
}

describe('what is needed together', () => {
  test('is found whatever it is, and nothing else', async () => {
    for (const count of [1, 2, 3, 5, 7]) {
      for (const culprits of subsets(count)) {
        const { items, unsure } = await minimum(count, hasAll(culprits))
        expect(items).toEqual(culprits)
        expect(unsure).toEqual([])
      }
    }
  })

  test('costs a test a halving, and one, when it is one change', async () => {
    for (const culprit of numbers(64)) {
      const { items, tested } = await minimum(64, hasAll([culprit]))
      expect(items).toEqual([culprit])
      expect(tested).toBeLessThanOrEqual(7)
    }
  })

  test('costs a few tests each when it is several', async () => {
    const { items, tested } = await minimum(256, hasAll([3, 100, 101, 255]))
    expect(items).toEqual([3, 100, 101, 255])
    expect(tested).toBeLessThan(45)
  })

  test('is one of several that would do', async () => {
    const either = (subset: number[]) => (subset.includes(2) || subset.includes(9) ? 'bad' : 'good')
    expect((await minimum(12, either)).items).toEqual([2])
  })
})

test('one change is the answer without a test', async () => {
  expect(await minimum(1, () => 'good')).toMatchObject({ items: [0], unsure: [], tested: 0 })
})

test('no change at all is not bad, and no set is tested', async () => {
  expect(await minimum(0, () => 'bad')).toMatchObject({ items: [], tested: 0 })
})

describe('skips', () => {
  test('are passed by where other sets tell', async () => {
    const halvesFail = (subset: number[]) => (subset.length === 8 ? 'skip' : hasAll([5, 12])(subset))
    expect(await minimum(16, halvesFail)).toMatchObject({ items: [5, 12], unsure: [] })
    const aloneOrAll = (subset: number[]) =>
      subset.length > 1 && subset.includes(5) ? 'skip' : hasAll([5])(subset)
    expect(await minimum(8, aloneOrAll)).toMatchObject({ items: [5], unsure: [] })
  })

  test('of most sets in the order of the changes do not make it go through them one by one', async () => {
    const middleSize = (subset: number[]) =>
      subset.length >= 20 && subset.length < 45 ? 'skip' : hasAll([30])(subset)
    const { items, tested } = await minimum(64, middleSize)
    expect(items).toEqual([30])
    expect(tested).toBeLessThan(40)
  })

  test('leave changes in that could not be judged, and those are named', async () => {
    // 3 cannot be configured without 4, and nobody said so.
    const answer = (subset: number[]) =>
      subset.includes(3) && !subset.includes(4) ? 'skip' : hasAll([3])(subset)
    expect(await minimum(8, answer)).toMatchObject({ items: [3, 4], unsure: [4] })
  })

  test('everywhere leave all', async () => {
    const { items, unsure } = await minimum(6, () => 'skip')
    expect(items).toEqual(numbers(6))
    expect(unsure).toEqual(numbers(6))
  })
})

test('whatever the answers are, the set is bad and minimal', async () => {
  const random = generator(4)
  for (let round = 0; round < 300; round += 1) {
    const count = 2 + Math.floor(random() * 7)
    const shareOfBad = random()
    const answers = new Map<string, Answer>()
    for (const subset of subsets(count)) {
      answers.set(subset.join(), random() < shareOfBad ? 'bad' : random() < 0.3 ? 'skip' : 'good')
    }
    answers.set(numbers(count).join(), 'bad')
    answers.set('', 'good')
    const { items, unsure } = await minimum(count, (subset) => answers.get(subset.join()) as Answer)
    expect(answers.get(items.join())).toBe('bad')
    for (const left of items) {
      const rest = answers.get(items.filter((item) => item !== left).join())
      expect(rest).toBe(unsure.includes(left) ? 'skip' : 'good')
    }
  }
})

describe('changes that need others', () => {
  /** Each may need some of those before it. */
  const randomNeeds = (count: number, random: () => number) => {
    const needs = numbers(count).map((item) => numbers(item).filter(() => random() < 0.25))
    return (item: number) => needs[item] ?? []
  }

  test('are only tested with them', async () => {
    const random = generator(5)
    for (let round = 0; round < 300; round += 1) {
      const count = 2 + Math.floor(random() * 9)
      const needs = randomNeeds(count, random)
      const culprits = numbers(count).filter(() => random() < 0.3)
      if (culprits.length === 0) continue
      const { items, questions } = await minimum(count, hasAll(culprits), { needs })
      for (const question of [...questions, items.join()]) {
        const subset = question.split(',').map(Number)
        for (const item of subset) expect(subset).toEqual(expect.arrayContaining([...needs(item)]))
      }
      // The culprits with all that they need, and nothing else.
      const wanted = new Set(culprits)
      for (const item of wanted) for (const needed of needs(item)) wanted.add(needed)
      expect(items).toEqual([...wanted].sort((a, b) => a - b))
    }
  })

  test('are not blamed for what those do alone', async () => {
    const needs = (item: number) => (item === 1 ? [6] : [])
    expect((await minimum(8, hasAll([6]), { needs })).items).toEqual([6])
    expect((await minimum(8, hasAll([1]), { needs })).items).toEqual([1, 6])
  })

  test('may need each other, and are then one', async () => {
    const needs = (item: number) => (item === 1 ? [6] : item === 6 ? [1] : [])
    expect(await minimum(8, hasAll([6]), { needs })).toMatchObject({ items: [1, 6], unsure: [] })
  })

  test('may need what is no change, which is there', async () => {
    expect((await minimum(4, hasAll([2]), { needs: () => [99] })).items).toEqual([2])
  })
})

test('an abort ends it before the next set', async () => {
  const stop = new AbortController()
  let tested = 0
  const result = minimise(
    numbers(64),
    async () => {
      tested += 1
      if (tested === 3) stop.abort(new Error('enough'))
      return 'good'
    },
    { signal: stop.signal },
  )
  await expect(result).rejects.toThrow('enough')
  expect(tested).toBe(3)
})

test('a set that cannot be tested at all ends it', async () => {
  await expect(minimise(numbers(4), () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk')
})
