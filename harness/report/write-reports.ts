/** What a run writes beside its results when it ends: `copylab run --reporter`. */
import { access, constants, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Failure } from '../failure.ts'
import type { Plan } from '../run/plan.ts'
import { parseFormat, type WantedFormat } from './formats/formats.ts'
import type { CellPart } from './merge.ts'
import { readSummary } from './read-summary.ts'
import { type Report, readTexts } from './report.ts'
import { isLost } from './summary.ts'

/** Names in the directory of results, where the user gave none. */
const usualFiles: Record<string, string> = { junit: 'junit.xml', html: 'report.html', times: 'times.json' }

/**
 * What the words of `--reporter` ask for.
 * @throws Failure('usage') also for a file that could not be written when the run is over
 */
export async function wantedReports(words: readonly string[], cwd: string): Promise<WantedFormat[]> {
  const wanted = words.map((text) => {
    const { file, ...format } = parseFormat(text, '--reporter')
    return { ...format, file: file && resolve(cwd, file) }
  })
  for (const { file } of wanted) {
    if (file === undefined) continue
    const directory = dirname(file)
    await access(directory, constants.W_OK).catch((cause: Error) => {
      throw new Failure('usage', `--reporter: cannot write to ${directory}: ${cause.message}`, { cause })
    })
  }
  return wanted
}

/**
 * Writes the results of a run in other formats. Of a shard they tell of its own part alone.
 * @throws Failure('usage') when a file cannot be written
 */
export async function writeReports({ cells, results }: Plan, wanted: readonly WantedFormat[]): Promise<void> {
  if (!wanted.length) return
  const { plan, ...summary } = await readSummary(results)
  const own = new Map(cells.map(({ cell, cases }) => [cell.name, cases.map(({ id }) => id)]))
  const parts = summary.cells.map((cell): [string, CellPart[]] => {
    const cases = new Map(
      cell.cases.map((one) => [one.id, { merged: one, id: one.id, files: !isLost(cell, one) }]),
    )
    return [cell.name, [{ directory: results, bootsBefore: 0, cases, failed: cell.failure !== undefined }]]
  })
  const report: Report = {
    summary: {
      ...summary,
      plan: plan.flatMap((one) => {
        const cases = own.get(one.cell)
        return cases ? [{ ...one, cases }] : []
      }),
    },
    textsOf: await readTexts(new Map(parts)),
    lastOf: () => new Map(),
  }
  for (const { name, format, file } of wanted)
    await writeReport(file ?? join(results, usualFiles[name] ?? `report.${name}`), format(report))
}

/** @throws Failure('usage') */
export async function writeReport(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (cause) {
    throw new Failure('usage', `cannot write ${path}: ${(cause as Error).message}`, { cause })
  }
}
