import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { minimise } from '../../../../../harness/bisect/kconfig/delta.ts'
import { type Change, readDifference } from '../../../../../harness/bisect/kconfig/difference.ts'
import { readNeeds } from '../../../../../harness/bisect/kconfig/needs.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-bisect-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** A Kconfig file that has each kind of dependency. */
const kconfig = `
config A
	bool "a"
config B
	bool "b"
config HIDDEN
	bool
	default y if A
config ON_A
	bool "on a"
	depends on A
config ON_BOTH
	bool "on both"
	depends on A && B
config ON_EITHER
	bool "on either"
	depends on A || B
config ON_HIDDEN
	bool "on hidden"
	depends on HIDDEN || A
config ON_PLAIN_HIDDEN
	bool "on hidden alone"
	depends on HIDDEN
config NOT_A
	bool "not a"
	depends on !A
config UNLESS
	bool "unless"
	depends on !(A && !B)
config SIZE
	int "size"
config BIG
	bool "big"
	depends on SIZE >= 16 && $(success,true)
if A
config INSIDE
	int "inside"
endif
config TWICE
	bool "twice"
	depends on A
config TWICE
	bool "twice"
	depends on B
choice
	prompt "one of"
config ONE
	bool "one"
config TWO
	bool "two"
config THREE
	bool "three"
endchoice
`

/** The needs between two configurations, each written as `A=y SIZE=8 B=n`. */
async function needs(good: string, bad: string) {
  await writeFile(join(directory, 'Kconfig'), kconfig)
  const fragment = async (name: string, requests: string) => {
    const lines = requests.split(' ').map((request) => {
      const [option, value] = request.split('=')
      return value === 'n' ? `# CONFIG_${option} is not set` : `CONFIG_${option}=${value}`
    })
    const path = join(directory, name)
    await writeFile(path, requests ? `${lines.join('\n')}\n` : '')
    return path
  }
  const difference = await readDifference([await fragment('good', good)], [await fragment('bad', bad)])
  const needsOf = await readNeeds(directory, difference)
  return { difference, needsOf }
}

const names = (changes: readonly Change[]) => changes.map(({ name }) => name).sort()

test.each<[string, string, Record<string, string[]>]>([
  // What an option depends on comes along, if it was not there before.
  ['', 'A=y ON_A=y', { A: [], ON_A: ['A'] }],
  ['A=y', 'A=y ON_A=y', { ON_A: [] }],
  ['A=y', 'A=y B=y ON_BOTH=y', { B: [], ON_BOTH: ['B'] }],
  ['', 'A=y INSIDE=3', { A: [], INSIDE: ['A'] }],
  ['', 'A=n ON_A=n', { A: [], ON_A: [] }],
  // Of alternatives one does, and none that differs is needed where another one holds anyway.
  ['', 'A=y B=y ON_EITHER=y', { A: [], B: [], ON_EITHER: ['A'] }],
  ['B=y', 'A=y B=y ON_EITHER=y', { A: [], ON_EITHER: [] }],
  ['', 'B=y TWICE=y', { B: [], TWICE: ['B'] }],
  // What has no prompt cannot be told; where something can be, that is relied on.
  ['', 'A=y ON_HIDDEN=y', { A: [], ON_HIDDEN: ['A'] }],
  ['', 'A=y ON_PLAIN_HIDDEN=y', { A: [], ON_PLAIN_HIDDEN: [] }],
  // Negations and numbers.
  ['A=y', 'A=n NOT_A=y', { A: [], NOT_A: ['A'] }],
  ['A=y', 'NOT_A=y', { A: [], NOT_A: ['A'] }],
  ['SIZE=8', 'SIZE=16 BIG=y', { SIZE: [], BIG: ['SIZE'] }],
  ['SIZE=16', 'SIZE=32 BIG=y', { SIZE: [], BIG: [] }],
  // An option that goes takes along what depends on it.
  ['A=y ON_A=y', '', { A: ['ON_A'], ON_A: [] }],
  ['A=y ON_A=y', 'A=n', { A: ['ON_A'], ON_A: [] }],
  ['SIZE=16 BIG=y', 'SIZE=8', { SIZE: ['BIG'], BIG: [] }],
  // … unless that stays for another reason, which then has to be there.
  ['A=y ON_EITHER=y', 'B=y ON_EITHER=y', { A: ['B'], B: [] }],
  ['A=y B=y ON_EITHER=y', 'B=y ON_EITHER=y', { A: [] }],
  ['UNLESS=y', 'UNLESS=y A=y B=y', { A: ['B'], B: [] }],
  ['A=y INSIDE=3', 'A=y INSIDE=4', { INSIDE: [] }],
  // What was on although nothing allows it, as when it is selected, does not go with anything.
  ['ON_A=y', 'A=n', { A: [], ON_A: [] }],
  // One of a choice takes the place of another.
  ['ONE=y', 'TWO=y', { ONE: ['TWO'], TWO: ['ONE'] }],
  ['ONE=y', 'ONE=n THREE=y A=y', { ONE: ['THREE'], THREE: ['ONE'], A: [] }],
  // What the tree does not have depends on nothing.
  ['', 'NEWER=y A=y', { A: [], NEWER: [] }],
])('from "%s" to "%s"', async (good, bad, expected) => {
  const { difference, needsOf } = await needs(good, bad)
  const found = Object.fromEntries(difference.changes.map((change) => [change.name, names(needsOf(change))]))
  expect(found).toEqual(expected)
})

test('delta debugging over them tests only what can be configured', async () => {
  const { difference, needsOf } = await needs(
    'B=y ONE=y',
    'A=y ON_A=y ON_BOTH=y B=y TWO=y SIZE=3 BIG=n NOT_B=y',
  )
  const asked: string[][] = []
  const { items } = await minimise(
    difference.changes,
    async (subset) => {
      const made = names(subset)
      asked.push(made)
      return made.includes('ON_BOTH') ? 'bad' : 'good'
    },
    { needs: needsOf },
  )
  expect(names(items)).toEqual(['A', 'ON_BOTH'])
  for (const made of asked) {
    if (made.includes('ON_A') || made.includes('ON_BOTH')) expect(made).toContain('A')
    expect(made.includes('ONE')).toBe(made.includes('TWO'))
  }
})
