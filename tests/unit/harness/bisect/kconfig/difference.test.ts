import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type Difference,
  readDifference,
  requestsWith,
  showChange,
  writeFragment,
} from '../../../../../harness/bisect/kconfig/difference.ts'
import { readFragments } from '../../../../../harness/kernel/fragments.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-bisect-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function fragment(name: string, ...lines: string[]): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

const shown = ({ changes }: Difference) => changes.map(showChange)
const values = (requests: { name: string; value: string }[]) =>
  requests.map(({ name, value }) => `${name}=${value}`).join(' ')

test('changes are what the ends ask for differently, in the order of the fragments', async () => {
  const base = await fragment('base', 'CONFIG_SAME=y', 'CONFIG_SIZE=8')
  const old = await fragment('old', 'CONFIG_GONE=y')
  const debug = await fragment('debug', 'CONFIG_ZEBRA=y', 'CONFIG_APE=y', '# CONFIG_OFF is not set')
  const size = await fragment('size', 'CONFIG_SAME=y', 'CONFIG_SIZE=16')
  const difference = await readDifference([base, old], [size, debug])
  expect(shown(difference)).toEqual([
    'CONFIG_SIZE: 8, then 16 (size:2)',
    'CONFIG_ZEBRA: not asked for, then y (debug:1)',
    'CONFIG_APE: not asked for, then y (debug:2)',
    'CONFIG_OFF: not asked for, then n (debug:3)',
    'CONFIG_GONE: y, then not asked for (old:1)',
  ])
  expect(values(difference.common)).toBe('SAME=y')
})

test('lines are in the order of their numbers, not of their digits', async () => {
  const names = Array.from({ length: 11 }, (_, index) => `CONFIG_${String.fromCharCode(90 - index)}=y`)
  const { changes } = await readDifference([await fragment('good')], [await fragment('bad', ...names)])
  expect(changes.map(({ name }) => `CONFIG_${name}=y`)).toEqual(names)
})

test('the ends are none and all of the changes', async () => {
  const good = await fragment('good', 'CONFIG_A=y', 'CONFIG_B=8', 'CONFIG_C=y')
  const bad = await fragment('bad', 'CONFIG_B=9', 'CONFIG_C=y', 'CONFIG_D=y # if the tree has it')
  const difference = await readDifference([good], [bad])
  expect(requestsWith(difference, [])).toEqual(await readFragments([good]))
  const all = requestsWith(difference, difference.changes)
  expect(values(all)).toBe('B=9 C=y D=y')
  const b = difference.changes.filter(({ name }) => name === 'B')
  expect(values(requestsWith(difference, b))).toBe('A=y B=9 C=y')
})

test('a fragment asks for the same as the requests that it was written from, and says where they are from', async () => {
  const bad = await fragment(
    'bad',
    'CONFIG_WORD="a b"',
    '# CONFIG_OFF is not set',
    'CONFIG_NEW=y # if the tree has it',
    'CONFIG_N=0x10',
  )
  const difference = await readDifference([await fragment('good')], [bad])
  const requests = requestsWith(difference, difference.changes)
  const file = join(directory, 'step.config')
  await writeFragment(file, requests)
  const read = await readFragments([file])
  const asked = ({ name, value, optional }: (typeof read)[number]) => ({ name, value, optional })
  expect(read.map(asked)).toEqual((await readFragments([bad])).map(asked))
  expect(await readFile(file, 'utf8')).toContain(`# ${bad}:3\nCONFIG_NEW=y # if the tree has it\n`)
})

test('an option that may be missing is no other than one that must be there', async () => {
  const good = await fragment('good', 'CONFIG_A=y', 'CONFIG_B=y')
  const bad = await fragment('bad', 'CONFIG_A=y # if the tree has it')
  expect(shown(await readDifference([good], [bad]))).toEqual(['CONFIG_B: y, then not asked for (good:2)'])
})

test('ends that ask for the same are refused, by name', async () => {
  const good = await fragment('good', 'CONFIG_A=y')
  const bad = await fragment('bad', '# nothing new', 'CONFIG_A=y')
  await expect(readDifference([good], [bad])).rejects.toThrow(`${good} and ${bad} ask for the same options`)
})

test('a fragment that is not there is refused', async () => {
  const good = await fragment('good', 'CONFIG_A=y')
  await expect(readDifference([good], [join(directory, 'none')])).rejects.toThrow(
    /no kconfig fragment .*none/,
  )
})
