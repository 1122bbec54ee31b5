import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseConfig } from '../../../../harness/kernel/fragments.ts'
import { configure } from '../../../../harness/kernel/kconfig.ts'

let source: string
let build: string
beforeEach(async () => {
  source = await mkdtemp(join(tmpdir(), 'copylab-kconfig-'))
  build = join(source, 'build')
  await mkdir(build)
  await writeFile(
    join(source, 'Kconfig'),
    'config HERE\n\tbool "here"\nconfig NEEDY\n\tbool "needy"\n\tdepends on NET\n',
  )
})
afterEach(() => rm(source, { recursive: true }))

/** Configures with a make that leaves the given .config. */
function configured(fragment: string, final: string): Promise<void> {
  return configure(source, build, parseConfig('f', fragment), () => writeFile(join(build, '.config'), final))
}

const mark = '# if the tree has it'

test('what the tree does not have is no error where the fragment allows that', async () => {
  await configured(`CONFIG_HERE=y\nCONFIG_NEWER=y ${mark}\n`, 'CONFIG_HERE=y\n')
})

test('what the tree does not have is an error otherwise', async () => {
  const result = configured('CONFIG_HERE=y\nCONFIG_NEWER=y\n', 'CONFIG_HERE=y\n')
  await expect(result).rejects.toThrow(/f:2: CONFIG_NEWER is wanted y.*\n.*this tree has no such option/)
})

test('the mark does not excuse an option that the tree has and kconfig dropped', async () => {
  const result = configured(`CONFIG_NEEDY=y ${mark}\nCONFIG_NEWER=y ${mark}\n`, '# CONFIG_NEEDY is not set\n')
  await expect(result).rejects.toThrow(/f:1: CONFIG_NEEDY is wanted y/)
  await expect(result).rejects.not.toThrow('NEWER')
})

test('a request comes after what tinyconfig asks for, since the last y of a choice wins', async () => {
  await mkdir(join(source, 'kernel/configs'), { recursive: true })
  await writeFile(join(source, 'kernel/configs/tiny.config'), '# CONFIG_SLUB is not set\nCONFIG_SLOB=y\n')
  await configured('CONFIG_SLUB=y\n', 'CONFIG_SLUB=y\n')
  const asked = await readFile(join(build, 'copylab.config'), 'utf8')
  expect(asked).toBe('CONFIG_SLOB=y\nCONFIG_SLUB=y\n')
})
