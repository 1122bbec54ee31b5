import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aboutOf, aboutPlanned, summarizeCase } from '../../../../harness/report/summary.ts'
import {
  beginJournal,
  continueJournal,
  type JournalEntry,
  type JournalHeader,
  readJournal,
} from '../../../../harness/run/journal.ts'
import { lastLookId } from '../../../../harness/run/last-look.ts'
import type { Verdict } from '../../../../harness/run/outcome.ts'
import { RunState } from '../../../../harness/run/state.ts'
import { toyCases, toyCell, toyFacts, toyOutcome } from './toy-run.ts'

let results: string
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
})
afterEach(() => rmSync(results, { recursive: true }))

const header: JournalHeader = {
  ...{ journal: 1, startedAt: '2026-01-23T09:05:07.000Z' },
  request: { cwd: '/home/me', names: ['nvme'], options: { cell: ['x'], matrix: true } },
  plan: [{ cell: 'x', seriesHash: null, kernelKey: null, cases: ['a/001', 'a/002'] }],
}
const cell = toyCell('x')
const begin = (ms: number): JournalEntry => ({
  ...{ cell: 'x', ms, about: aboutOf(toyFacts(cell)), preparedMs: 1000 },
})
const [info] = toyCases('a/001')
const end = (ms: number, id: string, verdict: Verdict = 'pass'): JournalEntry => ({
  ...{
    cell: 'x',
    ms,
    case: summarizeCase(toyOutcome({ ...(info as NonNullable<typeof info>), id }, verdict)),
  },
})

test('what was written is read again, and goes on', async () => {
  const first = await beginJournal(results, header)
  first.append(begin(10))
  first.close()
  const { journal, writer } = await continueJournal(results)
  writer.append(end(500, 'a/001'))
  writer.close()
  expect(journal).toEqual({ header, entries: [begin(10)] })
  expect(readJournal(results)).toMatchObject({ header, entries: [{ ms: 10 }, { ms: 500 }] })
})

test('what a kill has cut short does not count, and is not in the way of what follows', async () => {
  const first = await beginJournal(results, header)
  first.append(begin(10))
  first.close()
  appendFileSync(join(results, 'run.jsonl'), '{"cell":"x","ms":40,"ca')
  const { journal, writer } = await continueJournal(results)
  writer.append(end(500, 'a/001'))
  writer.close()
  expect(journal.entries).toHaveLength(1)
  expect(readJournal(results).entries).toMatchObject([{ ms: 10 }, { ms: 500, case: { id: 'a/001' } }])
})

test('a new run leaves nothing of an older one', async () => {
  const first = await beginJournal(results, header)
  first.append(begin(10))
  first.close()
  const second = await beginJournal(results, header)
  second.close()
  expect(readFileSync(join(results, 'run.jsonl'), 'utf8').trim().split('\n')).toHaveLength(1)
})

test.each([
  ['', 'says nothing'],
  ['{"journal":1', 'says nothing'],
  ['{"journal":2}\n', 'is damaged, or of another copylab'],
  [`${JSON.stringify(header)}\n{"cell":"x"}\n`, 'is damaged, or of another copylab'],
  [`${JSON.stringify(header)}\n\0\0\0\n`, 'is damaged, or of another copylab'],
])('a journal that is none is refused: %j', async (text, message) => {
  writeFileSync(join(results, 'run.jsonl'), text)
  await expect(continueJournal(results)).rejects.toMatchObject({
    ...{ kind: 'usage', message: expect.stringContaining(message) },
  })
})

const ids = (state: RunState) => [...state.verdicts('x').keys()]

test('infra is no verdict, and a case that ran again has its last one', () => {
  const state = new RunState([begin(0), end(200, 'a/001', 'infra'), end(400, 'a/002')])
  expect(ids(state)).toEqual(['a/002'])
  for (const entry of [begin(1000), end(1300, 'a/001')]) state.apply(entry)
  expect(state.cells(['x', 'y'])).toMatchObject([
    { cases: [{ id: 'a/002' }, { id: 'a/001', verdict: 'pass' }] },
  ])
  expect(state.ms).toBe(1300)
})

test('what a cell takes beside its cases is that of its last sitting', () => {
  const state = new RunState([begin(0), end(3000, 'a/001'), begin(10_000), end(10_500, 'a/002')])
  // The case took 100 ms of the 500 since the cell was started, and the cell 1000 before that.
  expect(state.cell('x')?.overheadMs).toBe(1400)
})

test('when nobody could look at the guest after its last case, no case has a verdict', () => {
  const state = new RunState([begin(0), end(100, 'a/001'), end(200, 'a/002'), end(300, lastLookId, 'infra')])
  expect(ids(state)).toEqual([])
})

test('a cell that failed keeps what is known of it until it is started again', () => {
  const failed: JournalEntry = {
    ...{ cell: 'x', ms: 500, about: aboutPlanned(cell), failure: { message: 'lost' } },
    cases: [summarizeCase(toyOutcome({ ...(info as NonNullable<typeof info>), id: 'a/002' }, 'infra'))],
  }
  const state = new RunState([begin(0), end(100, 'a/001'), failed])
  expect(state.cell('x')).toMatchObject({ kernel: { key: 'key-of-x' }, failure: { message: 'lost' } })
  expect(state.cell('x')?.cases.map(({ verdict }) => verdict)).toEqual(['pass', 'infra'])
  state.apply(begin(1000))
  expect(state.cell('x')?.failure).toBeUndefined()
  expect(new RunState([failed]).cell('x')).toMatchObject({ kernel: null, tree: { version: null } })
})
