/**
 * `bisect.jsonl`: what a bisection has found out, a line each answer. The bisection is a function of these answers, so that
 * going on, and looking again at how its verdict came about, are the same work with the answers that are there.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { Failure } from '../failure.ts'
import { beginJournalFile, continueJournalFile, type JournalFile, readJournalFile } from '../journal-file.ts'

export const bisectKinds = ['series', 'tree', 'kconfig'] as const

const headerSchema = z.object({
  /** Version of this format. */
  bisect: z.literal(1),
  startedAt: z.iso.datetime(),
  kind: z.enum(bisectKinds),
  /** What was typed, and where. */
  request: z.object({ cwd: z.string(), options: z.record(z.string(), z.json()) }),
  /** What it is about, as subjectOf() has it. */
  subject: z.record(z.string(), z.string()).default({}),
})

const entrySchema = z.object({
  /** What was asked. */
  ask: z.string(),
  answer: z.json(),
})

export type BisectHeader = z.infer<typeof headerSchema>
export type Entry = z.infer<typeof entrySchema>

/** What there is to know, and was asked already. */
export interface Answers {
  /**
   * The answer to `ask`: the recorded one, or else what `find` comes to, which is then recorded.
   * @throws EndOfJournal when answers are only replayed, and this one is not there
   */
  answer<T>(ask: string, schema: z.ZodType<T>, find: () => Promise<T>): Promise<T>
}

/** An answer that says nothing of any kernel: a trial that the host or copylab has spoilt. */
const lostSchema = z.object({ result: z.literal('infra') })

/** In the place of a question: whoever resumes has mended what spoilt the trials right before. They do not count. */
const resumed = 'resumed'

/** The replayed bisection has come as far as it was. */
export class EndOfJournal extends Error {}

const pathOf = (directory: string) => join(directory, 'bisect.jsonl')
const kind = { instead: "start it with 'copylab bisect series', tree or kconfig" }

export interface BisectJournal extends Answers {
  close(): void
}

/** @throws Failure('usage') when another copylab writes there */
export async function beginAnswers(directory: string, header: BisectHeader): Promise<BisectJournal> {
  return answers([], await beginJournalFile(pathOf(directory), header))
}

/** @throws Failure('usage') when there is nothing to go on with */
export async function continueAnswers(directory: string): Promise<BisectJournal> {
  const { journal, writer } = await continueJournalFile(pathOf(directory), parse, kind)
  const { entries } = journal
  const last = entries.at(-1)
  if (last && isLost(last)) {
    const mark = { ask: resumed, answer: 'what was lost to the host right before counts no more' }
    writer.append(mark)
    entries.push(mark)
  }
  return answers(counted(entries), writer)
}

/** @throws Failure('usage') */
export function readAnswers(directory: string): {
  header: BisectHeader
  entries: readonly Entry[]
  answers: Answers
} {
  const { header, entries } = readJournalFile(pathOf(directory), parse, kind).journal
  return { header, entries, answers: answers(counted(entries)) }
}

function isLost({ answer }: Entry): boolean {
  return lostSchema.safeParse(answer).success
}

/** Else the bisection would give up again where it gave up before. */
function counted(entries: readonly Entry[]): Entry[] {
  const left: Entry[] = []
  for (const entry of entries) {
    if (entry.ask !== resumed) left.push(entry)
    else for (let last = left.at(-1); last && isLost(last); last = left.at(-1)) left.pop()
  }
  return left
}

function parse(header: unknown, entries: unknown[]): { header: BisectHeader; entries: Entry[] } {
  return { header: headerSchema.parse(header), entries: entries.map((entry) => entrySchema.parse(entry)) }
}

function answers(entries: readonly Entry[], file?: JournalFile): BisectJournal {
  let position = 0
  return {
    async answer(ask, schema, find) {
      const entry = entries[position]
      if (entry) {
        if (entry.ask !== ask) {
          throw new Failure('usage', `the bisection asks '${ask}' where its journal answers '${entry.ask}'`, {
            remedy: 'something else changed since: the series, copylab.yaml or copylab itself; start it anew',
          })
        }
        position += 1
        return schema.parse(entry.answer)
      }
      if (!file) throw new EndOfJournal()
      const found = await find()
      file.append({ ask, answer: found })
      return found
    },
    close: () => file?.close(),
  }
}
