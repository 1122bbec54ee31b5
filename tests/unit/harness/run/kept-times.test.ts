import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Summary, summaryVersion } from '../../../../harness/report/summary.ts'
import { keepTimes, keptTimes, readTimes } from '../../../../harness/run/kept-times.ts'
import { noTimes } from '../../../../harness/run/times.ts'

// flock(1) is started, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
let notes: string[]
const note = (message: string) => void notes.push(message)
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-times-'))
  vi.stubEnv('XDG_CACHE_HOME', directory)
  notes = []
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

/** A run's results. */
async function ran(id: string, runtimeMs: number): Promise<string> {
  const results = join(directory, id.replace('/', '-'))
  await mkdir(results)
  await writeFile(join(results, 'summary.json'), JSON.stringify(summary(id, runtimeMs)))
  return results
}

function summary(id: string, runtimeMs: number): Summary {
  const totals = { passed: 1, failed: 0, skipped: 0, infra: 0, known: 0 }
  const at = '2026-01-23T09:05:07.000Z'
  const one = { id, description: '', verdict: 'pass' as const, startedAt: at, runtimeMs, guestMs: 0, boot: 1 }
  return {
    ...{
      schema: summaryVersion,
      copylab: '0.1.0',
      plan: [],
      shard: null,
      findings: [],
      startedAt: at,
      durationMs: 0,
    },
    ...{ finished: true, interrupted: false, exitStatus: 0, totals },
    cells: [
      {
        ...{ name: '6.12', tree: { label: '6.12', version: '6.12.1' }, series: null, kconfig: ['boot'] },
        kernel: { key: 'k', release: '6.12.1', compiler: 'gcc', image: '/vmlinux' },
        machine: { qemu: 'q', qemuVersion: '7.2', accel: 'tcg', cpus: 2, memoryMiB: 384 },
        ...{ topology: 'default', overheadMs: 5, totals },
        cases: [{ ...one, copies: [], host: [], command: '' }],
      },
    ],
  }
}

test('runs that end at once all keep their times, and leave nothing else', async () => {
  const ids = ['nvme/001', 'nvme/002', 'nvme/003', 'nvme/004']
  await Promise.all(ids.map(async (id, index) => keepTimes(await ran(id, index), note)))
  expect((await keptTimes(note)).cells['6.12']?.cases).toEqual({
    ...{ 'nvme/001': 0, 'nvme/002': 1 },
    ...{ 'nvme/003': 2, 'nvme/004': 3 },
  })
  expect([notes, await readdir(join(directory, 'copylab'))]).toEqual([[], ['locks', 'times.json']])
})

test('a damaged file is said to be one, counts for nothing, and is replaced by the next run', async () => {
  expect(await keptTimes(note)).toEqual(noTimes)
  expect(notes).toEqual([])
  const file = join(directory, 'copylab', 'times.json')
  await writeFile(file, '{"times": 1, "cells": {')
  expect(await keptTimes(note)).toEqual(noTimes)
  expect(notes).toEqual([`${file} is of no use: it is damaged`])
  await keepTimes(await ran('nvme/001', 7), note)
  expect((await keptTimes(note)).cells['6.12']?.cases).toEqual({ 'nvme/001': 7 })
  expect(notes).toHaveLength(1)
})

test('a run without results leaves the times as they are', async () => {
  await keepTimes(join(directory, 'nowhere'), note)
  expect(notes).toEqual([expect.stringContaining('summary.json cannot be read: ENOENT')])
  expect(await keptTimes(note)).toEqual(noTimes)
})

test('where the cache takes nothing, the run goes on and says so', async () => {
  await keptTimes()
  await writeFile(join(directory, 'copylab', 'locks'), 'no directory')
  await keepTimes(await ran('nvme/001', 7), note)
  expect(notes).toEqual([expect.stringMatching(/^what the cases took is not kept: ENOTDIR/)])
})

test('times are read from a file of theirs or from a summary', async () => {
  await writeFile(join(directory, 'summary.json'), JSON.stringify(summary('nvme/001', 7)))
  const times = await readTimes(join(directory, 'summary.json'))
  expect(times.cells['6.12']).toEqual({ kconfig: 'boot', overheadMs: 5, cases: { 'nvme/001': 7 } })
  await writeFile(join(directory, 'times.json'), JSON.stringify(times))
  expect(await readTimes(join(directory, 'times.json'))).toEqual(times)
})

test.each([
  ['none.json', undefined, 'ENOENT'],
  ['a.json', '{', 'JSON'],
  ['b.json', '{"times":2,"cells":{}}', 'has no recorded times'],
  ['c.json', '{"times":1,"cells":{"a":{"kconfig":"","overheadMs":-1,"cases":{}}}}', 'has no recorded times'],
])('times that were asked for and cannot be had are a usage error: %s', async (name, content, words) => {
  const file = join(directory, name)
  if (content !== undefined) await writeFile(file, content)
  const error = await readTimes(file).catch((error: unknown) => error)
  expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining(words) })
  if (content !== undefined) expect(await readFile(file, 'utf8')).toBe(content)
})
