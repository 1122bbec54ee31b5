import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { configLine, parseConfig, readFragments } from '../../../../harness/kernel/fragments.ts'
import { droppedRequests } from '../../../../harness/kernel/kconfig.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-fragments-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function fragment(name: string, text: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, text)
  return path
}

test('fragments are merged, whatever their order, comments and repetitions', async () => {
  const a = await fragment('a', '# a comment\nCONFIG_B=y\n\n# CONFIG_N is not set\nCONFIG_S="a b"\n')
  const b = await fragment('b', 'CONFIG_B=y\nCONFIG_A=0x10  \n')
  const lines = ['CONFIG_A=0x10', 'CONFIG_B=y', '# CONFIG_N is not set', 'CONFIG_S="a b"']
  expect((await readFragments([a, b])).map(configLine)).toEqual(lines)
  expect((await readFragments([b, a])).map(configLine)).toEqual(lines)
})

test('an option that only some trees have is asked for with a mark, which another fragment can overrule', async () => {
  const a = await fragment(
    'a',
    'CONFIG_A=y # if the tree has it\nCONFIG_B=y # if the tree has it\nCONFIG_C=y\n',
  )
  const b = await fragment('b', 'CONFIG_B=y\nCONFIG_C=y # if the tree has it\n')
  for (const files of [
    [a, b],
    [b, a],
  ]) {
    const requests = await readFragments(files)
    expect(requests.map(configLine)).toEqual(['CONFIG_A=y', 'CONFIG_B=y', 'CONFIG_C=y'])
    expect(requests.map(({ optional }) => optional)).toEqual([true, undefined, undefined])
  }
})

test('two fragments that contradict are refused with both places', async () => {
  const a = await fragment('a', 'CONFIG_X=y\n')
  const b = await fragment('b', '\n# CONFIG_X is not set\n')
  await expect(readFragments([a, b])).rejects.toThrow(`CONFIG_X is wanted n by ${b}:2, y by ${a}:1`)
})

test.each([
  'CONFIG_X',
  'CONFIG_X=',
  'X=y',
  'CONFIG_X = y',
])('the line %j says nothing and is refused', async (line) => {
  const path = await fragment('a', `CONFIG_A=y\n${line}\n`)
  await expect(readFragments([path])).rejects.toThrow(`${path}:2: expected CONFIG_X=value`)
})

test('a fragment that is not there is a usage error', async () => {
  await expect(readFragments([join(directory, 'none')])).rejects.toMatchObject({ kind: 'usage' })
})

test('every request is looked for in the final .config', () => {
  const requests = parseConfig(
    'f',
    'CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=7\n# CONFIG_D is not set\n# CONFIG_E is not set\nCONFIG_F=y',
  )
  const final = '# Linux\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=8\nCONFIG_E=y\n'
  expect(droppedRequests(requests, final).map(({ name, where }) => `${name} ${where}`)).toEqual([
    'B f:2',
    'C f:3',
    'E f:5',
    'F f:6',
  ])
})
