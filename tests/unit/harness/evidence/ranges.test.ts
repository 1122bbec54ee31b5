import { expect, test } from 'vitest'
import { inside, outside, union } from '../../../../harness/evidence/ranges.ts'

const range = (offset: number, bytes: number) => ({ offset, bytes })

test('union joins what touches and drops what is empty', () => {
  expect(union([range(8, 4), range(0, 4), range(4, 4), range(20, 0), range(2, 1)])).toEqual([range(0, 12)])
  expect(union([range(0, 4), range(5, 4)])).toEqual([range(0, 4), range(5, 4)])
})

test('outside cuts holes', () => {
  expect(outside([range(0, 10)], [range(2, 2), range(6, 10)])).toEqual([range(0, 2), range(4, 2)])
  expect(outside([range(0, 10)], [])).toEqual([range(0, 10)])
  expect(outside([range(3, 2)], [range(0, 10)])).toEqual([])
})

test('inside keeps what outside cuts away', () => {
  expect(inside([range(0, 10)], [range(2, 2), range(8, 9)])).toEqual([range(2, 2), range(8, 2)])
  expect(inside([range(0, 10)], [])).toEqual([])
})
