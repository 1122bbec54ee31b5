import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type BisectHeader,
  beginAnswers,
  continueAnswers,
  EndOfJournal,
  readAnswers,
} from '../../../../harness/bisect/journal.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-answers-'))
})
afterEach(() => rm(directory, { recursive: true }))

const header: BisectHeader = {
  ...{ bisect: 1, startedAt: '2026-01-01T00:00:00.000Z', kind: 'series' },
  ...{ request: { cwd: '/', options: { case: 'nvme/001' } }, subject: {} },
}
const never = () => Promise.reject(new Error('it was asked again'))

async function begun(): Promise<void> {
  const journal = await beginAnswers(directory, header)
  expect(await journal.answer('try 1', z.number(), async () => 7)).toBe(7)
  expect(await journal.answer('try 2', z.string(), async () => 'x')).toBe('x')
  journal.close()
}

test('what was answered is not asked again, and what comes after it is', async () => {
  await begun()
  const journal = await continueAnswers(directory)
  expect(await journal.answer('try 1', z.number(), never)).toBe(7)
  expect(await journal.answer('try 2', z.string(), never)).toBe('x')
  expect(await journal.answer('try 3', z.number(), async () => 9)).toBe(9)
  journal.close()
  expect(readAnswers(directory).entries.map(({ ask }) => ask)).toEqual(['try 1', 'try 2', 'try 3'])
})

test('an answer that a kill has cut short is asked for again', async () => {
  await begun()
  await appendFile(join(directory, 'bisect.jsonl'), '{"ask":"try 3","ans')
  const journal = await continueAnswers(directory)
  await journal.answer('try 1', z.number(), never)
  await journal.answer('try 2', z.string(), never)
  expect(await journal.answer('try 3', z.number(), async () => 9)).toBe(9)
  journal.close()
  expect((await readFile(join(directory, 'bisect.jsonl'), 'utf8')).split('\n')).toHaveLength(5)
})

test('what was lost to the host is asked for again by whoever resumes, and only that', async () => {
  const lost = z.object({ result: z.string() })
  const journal = await beginAnswers(directory, header)
  for (const result of ['infra', 'pass', 'infra', 'infra'])
    await journal.answer('try 1', lost, async () => ({ result }))
  journal.close()
  const again = await continueAnswers(directory)
  expect(await again.answer('try 1', lost, never)).toEqual({ result: 'infra' })
  expect(await again.answer('try 1', lost, never)).toEqual({ result: 'pass' })
  expect(await again.answer('try 1', lost, async () => ({ result: 'fail' }))).toEqual({ result: 'fail' })
  again.close()
  const { answers, entries } = readAnswers(directory)
  const seen = [1, 2, 3].map(() => answers.answer('try 1', lost, never))
  expect((await Promise.all(seen)).map(({ result }) => result)).toEqual(['infra', 'pass', 'fail'])
  expect(entries.map(({ ask }) => ask)).toEqual([...Array(4).fill('try 1'), 'resumed', 'try 1'])
})

test('a replay finds nothing out by itself', async () => {
  await begun()
  const { answers } = readAnswers(directory)
  await answers.answer('try 1', z.number(), never)
  await answers.answer('try 2', z.string(), never)
  await expect(answers.answer('try 3', z.number(), never)).rejects.toBeInstanceOf(EndOfJournal)
})

test('another question than the recorded one says that something else has changed', async () => {
  await begun()
  const { answers } = readAnswers(directory)
  await expect(answers.answer('try 9', z.number(), never)).rejects.toThrow(
    "the bisection asks 'try 9' where its journal answers 'try 1'",
  )
})

test('two do not write to one journal', async () => {
  const journal = await beginAnswers(directory, header)
  await expect(continueAnswers(directory)).rejects.toThrow('another copylab writes its results')
  journal.close()
})

test('nothing, and something else, is no journal', async () => {
  expect(() => readAnswers(directory)).toThrow(/there is nothing to resume: ENOENT/)
  await writeFile(join(directory, 'bisect.jsonl'), '{"bisect":2}\n')
  expect(() => readAnswers(directory)).toThrow('is damaged, or of another copylab')
})
