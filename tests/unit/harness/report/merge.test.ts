import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { mergeResults, renumberBoots } from '../../../../harness/report/merge.ts'
import { readAllResults } from '../../../../harness/report/read-results.ts'
import { readSummary } from '../../../../harness/report/read-summary.ts'
import { missingCells } from '../../../../harness/report/sort-runs.ts'
import { type Summary, summarySchema } from '../../../../harness/report/summary.ts'
import { writeMerged } from '../../../../harness/report/write-merged.ts'
import { lastLookId } from '../../../../harness/run/last-look.ts'
import type { Plan } from '../../../../harness/run/plan.ts'
import { numbered, type ToyRun, toyCell, toyRun, toyShard } from './toy-run.ts'

// Hundreds of files are written, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-merge-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const signal = new AbortController().signal
const at = (name: string) => join(directory, name)
const merge = async (...names: string[]) => mergeResults((await readAllResults(names.map(at))).all)

function plan(results = 'whole'): Plan {
  const cells = [toyCell('6.12', numbered('nvme', 9)), toyCell('7.3', numbered('nvme', 9))]
  return { cells, results: at(results) }
}

/** Runs a plan in `count` shards, s1, s2 and so on. */
function runShards(count: number, of = plan(), run: ToyRun = {}): string[] {
  const names = Array.from({ length: count }, (_, index) => `s${index + 1}`)
  for (const [index, name] of names.entries()) toyRun(toyShard(of, index + 1, count, at(name)), run)
  return names
}

/** All files below a directory, without what is different on every machine and at every time. */
function filesBelow(results: string): Record<string, string> {
  const names = readdirSync(results, { recursive: true }).map(String)
  const files = names.filter((name) => statSync(join(results, name)).isFile() && !name.endsWith('.console'))
  return Object.fromEntries(
    files.sort().map((name) => {
      const text = readFileSync(join(results, name), 'utf8')
      if (name === 'summary.json')
        return [name, JSON.stringify(timeless(summarySchema.parse(JSON.parse(text))))]
      return [name, text.replace(/boot-\d+\.console|, boot \d+$/gm, 'BOOT')]
    }),
  )
}

function timeless(summary: Summary) {
  const cells = summary.cells.map(({ overheadMs: _, cases, ...cell }) => ({
    ...cell,
    cases: cases.map(({ boot, ...one }) => ({ ...one, boot: boot > 0 })),
  }))
  const { startedAt: _, durationMs: __, ...rest } = summary
  return { ...rest, cells }
}

test.each([
  [3, {}],
  [4, {}],
  [3, { verdict: () => 'pass' as const }],
  [25, {}],
])('%i shards leave what one machine leaves: %j', async (count, run) => {
  toyRun(plan(), run)
  const merged = await merge(...runShards(count, plan(), run))
  await writeMerged(merged, at('merged'), signal)
  expect(merged.summary.findings).toEqual([])
  expect(filesBelow(at('merged'))).toEqual(filesBelow(at('whole')))
  // Every case was on the boot whose console is there under its number.
  for (const { name, cases } of merged.summary.cells)
    for (const { id, boot } of cases)
      expect(readFileSync(join(at('merged'), name, `boot-${boot}.console`), 'utf8')).toContain(`: ${id}\n`)
})

test('what a failure says of its boot is about the console that the merged results have', async () => {
  const merged = await merge(...runShards(3))
  await writeMerged(merged, at('merged'), signal)
  const failed = merged.summary.cells.flatMap(({ name, cases }) =>
    cases.filter(({ verdict }) => verdict === 'fail').map((one) => ({ name, ...one })),
  )
  expect(failed.some(({ boot }) => boot > 2)).toBe(true)
  for (const { name, id, boot } of failed) {
    const path = join(at('merged'), name, 'nodev', id)
    expect(readFileSync(`${path}.out.bad`, 'utf8')).toContain(`see boot-${boot}.console\n`)
    expect(readFileSync(`${path}.full`, 'utf8')).toMatch(new RegExp(`^machine: .*, boot ${boot}$`, 'm'))
  }
})

