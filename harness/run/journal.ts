/**
 * `<results>/run.jsonl`: a run as it goes, a line each event, so that a run that was killed can go on. It is only ever
 * appended to; what a kill cuts short is the last line, which then does not count.
 */
import { appendFileSync, closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { flock } from '../cache/lock.ts'
import { Failure } from '../failure.ts'
import { caseSummarySchema, cellAboutSchema, failureSchema } from '../report/summary.ts'

/** A planned cell, as far as another run's results could not pass for its own. */
const plannedSchema = z.object({
  cell: z.string(),
  /** null: the tree as it is. */
  seriesHash: z.string().nullable(),
  /** null: it was not known before the tree was fetched. */
  kernelKey: z.string().nullable(),
  cases: z.array(z.string()),
})

const headerSchema = z.object({
  /** Version of this format. */
  journal: z.literal(1),
  startedAt: z.iso.datetime(),
  /** What was typed, and where. */
  request: z.object({
    cwd: z.string(),
    names: z.array(z.string()),
    options: z.record(z.string(), z.json()),
  }),
  plan: z.array(plannedSchema),
})

const entrySchema = z.union([
  /** Its machine and kernel are there, after `preparedMs`, and it is booted. */
  z.object({ cell: z.string(), ms: z.number(), about: cellAboutSchema, preparedMs: z.number() }),
  z.object({ cell: z.string(), ms: z.number(), case: caseSummarySchema }),
  z.object({
    ...{ cell: z.string(), ms: z.number(), about: cellAboutSchema },
    ...{ failure: failureSchema, cases: z.array(caseSummarySchema) },
  }),
])

export type JournalPlan = z.infer<typeof plannedSchema>
export type JournalHeader = z.infer<typeof headerSchema>
/** `ms`: milliseconds that the run had taken, in all sittings. */
export type JournalEntry = z.infer<typeof entrySchema>

export interface Journal {
  header: JournalHeader
  entries: JournalEntry[]
}

/** The end of a journal that is written to, and that no other process writes to. */
export interface JournalWriter {
  append(entry: JournalEntry): void
  close(): void
}

const pathOf = (results: string) => join(results, 'run.jsonl')

/** Begins a journal, in the place of an older one. @throws Failure('usage') when another copylab writes there */
export async function beginJournal(results: string, header: JournalHeader): Promise<JournalWriter> {
  const file = await openAlone(results)
  ftruncateSync(file)
  writeSync(file, `${JSON.stringify(header)}\n`)
  return writer(file)
}

/**
 * Opens the journal of an earlier run.
 * @throws Failure('usage') when there is none, it cannot be read, or the run still goes on
 */
export async function continueJournal(results: string): Promise<{ journal: Journal; writer: JournalWriter }> {
  // Whoever resumes nothing leaves no file behind.
  readJournal(results)
  const file = await openAlone(results)
  const { bytes, ...journal } = readJournal(results)
  ftruncateSync(file, bytes)
  return { journal, writer: writer(file) }
}

/** `bytes`: how long it is without what a kill cut short. @throws Failure('usage') */
export function readJournal(results: string): Journal & { bytes: number } {
  const path = pathOf(results)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Failure('usage', `there is nothing to resume: ${(cause as Error).message}`, {
      remedy: 'name the directory of the run with --results, or start a run without --resume',
      cause,
    })
  }
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  const [first, ...rest] = whole.split('\n').slice(0, -1)
  if (first === undefined)
    throw new Failure('usage', `there is nothing to resume: ${path} says nothing of a run`)
  try {
    const header = headerSchema.parse(JSON.parse(first))
    return {
      header,
      entries: rest.map((line) => entrySchema.parse(JSON.parse(line))),
      bytes: Buffer.byteLength(whole),
    }
  } catch (cause) {
    throw new Failure('usage', `${path} is damaged, or of another copylab`, {
      remedy: 'start the run anew, without --resume',
      cause,
    })
  }
}

async function openAlone(results: string): Promise<number> {
  const file = openSync(pathOf(results), 'a')
  // The kernel drops the lock when this process ends, however it ends.
  if ((await flock(file, ['--exclusive', '--nonblock'])) === 0) return file
  closeSync(file)
  throw new Failure('usage', `another copylab writes its results to ${results}`, {
    remedy: 'wait for it, or name another directory with --results',
  })
}

function writer(file: number): JournalWriter {
  return {
    append: (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`),
    close: () => closeSync(file),
  }
}
