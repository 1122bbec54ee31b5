import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Side, Space } from '../../../../../harness/bisect/space/candidate.ts'
import { historySpace } from '../../../../../harness/bisect/space/history.ts'
import { loadConfig, projectRoot } from '../../../../../harness/config/load.ts'
import { git } from '../../../../../harness/tree/git.ts'

const makefile = 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let directory: string
let repository: string
let commits: string[]
let count = 0
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-history-'))
  repository = join(directory, 'linux')
  await mkdir(repository)
  await writeFile(join(repository, 'Makefile'), makefile)
  await writeFile(join(repository, 'Kconfig'), 'config HERE\n\tbool\n')
  await git(repository, ['init', '--quiet', '--initial-branch=main'])
  commits = []
  for (let index = 0; index < 20; index++) {
    await writeFile(join(repository, `file-${index}`), `${index}\n`)
    await git(repository, ['add', '--force', '.'])
    await git(repository, [
      'commit',
      '--quiet',
      `--message=change ${index}`,
      '--author=A U Thor <a@example.org>',
    ])
    commits.push(await git(repository, ['rev-parse', 'HEAD']))
  }
})
afterAll(() => rm(directory, { recursive: true }))

let place: string
beforeEach(async () => {
  place = join(directory, `bisection-${++count}`)
  await mkdir(place)
})

async function open({ before = 0, after = 19, cached = [] as number[] } = {}): Promise<Space> {
  const config = await loadConfig(projectRoot, { tree: `6.12=${repository}#main`, series: ['none'] })
  return historySpace({
    ...{ config, series: null, directory: place, cache: join(directory, 'cache') },
    before: commits[before] as string,
    after: commits[after] as string,
    cachedOf: async (all) =>
      all.map(({ commit }) => commit).filter((commit) => cached.includes(commits.indexOf(commit))),
  })
}

/** Bisects with an oracle; returns what was asked, by index. */
async function search(space: Space, side: (index: number) => Side) {
  const asked: number[] = []
  for (;;) {
    const next = await space.next()
    if (!('test' in next)) return { asked, end: next }
    const index = commits.indexOf(next.test.id)
    asked.push(index)
    await space.tell(next.test, side(index), '')
  }
}

const firstAt = (culprit: number) => (index: number) => (index >= culprit ? 'after' : 'before') as Side

test('git finds the first commit after the change, and says whose it is', async () => {
  for (const culprit of [1, 7, 19]) {
    const { end, asked } = await search(await open(), firstAt(culprit))
    expect(end).toMatchObject({
      found: {
        id: commits[culprit],
        title: `${commits[culprit]?.slice(0, 12)} change ${culprit}`,
        change: { subject: `change ${culprit}`, author: 'A U Thor <a@example.org>' },
      },
      parent: { id: commits[culprit - 1] },
    })
    expect(asked.length).toBeLessThanOrEqual(5)
  }
})

test('of two neighbours the later one is it, and nothing is asked', async () => {
  const { end, asked } = await search(await open({ before: 4, after: 5 }), firstAt(5))
  expect(asked).toEqual([])
  expect(end).toMatchObject({ found: { id: commits[5] }, parent: { id: commits[4] } })
})

test('what cannot be tested hides which of several it is', async () => {
  const { end } = await search(await open(), (index) => (index > 5 && index < 9 ? 'skip' : firstAt(8)(index)))
  expect('left' in end && end.left.map(({ id }) => commits.indexOf(id)).sort()).toEqual([6, 7, 8, 9].sort())
})

test('a commit whose kernel is there is asked where that costs one step at most, once', async () => {
  const { asked, end } = await search(await open({ cached: [5, 1] }), firstAt(12))
  expect(asked[0]).toBe(5)
  expect(end).toMatchObject({ found: { id: commits[12] } })
  expect(asked.length).toBeLessThanOrEqual(6)
})

test('the one step that a cached commit may cost is spent once', async () => {
  const { asked, end } = await search(await open({ cached: [1, 2, 3] }), firstAt(12))
  expect(asked.filter((index) => index < 4)).toHaveLength(1)
  expect(end).toMatchObject({ found: { id: commits[12] } })
  expect(asked.length).toBeLessThanOrEqual(6)
})

test('a commit that cannot be tested is not asked again for its kernel being there', async () => {
  const space = await open({ cached: [8, 9, 10] })
  const { asked, end } = await search(space, (index) =>
    index > 7 && index < 11 ? 'skip' : firstAt(14)(index),
  )
  expect(end).toMatchObject({ found: { id: commits[14] } })
  expect(new Set(asked).size).toBe(asked.length)
})

test('what is asked next is one of the two that were expected', async () => {
  const space = await open()
  let expected: string[] | undefined
  for (;;) {
    const next = await space.next()
    if (!('test' in next)) break
    if (expected) expect(expected).toContain(next.test.id)
    expected = (await space.upcoming?.())?.map(({ id }) => id)
    await space.tell(next.test, firstAt(12)(commits.indexOf(next.test.id)), '')
  }
  expect(expected).toEqual([])
})

test('ends in the wrong order are refused', async () => {
  await expect(open({ before: 9, after: 2 })).rejects.toThrow(/git does not bisect between the two ends/)
})

test('the revert is made where it can be, and the user keeps a repository without traces', async () => {
  const space = await open()
  const { end } = await search(space, firstAt(7))
  if (!('found' in end && space.without)) throw new Error('nothing was found')
  const { tree } = await (await space.without(end.found)).cell()
  const ref = 'git' in tree ? tree.ref : ''
  const clone = await git(join(place, 'git'), ['ls-tree', '--name-only', ref])
  expect(clone.split('\n')).toContain('file-8')
  expect(clone.split('\n')).not.toContain('file-7')
  expect(await git(repository, ['for-each-ref', '--format=%(refname)'])).toBe('refs/heads/main')
  expect(await space.log?.()).toContain('git bisect start')
})