test('a merged report can be reported again, and says the same', async () => {
  const merged = await merge(...runShards(3))
  await writeMerged(merged, at('merged'), signal)
  expect((await merge('merged')).summary).toEqual(merged.summary)
})

test('earlier results in the same place are replaced, and what is not of this run stays', async () => {
  toyRun(
    { cells: [toyCell('6.12', [...numbered('nvme', 9), 'dm/001'])], results: at('merged') },
    { verdict: () => 'fail' },
  )
  writeFileSync(join(at('merged'), '6.12', 'nodev', 'kernel-notes'), 'mine')
  await writeMerged(await merge(...runShards(3)), at('merged'), signal)
  const names = readdirSync(join(at('merged'), '6.12'), { recursive: true }).map(String)
  expect(names).toContain('nodev/kernel-notes')
  expect(names).toContain('nodev/dm/001.out.bad')
  expect(names).not.toContain('nodev/nvme/001.out.bad')
  expect(names.filter((name) => name.endsWith('.console'))).toHaveLength(
    Math.max(...((await merge('merged')).summary.cells[0]?.cases ?? []).map(({ boot }) => boot)),
  )
})

test('complaints after the last case are kept, each with its own console', async () => {
  const merged = await merge(...runShards(3, plan(), { complains: true }))
  await writeMerged(merged, at('merged'), signal)
  const ends = merged.summary.cells.flatMap(({ name, cases }) =>
    cases.filter(({ id }) => id.startsWith(lastLookId)).map((one) => ({ name, ...one })),
  )
  expect(ends.map(({ name, id }) => `${name} ${id}`)).toEqual([
    ...['6.12 kernel/end', '6.12 kernel/end-2'],
    ...['7.3 kernel/end', '7.3 kernel/end-2'],
  ])
  for (const { name, id, boot } of ends) {
    const path = join(at('merged'), name)
    expect(readFileSync(join(path, `boot-${boot}.console`), 'utf8')).toContain('leak')
    expect(readFileSync(join(path, 'nodev', `${id}.out.bad`), 'utf8')).toContain(`boot-${boot}.console`)
  }
})

test('a shard that is not there is said, with the cases that have no result', async () => {
  const [one = '', , three = ''] = runShards(3)
  const { summary } = await merge(one, three)
  expect(summary.findings).toEqual([
    'shard 2/3 is missing',
    '6.12: 3 of 9 cases have no result: nvme/007 nvme/008 nvme/009',
    '7.3: 3 of 9 cases have no result: nvme/001 nvme/002 nvme/003',
  ])
  expect(summary.exitStatus).toBe(1)
})

