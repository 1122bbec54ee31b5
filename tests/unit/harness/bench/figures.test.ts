import { expect, test } from 'vitest'
import { coldFigures } from '../../../../harness/bench/cold.ts'
import { figure, figureSchema, median, quotients } from '../../../../harness/bench/figures.ts'

test('the median is the middle, or half way between the two in the middle', () => {
  expect(median([30, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 30])).toBe(3)
  expect(median([100, 9, 20])).toBe(20)
  expect(() => median([])).toThrow(RangeError)
})

test('a figure keeps its samples in the order in which they were taken', () => {
  const samples = [3, 1, 2]
  expect(figureSchema.parse(figure('boot.agent', 'boot', 'ms', samples, 2000))).toEqual({
    ...{ id: 'boot.agent', what: 'boot', unit: 'ms', samples: [3, 1, 2] },
    ...{ median: 2, lowest: 1, highest: 3, aim: 2000 },
  })
})

test('quotients are taken round by round', () => {
  expect(quotients([2, 30], [1, 10])).toEqual([2, 3])
  expect(() => quotients([1, 2], [1])).toThrow('2 samples over 1')
})

test('a cold build is held against make round by round', () => {
  const figures = coldFigures([
    { copylabMs: 700_000, makeMs: 600_000 },
    { copylabMs: 650_000, makeMs: 500_000 },
  ])
  const samples = Object.fromEntries(figures.map(({ id, samples }) => [id, samples]))
  expect(samples['cold.overhead']).toEqual([100_000, 150_000])
  expect(samples['cold.ratio']?.[1]).toBeCloseTo(1.3)
  expect(samples['cold.beyond']?.[0]).toBeCloseTo(10_000)
  expect(samples['cold.beyond']?.[1]).toBeCloseTo(75_000)
})
