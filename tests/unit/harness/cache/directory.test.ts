import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cacheDirectory, publish } from '../../../../harness/cache/directory.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-cache-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('the cache is private and lies where XDG says', async () => {
  const cache = cacheDirectory({ XDG_CACHE_HOME: join(directory, 'x') })
  expect(cache).toBe(join(directory, 'x/copylab'))
  expect((await stat(cache)).mode & 0o777).toBe(0o700)
})

test('a relative XDG_CACHE_HOME is ignored', () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: 'x' })).toBe(join(homedir(), '.cache/copylab'))
})

test('a cache that cannot be made is a Failure with a remedy', async () => {
  await writeFile(join(directory, 'file'), '')
  expect(() => cacheDirectory({ XDG_CACHE_HOME: join(directory, 'file') })).toThrow(
    expect.objectContaining({ kind: 'infra', remedy: expect.stringContaining('XDG_CACHE_HOME') }),
  )
})

test('publish shows the whole thing or nothing', async () => {
  const final = join(directory, 'deep/thing')
  await publish(final, async (temporary) => {
    await mkdir(temporary)
    await writeFile(join(temporary, 'a'), '1')
    await expect(stat(final)).rejects.toThrow('ENOENT')
  })
  expect(await readFile(join(final, 'a'), 'utf8')).toBe('1')
  const failing = publish(join(directory, 'deep/other'), async (temporary) => {
    await mkdir(temporary)
    throw new Error('full')
  })
  await expect(failing).rejects.toThrow('full')
  expect(await readdir(join(directory, 'deep'))).toEqual(['thing'])
})

test('the first of two publishers of one address wins, and the second is content', async () => {
  const final = join(directory, 'thing')
  const make = (text: string) => async (temporary: string) => {
    await mkdir(temporary)
    await writeFile(join(temporary, 'a'), text)
  }
  await publish(final, make('first'))
  await publish(final, make('second'))
  expect(await readFile(join(final, 'a'), 'utf8')).toBe('first')
  expect(await readdir(directory)).toEqual(['thing'])
})

test('what a killed publisher left is removed, what a living one is making stays', async () => {
  const final = join(directory, 'thing')
  // No process has this number: it is above the kernel's PID_MAX_LIMIT.
  await mkdir(`${final}.new-999999999-1`)
  await mkdir(`${final}.new-${process.ppid}-1`)
  // An earlier process with our number: in a container they all have the same.
  await mkdir(`${final}.new-${process.pid}-1`)
  await publish(final, (temporary) => writeFile(temporary, ''))
  expect((await readdir(directory)).sort()).toEqual(['thing', `thing.new-${process.ppid}-1`])
})

test('of two publishers in one process none removes what the other is making', async () => {
  const make = async (temporary: string) => {
    await mkdir(temporary)
    await new Promise((resolve) => setImmediate(resolve))
    await writeFile(join(temporary, 'a'), '1')
  }
  const final = join(directory, 'thing')
  await Promise.all([publish(final, make), publish(final, make, { durable: true })])
  expect(await readdir(directory)).toEqual(['thing'])
})

test('what make() finds in its way is an error, not a publication', async () => {
  const making = publish(join(directory, 'thing'), () => mkdir(directory))
  await expect(making).rejects.toThrow('EEXIST')
  expect(await readdir(directory)).toEqual([])
})