test('with nothing failed, a shard that is missing, was interrupted or killed is no success', async () => {
  const passing: ToyRun = { verdict: () => 'pass' }
  const [one = '', two = ''] = runShards(2, plan(), passing)
  expect((await merge(one, two)).summary.exitStatus).toBe(0)
  expect((await merge(one)).summary).toMatchObject({ exitStatus: 3, finished: true })

  toyRun(toyShard(plan(), 2, 2, at('cut')), { ...passing, endAfter: 8 })
  const cut = (await merge(one, 'cut')).summary
  expect(cut).toMatchObject({ exitStatus: 3, interrupted: true })
  expect(cut.findings).toEqual([
    `${at('cut')}: the run was interrupted`,
    '7.3: 1 of 9 cases have no result: nvme/009',
  ])

  const file = join(at(two), 'summary.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace('"finished": true', '"finished": false'))
  expect((await merge(one, two)).summary).toMatchObject({
    ...{ exitStatus: 3, finished: false },
    findings: [`${at(two)}: the run has not ended; it was killed, or goes on`],
  })
})

test('when nothing passed in any shard, the whole is no success', async () => {
  const names = runShards(2, plan(), { verdict: () => 'not run' })
  const { summary } = await merge(...names)
  expect(summary).toMatchObject({ exitStatus: 3, totals: { skipped: 18 }, findings: [] })
  expect((await readSummary(at('s1'))).exitStatus).toBe(0)
})

test('a cell that came to nothing on one machine has the results of the others, and says why', async () => {
  const names = runShards(3, plan(), { verdict: () => 'pass' })
  // What an earlier run has left there is none of this one.
  toyRun(toyShard(plan(), 2, 3, at('s2')), { verdict: () => 'fail' })
  toyRun(toyShard(plan(), 2, 3, at('s2')), { verdict: () => 'pass', fails: '6.12' })
  const merged = await merge(...names)
  const [cell, other] = merged.summary.cells
  expect(cell).toMatchObject({
    failure: { message: 'make: *** [vmlinux] Error 2', log: '/cache/build.log' },
    kernel: { release: '6.12.1' },
    totals: { passed: 6, infra: 3 },
  })
  expect(other?.failure).toBeUndefined()
  expect(merged.summary).toMatchObject({ exitStatus: 3, findings: [] })
  await writeMerged(merged, at('merged'), signal)
  const left = readdirSync(join(at('merged'), '6.12'), { recursive: true }).map(String)
  expect(left.filter((name) => name.endsWith('.full'))).toHaveLength(6)
  expect(readFileSync(join(at('merged'), '6.12', 'failure'), 'utf8')).toContain('Error 2\n  log:     /cache')
  expect(existsSync(join(at('merged'), '7.3', 'failure'))).toBe(false)
  // Once more, with the cell in order.
  toyRun(toyShard(plan(), 2, 3, at('s2')), { verdict: () => 'pass' })
  await writeMerged(await merge(...names), at('merged'), signal)
  expect(existsSync(join(at('merged'), '6.12', 'failure'))).toBe(false)
})

test('a cell that was not the same everywhere is said to be so', async () => {
  const few = { cells: [toyCell('6.12', numbered('nvme', 6))], results: '' }
  const kernel = { key: 'other', release: '6.12.1', compiler: 'gcc 12', image: '/elsewhere/vmlinux' }
  const passing: ToyRun = { verdict: () => 'pass' }
  toyRun(toyShard(few, 1, 2, at('a')), passing)
  toyRun(toyShard(few, 2, 2, at('b')), { ...passing, version: '0.2.0', facts: { kernel } })
  const { summary } = await merge('a', 'b')
  expect(summary.findings).toEqual([
    `copylab is 0.1.0 in ${at('a')}, but 0.2.0 in ${at('b')}`,
    `6.12: the kernel is k in ${at('a')}, but other in ${at('b')}`,
  ])
  expect(summary.exitStatus).toBe(3)
})

test('runs of different cells are one report, too', async () => {
  toyRun({ cells: [toyCell('6.12', numbered('nvme', 2))], results: at('a') })
  toyRun({ cells: [toyCell('7.3', numbered('nvme', 2))], results: at('b') })
  const { summary } = await merge('a', 'b')
  expect(summary.cells.map(({ name }) => name)).toEqual(['6.12', '7.3'])
  expect([summary.findings, summary.totals.passed + summary.totals.failed]).toEqual([[], 4])
  const { all } = await readAllResults(['a', 'b'].map(at))
  expect(missingCells(all, ['7.3', '7.2', '6.12'])).toEqual(['7.2: nothing was run of this cell'])
})

const refusals: [string, () => void, string][] = [
  ['one shard twice', () => toyRun(toyShard(plan(), 1, 3, at('b'))), 'shard 1/3 is there twice: '],
  [
    'another number of shards',
    () => toyRun(toyShard(plan(), 2, 4, at('b'))),
    'different splits: into 3 and 4',
  ],
  ['all of the run', () => toyRun(plan('b')), 'have results of the same cases'],
  [
    'other cases',
    () => toyRun({ cells: [toyCell('6.12', numbered('nvme', 10))], results: at('b') }),
    'different runs: 1 cases are planned in only one of them, such as nvme/010',
  ],
  [
    'another cell beside',
    () => toyRun({ cells: plan().cells.slice(0, 1), results: at('b') }),
    'different runs: 2 cells are planned in them together, but not all in each',
  ],
  [
    'another split',
    () => {
      const shard = toyShard(plan(), 2, 3, at('b'))
      toyRun({ ...shard, ...(shard.shard && { shard: { ...shard.shard, split: 'other' } }) })
    },
    'were split in different ways',
  ],
  [
    'a case of another shard',
    () => {
      const shard = toyShard(plan(), 2, 3, at('b'))
      toyRun({ ...shard, cells: plan().cells })
    },
    '6.12: nvme/001 has results in ',
  ],
]
test.each(refusals)('results that cannot be in one report are refused: %s', async (_what, make, words) => {
  toyRun(toyShard(plan(), 1, 3, at('a')))
  make()
  const error = await merge('a', 'b').catch((error: unknown) => error)
  expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining(words) })
})

