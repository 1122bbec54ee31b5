/**
 * A file of JSON lines that work leaves as it goes, so that it can go on when it was killed. It is only ever appended
 * to; what a kill cuts short is the last line, which then does not count.
 */
import { appendFileSync, closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { flock } from './cache/lock.ts'
import { Failure } from './failure.ts'

/** The end of a journal that is written to, and that no other process writes to. */
export interface JournalFile {
  append(entry: unknown): void
  close(): void
}

export interface JournalKind {
  /** What is told when there is no journal: `start a run without --resume`. */
  instead: string
}

/** Begins a journal, in the place of an older one. @throws Failure('usage') when another copylab writes there */
export async function beginJournalFile(path: string, header: unknown): Promise<JournalFile> {
  const file = await openAlone(path)
  ftruncateSync(file)
  writeSync(file, `${JSON.stringify(header)}\n`)
  return writer(file)
}

/**
 * Opens an earlier journal at its end. `parse` reads its lines.
 * @throws Failure('usage') when there is none, it cannot be read, or the work still goes on
 */
export async function continueJournalFile<Journal>(
  path: string,
  parse: (header: unknown, entries: unknown[]) => Journal,
  kind: JournalKind,
): Promise<{ journal: Journal; writer: JournalFile }> {
  // Whoever resumes nothing leaves no file behind.
  readJournalFile(path, parse, kind)
  const file = await openAlone(path)
  const { bytes, journal } = readJournalFile(path, parse, kind)
  ftruncateSync(file, bytes)
  return { journal, writer: writer(file) }
}

/** `bytes`: how long it is without what a kill cut short. @throws Failure('usage') */
export function readJournalFile<Journal>(
  path: string,
  parse: (header: unknown, entries: unknown[]) => Journal,
  { instead }: JournalKind,
): { journal: Journal; bytes: number } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Failure('usage', `there is nothing to resume: ${(cause as Error).message}`, {
      remedy: `name its directory with --results, or ${instead}`,
      cause,
    })
  }
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  const [first, ...rest] = whole.split('\n').slice(0, -1)
  if (first === undefined)
    throw new Failure('usage', `there is nothing to resume: ${path} says nothing`, { remedy: instead })
  try {
    const entries = rest.map((line) => JSON.parse(line))
    return { journal: parse(JSON.parse(first), entries), bytes: Buffer.byteLength(whole) }
  } catch (cause) {
    throw new Failure('usage', `${path} is damaged, or of another copylab`, { remedy: instead, cause })
  }
}

async function openAlone(path: string): Promise<number> {
  const file = openSync(path, 'a')
  // The kernel drops the lock when this process ends, however it ends.
  if ((await flock(file, ['--exclusive', '--nonblock'])) === 0) return file
  closeSync(file)
  throw new Failure('usage', `another copylab writes its results to ${dirname(path)}`, {
    remedy: 'wait for it, or name another directory with --results',
  })
}

function writer(file: number): JournalFile {
  return {
    append: (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`),
    close: () => closeSync(file),
  }
}
