import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig, projectRoot } from '../../../../harness/config/load.ts'
import { defaultKconfig } from '../../../../harness/config/schema.ts'
import { parseConfig } from '../../../../harness/kernel/fragments.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-kconfigs-'))
  await mkdir(join(directory, 'kconfigs'))
})
afterEach(() => rm(directory, { recursive: true }))

/** `kconfigs` begins at line 4 of the file. */
async function config(kconfigs: string, kconfig?: string[], cwd = directory) {
  const head = 'trees:\n  x: { debian: linux-source-6.12 }\ntree: x\n'
  await writeFile(join(directory, 'copylab.yaml'), head + kconfigs)
  return loadConfig(cwd, { kconfig })
}
const names = (paths: string[]) => paths.map((path) => basename(path, '.config'))

test('a set stands for its fragments, each of them once, and for those of the sets in it', async () => {
  const sets = 'kconfigs: { a: [boot, b, x/y.config], b: [block, boot] }\nkconfig: [a, dm]\n'
  const at = (path: string) => join(directory, path)
  const own = ['kconfigs/boot.config', 'kconfigs/block.config', 'x/y.config', 'kconfigs/dm.config'].map(at)
  expect((await config(sets)).kconfig).toEqual(own)
  await mkdir(at('cwd'))
  // What a set names is relative to the file, whatever the working directory is.
  const given = await config(sets, ['a', './z.config'], at('cwd'))
  expect(given.kconfig).toEqual([...own.slice(0, 3), at('cwd/z.config')])
})

test('default is there, and may be given', async () => {
  expect(names((await config('')).kconfig)).toEqual(defaultKconfig)
  expect(names((await config('', ['default', 'dm', 'debug'])).kconfig)).toEqual([...defaultKconfig, 'debug'])
  expect(names((await config('kconfigs: { default: [boot] }\n')).kconfig)).toEqual(['boot'])
})

test.each([
  ['kconfigs:\n  a: [b]\n  b: [boot, a]\n', 5, 'kconfigs.a: the set contains itself: a > b > a'],
  ['kconfigs:\n  b: [boot]\n  a: [a]\n', 6, 'kconfigs.a: the set contains itself: a > a'],
  ['kconfigs:\n  a: [b]\n  fragment: [boot]\n', 6, 'fragment.config has the same name; expected one that'],
  ['kconfigs:\n  a: boot\n', 5, 'kconfigs.a: expected a list of fragments and sets'],
  ['kconfigs:\n  a: []\n', 5, 'kconfigs.a: '],
  ['kconfigs:\n  a/b: [boot]\n', 5, 'kconfigs.a/b: expected letters'],
])('%j is refused with its line', async (kconfigs, line, words) => {
  await writeFile(join(directory, 'kconfigs/fragment.config'), '')
  const error = await config(kconfigs).catch((failure) => failure)
  expect(error).toMatchObject({ name: 'Failure', kind: 'usage' })
  expect(error.message).toContain(`${join(directory, 'copylab.yaml')}:${line}: `)
  expect(error.message).toContain(words)
})

test('debug has in it what kasan and lockdep are for', async () => {
  const read = async (name: string) => {
    const file = join(projectRoot, 'kconfigs', `${name}.config`)
    return parseConfig(file, await readFile(file, 'utf8')).map(
      (request) => `${request.name}=${request.value}`,
    )
  }
  expect(await read('debug')).toEqual(
    expect.arrayContaining([...(await read('kasan')), ...(await read('lockdep'))]),
  )
})
