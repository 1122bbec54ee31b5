import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { plannedCells } from '../matrix/planned.ts'
import { parseFormat } from '../report/formats/formats.ts'
import { mergeResults } from '../report/merge.ts'
import { readAllResults } from '../report/read-results.ts'
import { type Report, readTexts } from '../report/report.ts'
import { readResult, resultPath } from '../report/results-directory.ts'
import { missingCells } from '../report/sort-runs.ts'
import { writeMerged } from '../report/write-merged.ts'
import { writeReport } from '../report/write-reports.ts'
import { closingLine } from '../run/outcome.ts'
import type { CommandContext } from './run.ts'

export interface ReportOptions {
  /** All cells of the matrix are expected. */
  matrix?: boolean | undefined
  /** Where the merged results are written; undefined: nowhere. */
  output?: string | undefined
  /** `NAME` or `NAME=FILE` each. */
  format?: string[] | undefined
}

/**
 * `copylab report RESULTS…`: what one machine would have printed and left that had run all of it. Returns the exit
 * status: that of such a run, or 3 when something of it is missing or does not fit together and no case failed.
 * @throws Failure
 */
export async function report(
  directories: readonly string[],
  options: ReportOptions,
  { cwd, signal }: CommandContext,
): Promise<number> {
  const wanted = (options.format ?? []).map((text) => parseFormat(text, '--format'))
  const [printed, second] = wanted.filter(({ file }) => file === undefined)
  if (second)
    throw new Failure('usage', `--format: ${printed?.name} and ${second.name} cannot both be printed`, {
      remedy: `write one of them to a file: --format ${second.name}=FILE`,
    })
  const { all, findings } = await readAllResults(directories.map((one) => resolve(cwd, one)))
  const cells = options.matrix ? await plannedCells(await loadConfig(cwd), { matrix: true }) : []
  const expected = cells.map(({ name }) => name)
  const merged = mergeResults(all, [...findings, ...missingCells(all, expected)])
  const output = options.output === undefined ? undefined : resolve(cwd, options.output)
  const { summary } = merged
  const shown: Report = {
    summary,
    textsOf: await readTexts(merged.parts),
    lastOf: (cell, id) => (output === undefined ? new Map() : readResult(resultPath(output, cell, id))),
  }
  const { name, format } = printed ?? parseFormat('blktests', '--format')
  // The last run's values are shown, which the merged results then overwrite.
  const text = format(shown)
  if (output !== undefined) await writeMerged(merged, output, signal)
  for (const { file, format } of wanted)
    if (file !== undefined) await writeReport(resolve(cwd, file), format(shown))
  process.stdout.write(text)
  // What a program reads on standard output has to end where its format does.
  const last = name === 'blktests' ? process.stdout : process.stderr
  if (name !== 'blktests') for (const finding of summary.findings) last.write(`${finding}\n`)
  last.write(`${closingLine(summary.totals)}\n`)
  return summary.exitStatus
}
