import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { identify, Pattern, pattern, seedOf } from '../../../../harness/evidence/pattern.ts'
import { compileStatic } from '../../../../qemu/cc.ts'

const root = join(import.meta.dirname, '../../../..')
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

test('the tool in the guest computes the same bytes', async () => {
  const tool = await compileStatic(join(root, 'tests/guest/blkcopy.c'), directory)
  const file = join(directory, 'disk')
  writeFileSync(file, Buffer.alloc(8192))
  execFileSync(tool, ['fill', file, '512', '4096', '3735928559', '1024'])
  expect(
    readFileSync(file)
      .subarray(512, 512 + 4096)
      .equals(pattern(3735928559, 4096, 1024)),
  ).toBe(true)

  const check = (seed: string) => execFileSync(tool, ['check', file, '512', '4096', seed, '1024']).toString()
  expect(check('3735928559')).toBe('check bytes=4096 differing=0\n')
  expect(check('1')).toMatch(/^check bytes=4096 differing=40\d\d first=512\n$/)
}, 20_000)

test('a part of a pattern is what lies there in the whole', () => {
  const whole = new Pattern(42, 8192, 512)
  expect(whole.part(4096, 512).data.equals(whole.data.subarray(4096, 4608))).toBe(true)
})

test('bytes are traced back to seed and place', () => {
  const buffer = Buffer.concat([Buffer.alloc(512), pattern(seedOf('a'), 4096, 65536)])
  const seeds = [seedOf('b'), seedOf('a')]
  expect(identify(buffer, 512 + 128, seeds)).toEqual({ seed: seedOf('a'), from: 65536 + 128 })
  expect(identify(buffer, 0, seeds)).toBeUndefined()
  expect(identify(buffer, 512, [seedOf('b')])).toBeUndefined()
})

test('half words are no pattern', () => {
  expect(() => pattern(1, 6)).toThrow(RangeError)
  expect(() => pattern(1, 8, 2)).toThrow(RangeError)
})
