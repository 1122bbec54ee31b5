/** Asks `copylab bisect` for a fault that was planted, and says what that took: a line of a table. */
import { appendFile, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import type { BisectResult } from '../../harness/bisect/report/result.ts'
import { projectRoot } from '../../harness/config/load.ts'

export interface Planted {
  name: string
  /** The culprit's id in bisect.json. */
  culprit: string
  /** How many changes it may be. */
  changes: number
  /** After `copylab bisect`. */
  question: readonly string[]
  /** A directory for this bisection alone; `table.txt` beside it gets the line, too. */
  results: string
}

export const header = 'planted    found  steps  least  kernels  attempts  build  tests  minutes'

/**
 * Bisects and prints the line. `found` is yes, or what was said instead; `least` what halving takes for so many
 * changes; build, tests and minutes are in minutes, the last by the clock.
 */
export async function findPlanted({ name, culprit, changes, question, results }: Planted): Promise<void> {
  await rm(results, { recursive: true, force: true })
  const began = Date.now()
  const { exitCode } = await execa(
    process.execPath,
    [join(projectRoot, 'harness/copylab.mjs'), 'bisect', ...question, '--results', results],
    { reject: false, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const text = await readFile(join(results, 'bisect.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return report(results, `${name.padEnd(9)}  NO: without a verdict (${exitCode})`)
  const result: BisectResult = JSON.parse(text)
  const { steps, costs, hidden, outcome } = result
  const right = outcome === 'found' && result.culprit?.id === culprit
  const before = hidden ? ` (or one of ${hidden.changes.length} before)` : ''
  const found = right ? `yes${before}` : `NO: ${result.culprit?.id ?? outcome} (${exitCode})`
  const minutes = (ms: number) => (ms / 60_000).toFixed(1)
  const figures = [steps.length, Math.ceil(Math.log2(changes)), costs.builds, costs.attempts]
  const times = [minutes(costs.buildMs), minutes(costs.testMs), minutes(Date.now() - began)]
  await report(results, [name.padEnd(9), found, ...figures, ...times].join('  '))
}

async function report(results: string, line: string): Promise<void> {
  console.log(line)
  await appendFile(join(dirname(results), 'table.txt'), `${line}\n`)
}
