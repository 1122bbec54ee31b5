/** `<results>/run.jsonl`: a run as it goes, a line each event, so that a run that was killed can go on. */
import { join } from 'node:path'
import { z } from 'zod'
import { beginJournalFile, continueJournalFile, readJournalFile } from '../journal-file.ts'
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

const kind = { instead: 'start the run anew, without --resume' }

/** Begins a journal, in the place of an older one. @throws Failure('usage') when another copylab writes there */
export function beginJournal(results: string, header: JournalHeader): Promise<JournalWriter> {
  return beginJournalFile(pathOf(results), header)
}

/**
 * Opens the journal of an earlier run.
 * @throws Failure('usage') when there is none, it cannot be read, or the run still goes on
 */
export function continueJournal(results: string): Promise<{ journal: Journal; writer: JournalWriter }> {
  return continueJournalFile(pathOf(results), parse, kind)
}

/** @throws Failure('usage') */
export function readJournal(results: string): Journal {
  return readJournalFile(pathOf(results), parse, kind).journal
}

function parse(header: unknown, entries: unknown[]): Journal {
  return { header: headerSchema.parse(header), entries: entries.map((entry) => entrySchema.parse(entry)) }
}
