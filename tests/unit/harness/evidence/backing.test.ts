import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BackingFile } from '../../../../harness/evidence/backing.ts'
import { pattern } from '../../../../harness/evidence/pattern.ts'

const bytes = 65536
let directory: string
let disk: BackingFile

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
  writeFileSync(join(directory, 'disk'), Buffer.alloc(bytes))
  disk = new BackingFile(join(directory, 'disk'), bytes, 1)
  await disk.reset()
})
afterEach(() => rmSync(directory, { recursive: true }))

async function poke(offset: number, data: Buffer) {
  const file = await open(disk.path, 'r+')
  await file.write(data, 0, data.length, offset)
  await file.close()
}

test('what was written and expected is found, with the digest of the whole file', async () => {
  await disk.write(512, pattern(2, 512))
  disk.expect(4096, pattern(3, 512))
  await poke(4096, pattern(3, 512))
  const { sha256, difference } = await disk.compare()
  expect(difference).toBeUndefined()
  expect(await sha256).toBe(createHash('sha256').update(readFileSync(disk.path)).digest('hex'))
})

test('a single wrong byte is found, wherever it is', async () => {
  await poke(bytes - 1, Buffer.of((disk.expectedAt(bytes - 1, 1)[0] ?? 0) ^ 0x80))
  expect((await disk.compare()).difference).toMatchObject({ offset: bytes - 1, bytes: 1 })
})

test('misplaced and stale bytes are called by their origin', async () => {
  disk.know(2, 'data 1 of the case')
  await poke(8192, pattern(2, 512, 1024))
  expect((await disk.compare()).difference).toMatchObject({
    offset: 8192,
    origin: 'data 1 of the case, from byte 1024',
  })
  await disk.reset()
  disk.expect(8192, pattern(2, 512))
  expect((await disk.compare()).difference).toMatchObject({
    origin: 'the disk as it was before the case, from its own place',
  })
  await disk.reset()
  await poke(0, Buffer.alloc(512))
  expect((await disk.compare()).difference).toMatchObject({ origin: 'zeroes' })
})

test('a file of another length is a difference', async () => {
  truncateSync(disk.path, bytes - 512)
  expect((await disk.compare()).difference?.origin).toContain('65024 bytes long')
})

test('nothing can be expected past the end', () => {
  expect(() => disk.expect(bytes - 256, pattern(2, 512))).toThrow(RangeError)
})

test('a reset makes all pristine, after a comparison that was right and after one that was not', async () => {
  const pristine = pattern(1, bytes)
  for (const damage of [false, true]) {
    await disk.write(512, pattern(2, 512))
    disk.expect(4096, pattern(3, 512))
    await poke(4096, pattern(3, 512))
    if (damage) await poke(32768, Buffer.alloc(512))
    expect(Boolean((await disk.compare()).difference)).toBe(damage)
    await disk.reset()
    expect(readFileSync(disk.path).equals(pristine)).toBe(true)
    expect((await disk.compare()).difference).toBeUndefined()
  }
  // Damage after the last look at the disk is not known of, but what was expected since is.
  await disk.write(1024, pattern(4, 512))
  await disk.reset()
  expect(readFileSync(disk.path).equals(pristine)).toBe(true)
})

test('settled after a reset and a comparison, until something is written or expected', async () => {
  expect(await disk.settled()).toBe(true)
  await disk.write(512, pattern(2, 512))
  expect(await disk.settled()).toBe(false)
  await disk.compare()
  expect(await disk.settled()).toBe(true)
  disk.expect(512, pattern(2, 512))
  expect(await disk.settled()).toBe(false)
  await disk.compare()

  // At once, within the tick of the clock that files get their times from.
  await poke(8192, pattern(3, 512))
  expect(await disk.settled()).toBe(false)
  expect((await disk.compare()).difference).toMatchObject({ offset: 8192 })
  expect(await disk.settled()).toBe(false)
  await disk.reset()
  await poke(8192, disk.expectedAt(8192, 512))
  expect(await disk.settled()).toBe(false)
  expect((await disk.compare()).difference).toBeUndefined()
  expect(await disk.settled()).toBe(true)
})
