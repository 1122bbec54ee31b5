import { expect, test } from 'vitest'
import { combine } from '../../../../harness/matrix/combine.ts'

type Values = Record<string, unknown>
const values = (rules: { axes: Record<string, string[]>; exclude?: Values[]; include?: Values[] }) =>
  combine<Values>({ exclude: [], include: [], ...rules }).combinations.map((one) => one.values)

test('the last axis varies first', () => {
  expect(values({ axes: { a: ['1', '2'], b: ['x', 'y'] } })).toEqual([
    { a: '1', b: 'x' },
    { a: '1', b: 'y' },
    { a: '2', b: 'x' },
    { a: '2', b: 'y' },
  ])
})

// "Expanding or adding matrix configurations" of GitHub's documentation.
test("include does with GitHub's own example what GitHub does", () => {
  expect(
    values({
      axes: { fruit: ['apple', 'pear'], animal: ['cat', 'dog'] },
      include: [
        { color: 'green' },
        { color: 'pink', animal: 'cat' },
        { fruit: 'apple', shape: 'circle' },
        { fruit: 'banana' },
        { fruit: 'banana', animal: 'cat' },
      ],
    }),
  ).toEqual([
    { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
    { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
    { fruit: 'pear', animal: 'cat', color: 'pink' },
    { fruit: 'pear', animal: 'dog', color: 'green' },
    { fruit: 'banana' },
    { fruit: 'banana', animal: 'cat' },
  ])
})

// "Excluding matrix configurations".
test("exclude does with GitHub's own example what GitHub does", () => {
  const { combinations, unused } = combine<Values>({
    axes: {
      os: ['macos-latest', 'windows-latest'],
      version: ['12', '14', '16'],
      environment: ['staging', 'production'],
    },
    exclude: [
      { os: 'macos-latest', version: '12', environment: 'production' },
      { os: 'windows-latest', version: '16' },
    ],
    include: [],
  })
  expect(combinations).toHaveLength(9)
  expect(unused).toEqual([])
  expect(combinations.map((one) => one.values)).not.toContainEqual(
    expect.objectContaining({ os: 'windows-latest', version: '16' }),
  )
  expect(combinations.map((one) => one.values)).toContainEqual({
    ...{ os: 'macos-latest', version: '12', environment: 'staging' },
  })
})

test('include may bring back what exclude took away, and without axes it is all there is', () => {
  const include = [{ a: '1', b: 'x', c: 'more' }]
  expect(values({ axes: { a: ['1', '2'], b: ['x'] }, exclude: [{ a: '1' }], include })).toEqual([
    { a: '2', b: 'x' },
    { a: '1', b: 'x', c: 'more' },
  ])
  expect(values({ axes: {}, include: [{ a: '1' }, { a: '1', c: '2' }] })).toEqual([
    { a: '1' },
    { a: '1', c: '2' },
  ])
})

test('an exclude that matches nothing is told, one that matches what is gone already is not', () => {
  const { unused, combinations } = combine<Values>({
    axes: { a: ['1', '2'], b: ['x', 'y'] },
    exclude: [{ a: '1' }, { a: '1', b: 'x' }, { a: '3' }, { c: '1' }],
    include: [{ a: '3', b: 'x' }],
  })
  expect(unused).toEqual([2, 3])
  expect(combinations.map(({ include }) => include)).toEqual([undefined, undefined, 0])
})