test.each([
  ['nothing', undefined, 'summary.json cannot be read: ENOENT'],
  ['half a file', '{"schema": 4,', 'is damaged'],
  ['another version', '{"schema": 3}', 'has version 3 of the schema, and this copylab reads version'],
  ['something else', '{"schema": 4}', 'is no summary of a run'],
])('a directory with %s is no directory of results', async (_what, text, words) => {
  if (text !== undefined) writeFileSync(at('summary.json'), text)
  const error = await merge('').catch((error: unknown) => error)
  expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining(words) })
})

test('a machine that died before it had begun costs the others nothing but the status', async () => {
  const [one = '', two = ''] = runShards(2, plan(), { verdict: () => 'pass' })
  mkdirSync(at('dead'))
  const { all, findings } = await readAllResults([one, 'dead', two].map(at))
  const { summary } = mergeResults(all, findings)
  expect(summary).toMatchObject({ exitStatus: 3, totals: { passed: 18 } })
  expect(summary.findings).toEqual([`${at('dead')}: nothing was run, there is no summary.json`])
  // A name that is mistyped is another thing.
  for (const names of [['dead'], ['nowhere', one]])
    await expect(readAllResults(names.map(at))).rejects.toMatchObject({ kind: 'usage' })
})

test('no name in a summary leads out of the directory, and no link of a shard is followed', async () => {
  const [one = '', two = ''] = runShards(2)
  const secret = at('secret')
  writeFileSync(secret, 'secret')
  const link = join(at(two), '7.3', 'nodev', 'nvme', '009.full')
  rmSync(link)
  symlinkSync(secret, link)
  await writeMerged(await merge(one, two), at('merged'), signal)
  expect(readdirSync(join(at('merged'), '7.3', 'nodev', 'nvme'))).toContain('009')
  expect(readdirSync(join(at('merged'), '7.3', 'nodev', 'nvme'))).not.toContain('009.full')

  const file = join(at(one), 'summary.json')
  const text = readFileSync(file, 'utf8')
  for (const [name, evil] of [
    ['"6.12"', '"../../x"'],
    ['"6.12"', '".."'],
    ['"nvme/001"', '"../001"'],
  ] as const) {
    writeFileSync(file, text.replaceAll(name, evil))
    await expect(merge(one, two)).rejects.toMatchObject({ kind: 'usage' })
  }
})

test('the merged results do not take the place of a shard', async () => {
  const names = runShards(2)
  await expect(writeMerged(await merge(...names), at('s2'), signal)).rejects.toMatchObject({
    message: expect.stringContaining('has results that are to be merged'),
  })
  expect((await readSummary(at('s2'))).shard?.index).toBe(2)
})

test('only what a run says of its boots is numbered anew', () => {
  const text =
    'see boot-2.console\nmachine: 7.2, tcg, boot 2\nmachine: 7.2, tcg, boot 0\nboot 2, boot-2.log, reboot-2.console'
  expect(renumberBoots(text, 3)).toBe(
    'see boot-5.console\nmachine: 7.2, tcg, boot 5\nmachine: 7.2, tcg, boot 0\nboot 2, boot-2.log, reboot-2.console',
  )
})
