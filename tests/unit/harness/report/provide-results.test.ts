import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { provideResults } from '../../../../harness/report/results-directory.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-unit-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test('the directory is made with those above it, and may be there already', async () => {
  const results = join(directory, 'a', 'b')
  await provideResults(results)
  await provideResults(results)
  expect((await stat(results)).isDirectory()).toBe(true)
})

test('a place that takes no directories is refused at once', async () => {
  await expect(provideResults('/proc/copylab/results')).rejects.toMatchObject({ kind: 'usage' })
})

test('a file in the way is refused', async () => {
  const file = join(directory, 'file')
  await writeFile(file, '')
  await expect(provideResults(file)).rejects.toMatchObject({ kind: 'usage' })
  await expect(provideResults(join(file, 'below'))).rejects.toMatchObject({ kind: 'usage' })
})
