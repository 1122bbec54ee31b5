import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Failure } from '../failure.ts'
import { type Summary, summarySchema, summaryVersion } from './summary.ts'

/**
 * What a run, or a report that merged shards, has left in its directory of results.
 * @throws Failure('usage')
 */
export async function readSummary(results: string): Promise<Summary> {
  const file = join(results, 'summary.json')
  const refuse = (what: string, remedy: string, cause?: unknown) =>
    new Failure('usage', `${file} ${what}`, { remedy, cause })
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const what = `cannot be read: ${(cause as Error).message}`
    throw refuse(what, 'give directories that copylab run has written its results to', cause)
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw refuse(`is damaged: ${(cause as Error).message}`, 'copy it again from where it was written', cause)
  }
  const { success, data, error } = summarySchema.safeParse(content)
  if (success) return data
  const version = z.object({ schema: z.number() }).safeParse(content).data?.schema
  if (version !== undefined && version !== summaryVersion)
    throw refuse(
      `has version ${version} of the schema, and this copylab reads version ${summaryVersion}`,
      'use the copylab that wrote it',
    )
  const [first] = error.issues
  const where = first?.path.join('.') || 'the file'
  throw refuse(
    `is no summary of a run: ${where}: ${first?.message}`,
    'give directories that copylab run has written its results to',
  )
}
