import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseConfig } from '../../../../harness/kernel/fragments.ts'
import { findCases } from '../../../../harness/run/cases.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function declare(file: string, source: string) {
  mkdirSync(dirname(join(directory, file)), { recursive: true })
  writeFileSync(join(directory, file), source)
}

test('cases are read from the source, on one line or several, and sorted', async () => {
  declare('nvme/b.test.ts', "kernelCase('nvme/002', 'it\\'s split', {}, async ({ disk }) => {\n})\n")
  declare(
    'nvme/a.test.ts',
    "kernelCase(\n  'nvme/001',\n  'two lines',\n  { offloads: 'dm-linear', needs: ['BLKCOPYV', 'CONFIG_X'] },\n  async () => {},\n)\n",
  )
  declare('unit/nvme/x.test.ts', "kernelCase('nvme/003', 'no case', {}, async () => {})\n")
  expect(await findCases(directory)).toEqual([
    {
      ...{ id: 'nvme/001', group: 'nvme', description: 'two lines' },
      ...{ offloads: ['dm-linear'], needs: ['BLKCOPYV', 'CONFIG_X'] },
      file: join(directory, 'nvme/a.test.ts'),
    },
    {
      ...{ id: 'nvme/002', group: 'nvme', description: "it's split", offloads: [], needs: [] },
      file: join(directory, 'nvme/b.test.ts'),
    },
  ])
})

test.each([
  ['a computed id', 'kernelCase(name, "x", {}, f)\n', /1 of 1 calls of kernelCase cannot be read/],
  ['a hidden call', "if (x)\n  kernelCase('nvme/001', 'x', {}, f)\n", /1 of 1 calls/],
  [
    'computed needs',
    "kernelCase('nvme/001', 'x', { needs: those }, f)\n",
    /nvme\/001 cannot be read: needs: those/,
  ],
  ['another group', "kernelCase('scsi/001', 'x', {}, f)\n", /must be named nvme\/NNN/],
  [
    'the same twice',
    "kernelCase('nvme/001', 'x', {}, f)\nkernelCase('nvme/001', 'y', {}, f)\n",
    /is also declared in/,
  ],
])('%s is refused', async (_, source, message) => {
  declare('nvme/a.test.ts', source)
  await expect(findCases(directory)).rejects.toThrow(message)
})

test("the project's own cases can all be read", async () => {
  const cases = await findCases(join(import.meta.dirname, '../../..'))
  expect(cases.length).toBeGreaterThan(30)
  expect(new Set(cases.map(({ description }) => description)).size).toBe(cases.length)

  // An option that nothing turns on would leave its case not run for ever.
  const kconfigs = join(import.meta.dirname, '../../../../kconfigs')
  const requests = readdirSync(kconfigs).flatMap((name) =>
    parseConfig(name, readFileSync(join(kconfigs, name), 'utf8')),
  )
  const on = new Set(requests.filter(({ value }) => value === 'y').map(({ name }) => `CONFIG_${name}`))
  const options = cases.flatMap(({ needs }) => needs.filter((need) => need.startsWith('CONFIG_')))
  expect(options.filter((option) => !on.has(option))).toEqual([])
})
