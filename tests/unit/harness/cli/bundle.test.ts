import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

const project = fileURLToPath(new URL('../../../../', import.meta.url))
let directory: string
const at = (...names: string[]) => join(directory, ...names)

/** Bundles the toy project and runs what comes out. */
async function start(): Promise<string> {
  const program = `const { bundledCommandLine } = await import(${JSON.stringify(at('harness/bundle.mjs'))})
    process.setSourceMapsEnabled(true)
    await import(await bundledCommandLine())`
  const { all } = await execa(process.execPath, ['--input-type=module', '--eval', program], {
    all: true,
    reject: false,
  })
  return all
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-bundle-'))
  for (const name of ['harness', 'qemu', 'node_modules']) await mkdir(at(name))
  await copyFile(join(project, 'harness/bundle.mjs'), at('harness/bundle.mjs'))
  await symlink(join(project, 'node_modules/esbuild'), at('node_modules/esbuild'))
  await writeFile(at('package-lock.json'), '{}')
  await writeFile(at('qemu/late.ts'), 'export const where: string = import.meta.url')
  await writeFile(
    at('harness/main.ts'),
    "const { where } = await import('../qemu/late.ts')\nconsole.log('one', where)",
  )
})
afterEach(() => rm(directory, { recursive: true }))

test('sources run as TypeScript and know their own place', async () => {
  expect(await start()).toBe(`one file://${at('qemu/late.ts')}`)
})

test('a bundle is made once, and again when a source changes', async () => {
  await start()
  await rm(at('node_modules/esbuild'))
  expect(await start()).toMatch(/^one/)
  await symlink(join(project, 'node_modules/esbuild'), at('node_modules/esbuild'))
  await writeFile(at('harness/main.ts'), "console.log('two')")
  expect(await start()).toBe('two')
  expect(await readdir(at('node_modules/.copylab'))).toHaveLength(2)
})

test('bundles of sources that changed long ago are removed', async () => {
  await start()
  const [old = ''] = await readdir(at('node_modules/.copylab'))
  const daysAgo = new Date(Date.now() - 48 * 3600 * 1000)
  await utimes(at('node_modules/.copylab', old), daysAgo, daysAgo)
  await writeFile(at('harness/main.ts'), "console.log('two')")
  await start()
  expect(await readdir(at('node_modules/.copylab'))).toEqual([expect.not.stringContaining(old)])
})

test('a stack names the line of the source', async () => {
  await writeFile(at('harness/main.ts'), 'interface Long { a: string }\n\nthrow new Error("here")')
  expect(await start()).toContain(`${at('harness/main.ts')}:3:7`)
})

test('a source that is wrong is reported with its line', async () => {
  await writeFile(at('harness/main.ts'), '\nconst = 1')
  expect(await start()).toContain('harness/main.ts:2:6: ERROR')
})
