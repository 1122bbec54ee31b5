import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { withPrivateDirectory } from '../../../qemu/private-directory.ts'

test('it is gone after the work, and after work that fails', async () => {
  let seen = ''
  const work = async (directory: string) => {
    seen = directory
    expect(existsSync(directory)).toBe(true)
    throw new Error('no')
  }
  await expect(withPrivateDirectory('copylab-unit-', work)).rejects.toThrow('no')
  expect(existsSync(seen)).toBe(false)
})

test('it is gone after process.exit() in the middle of the work', async () => {
  const module = fileURLToPath(new URL('../../../qemu/private-directory.ts', import.meta.url))
  const program = `import { withPrivateDirectory } from ${JSON.stringify(module)}
    await withPrivateDirectory('copylab-unit-', async (directory) => {
      process.stdout.write(directory)
      process.exit(7)
    })`
  const argv = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program]
  const { stdout, exitCode } = await execa(process.execPath, argv, { reject: false })
  expect(exitCode).toBe(7)
  expect(stdout).toContain('copylab-unit-')
  expect(existsSync(stdout)).toBe(false)
})
