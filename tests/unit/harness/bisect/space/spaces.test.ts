import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Answers } from '../../../../../harness/bisect/journal.ts'
import { checkEnds, spaceOf } from '../../../../../harness/bisect/space/spaces.ts'
import { loadConfig, projectRoot } from '../../../../../harness/config/load.ts'
import type { Event } from '../../../../../harness/events.ts'
import { findCases } from '../../../../../harness/run/cases.ts'

/** Patches of the series. */
const all = (await readFile(join(projectRoot, 'patches/copy-offload/6.12/series'), 'utf8')).match(
  /\.patch$/gm,
)?.length as number

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-spaces-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** Nothing is in the cache. */
const answers: Answers = { answer: async (_, schema) => schema.parse([]) }

async function open(name: string, ends: { good?: string; bad?: string; fixed?: boolean } = {}) {
  const info = (await findCases(join(projectRoot, 'tests'))).find(({ id }) => id === name)
  if (!info) throw new Error(`there is no case ${name}`)
  const notes: string[] = []
  const space = await spaceOf('series', {
    ...{ config: await loadConfig(projectRoot, { tree: '6.12' }), info, directory, answers },
    ...{ good: undefined, bad: undefined, fixed: false, ...ends },
    signal: new AbortController().signal,
    emit: (event: Event) => void (event.type === 'note' && notes.push(event.message)),
  })
  return { space, notes }
}

test('the search begins where the profile lets the case run', async () => {
  const { space, notes } = await open('nvme/001')
  expect(space.before).toMatchObject({
    id: 'patches-6',
    title: `patch 6 of ${all}: block: add the BLKCOPY ioctl`,
  })
  const unable = space.unable?.candidates.map(({ id }) => id)
  expect(unable).toEqual(['patches-0', 'patches-1', 'patches-2', 'patches-3', 'patches-4', 'patches-5'])
  expect(space.after).toMatchObject({ id: `patches-${all}` })
  expect(notes).toEqual([
    expect.stringMatching(/^nvme\/001 can run from patch 6 on: .* has no BLKCOPY ioctl/),
  ])
})

test('a case that asks nothing of the series begins with the bare tree', async () => {
  const { space, notes } = await open('plain/001')
  expect(space.before).toMatchObject({ id: 'patches-0', title: 'the tree as it is' })
  expect([space.unable, notes]).toEqual([undefined, []])
})

test('an end that is named stands, and the cells are those of the prefixes', async () => {
  const { space } = await open('nvme/001', { good: '13', bad: '15' })
  const cell = await space.before.cell()
  expect([cell.name, cell.series?.patches.length]).toEqual([`6.12-copy-offload-13of${all}`, 13])
  expect(space.before.change).toMatchObject({
    subject: 'nvme: offload copies inside a namespace',
    author: 'copylab developers <copylab@localhost>',
  })
})

test('a series without one of its patches is another kernel, with the same profile', async () => {
  const { space } = await open('nvme/001')
  const culprit = { ...space.after, id: 'patches-13' }
  const without = (await (await space.without?.(culprit))?.cell())?.series
  const whole = (await space.after.cell()).series
  expect(without?.patches).toHaveLength(all - 1)
  expect(without?.patches.map(({ subject }) => subject)).not.toContain(
    'nvme: offload copies inside a namespace',
  )
  expect(without?.hash).not.toBe(whole?.hash)
  expect(without?.profile).toEqual(whole?.profile)
})

test.each([
  [{ good: '999' }, /^--good 999: expected a number of patches from 0 to \d+, of copy-offload$/],
  [{ bad: 'x' }, /^--bad x: expected a number of patches/],
  [{ good: '9', bad: '3' }, /^--good and --bad: 9 patches do not come before 3$/],
  [{ good: '3', bad: '9', fixed: true }, /^--good and --bad: 9 patches do not come before 3$/],
])('ends of a series that there are not: %j', async (ends, message) => {
  const config = await loadConfig(projectRoot, { tree: '6.12' })
  const named = { config, good: undefined, bad: undefined, fixed: false, ...ends }
  await expect(checkEnds('series', named)).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(message),
  })
})

test('the ends of a tree have to be named', async () => {
  const config = await loadConfig(projectRoot, { tree: '6.12' })
  const named = { config, good: '7.2.6', bad: undefined, fixed: false }
  await expect(checkEnds('tree', named)).rejects.toThrow('bisect tree needs --good and --bad')
})
