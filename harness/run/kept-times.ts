/** Times in files: those that this machine keeps in its cache, and one that the user names. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory, publish } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import { Failure } from '../failure.ts'
import { readSummary } from '../report/read-summary.ts'
import { summarySchema } from '../report/summary.ts'
import { noTimes, type Times, timesOf, timesSchema, withTimes } from './times.ts'

/**
 * What a file has that `copylab report --format times` wrote, or the summary.json of a run.
 * @throws Failure('usage'): to go on without would split the plan in another way than the other machines do
 */
export async function readTimes(file: string): Promise<Times> {
  const remedy =
    'give a file that copylab report --format times=FILE has written, or the summary.json of a run'
  let content: unknown
  try {
    content = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    throw new Failure('usage', `--times: cannot read ${file}: ${(cause as Error).message}`, { remedy, cause })
  }
  const times = timesSchema.safeParse(content)
  if (times.success) return times.data
  const summary = summarySchema.safeParse(content)
  if (summary.success) return timesOf(summary.data)
  throw new Failure('usage', `--times: ${file} has no recorded times`, { remedy })
}

function keptFile(): string {
  return join(cacheDirectory(), 'times.json')
}

/** What this machine's runs took. A damaged file is as good as none, and the next run replaces it. */
export async function keptTimes(note: (message: string) => void = () => {}): Promise<Times> {
  const file = keptFile()
  try {
    return timesSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') note(`${file} is of no use: ${code ? message : 'it is damaged'}`)
    return noTimes
  }
}

/**
 * Keeps in the cache what the cases of a run took. That this is not possible is no reason for a run to fail.
 * @param results the run's directory
 */
export async function keepTimes(results: string, note: (message: string) => void): Promise<void> {
  try {
    const newer = timesOf(await readSummary(results))
    if (!Object.keys(newer.cells).length) return
    const keep = async () => {
      const times = withTimes(await keptTimes(), newer)
      await publish(keptFile(), (temporary) => writeFile(temporary, `${JSON.stringify(times)}\n`))
    }
    // Of two runs that end at once neither loses its times; one that was stopped keeps no other from ending.
    await withLock('times', keep, { signal: AbortSignal.timeout(10_000) })
  } catch (error) {
    note(`what the cases took is not kept: ${(error as Error).message}`)
  }
}
