/** Results as blktests leaves them: `<results>/<cell>/nodev/<group>/<nnn>` with `.full`, `.out.bad` and `.dmesg` beside it. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { quoted } from '../../qemu/lost.ts'
import { describeFailure, Failure } from '../failure.ts'
import { makeDirectories } from '../make-directories.ts'
import { lastLookId } from '../run/last-look.ts'
import type { CaseOutcome, CellFacts, RunReporter } from '../run/outcome.ts'
import { patchesOf } from '../series/load.ts'
import { metricsOf } from './metrics.ts'

/** The file of a case's result. `nodev`: the cases choose their devices by themselves. */
export function resultPath(results: string, cell: string, id: string): string {
  return join(results, cell, 'nodev', id)
}

/** The `key<TAB>value` lines of a result; empty when there is none. */
export function readResult(path: string): Map<string, string> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return new Map()
  }
  const lines = text.split('\n').filter((line) => line.includes('\t'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)]))
}

const suffixes = ['.full', '.out.bad', '.dmesg']

/**
 * Makes the directory before anything is built or measured: whoever cannot write there should know at once.
 * @throws Failure('usage')
 */
export async function provideResults(results: string): Promise<void> {
  try {
    await makeDirectories(results)
    await access(results, constants.W_OK)
  } catch (cause) {
    throw new Failure('usage', `cannot write results to ${results}: ${(cause as Error).message}`, {
      remedy: 'name another directory with --results',
      cause,
    })
  }
}

/** Why a cell has come to nothing, in its directory. */
export const failureFile = 'failure'

/**
 * Writes each result as soon as it is there, so that an interrupted run keeps what it has. Results of cases that did not
 * run since their cell came to nothing stay those of the last run.
 * @param begun cells that have results of an earlier sitting of this run
 */
export function resultsDirectory(results: string, begun: ReadonlySet<string> = new Set()): RunReporter {
  return {
    onCellStart({ cell }) {
      rmSync(join(results, cell.name, failureFile), { force: true })
      if (begun.has(cell.name)) return
      // It is written only when there is a complaint; that of the last run is none of this one.
      const path = resultPath(results, cell.name, lastLookId)
      for (const suffix of ['', ...suffixes]) rmSync(path + suffix, { force: true })
    },
    onCellFailed({ name }, failure) {
      mkdirSync(join(results, name), { recursive: true })
      writeFileSync(join(results, name, failureFile), `${describeFailure(failure)}\n`)
    },
    onCaseEnd(facts, outcome) {
      const path = resultPath(results, facts.cell.name, outcome.id)
      mkdirSync(dirname(path), { recursive: true })
      for (const suffix of suffixes) rmSync(path + suffix, { force: true })
      writeFileSync(path, resultText(outcome))
      if (outcome.verdict === 'not run') return
      writeFileSync(`${path}.full`, fullText(facts, outcome))
      if (outcome.details !== undefined) writeFileSync(`${path}.out.bad`, `${outcome.details}\n`)
      // blktests keeps the kernel's messages when they are why the test failed; a failure of ours is told by them, too.
      if (outcome.verdict !== 'pass' && outcome.record.dmesg)
        writeFileSync(`${path}.dmesg`, `${outcome.record.dmesg}\n`)
    },
  }
}

const statuses = {
  pass: 'pass',
  fail: 'fail',
  'not run': 'not run',
  infra: 'not run',
  'known failure': 'fail',
} as const

/**
 * blktests knows no verdict for failures of the harness: its readers see `not run` with a reason that begins with
 * `infra: `. A known failure is `fail` with one more line that says why it is one. summary.json has the verdicts by name.
 */
function resultText(outcome: CaseOutcome): string {
  const { verdict, startedAt, description, reason = '', known, record } = outcome
  const status = statuses[verdict]
  const lines: [string, string][] = [
    ['date', localDate(startedAt)],
    ['description', description],
    ['status', status],
  ]
  if (verdict === 'not run') lines.push(['reason', reason])
  if (verdict === 'infra') lines.push(['reason', `infra: ${reason}`])
  if (status === 'fail') lines.push(['reason', record.splat === undefined ? 'output' : 'dmesg'])
  if (known) lines.push(['known_failure', `${known.reason} ${known.link}`])
  if (status !== 'not run') lines.push(['exit_status', status === 'pass' ? '0' : '1'], ...metricsOf(outcome))
  return lines.map(([key, value]) => `${key}\t${value.replace(/\s+/g, ' ')}\n`).join('')
}

/** `date --iso-8601=seconds` is not what blktests uses, but `date "+%Y-%m-%d %H:%M:%S"`. */
function localDate(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`
}

function fullText({ kernel, series, machine }: CellFacts, outcome: CaseOutcome): string {
  const { id, description, command, record, details } = outcome
  const copies = record.copies.flatMap(({ requests, traced, device, witnesses }, index) => [
    ...requests.flatMap(({ path, from, to, bytes, ...result }) => [
      `copy ${index + 1}: ${bytes} bytes, ${from.target}+${from.offset} to ${to.target}+${to.offset} (${path})`,
      `  guest: ${inWords(result)}`,
    ]),
    `  traced: ${traced ? inWords(traced) : 'nothing is known'}`,
    `  devices: ${device ? inWords(device) : 'nothing is known'}`,
    `  borne out by: ${inWords(witnesses)}`,
  ])
  const hosts = record.host.map(({ disk, sha256, changed }) => {
    const ranges = changed.map(({ offset, bytes }) => `${offset}+${bytes}`)
    return `host: ${disk} has sha256 ${sha256}, to be changed at ${ranges.join(', ') || 'nothing'}`
  })
  return [
    `${id}: ${description}`,
    `again: ${command}`,
    `kernel: ${kernel.release} ${kernel.image}`,
    `series: ${series ? `${patchesOf(series)} of ${series.name}, ${series.hash}` : 'none'}`,
    `machine: ${machine.qemuVersion}, ${machine.accel}, boot ${record.boot}`,
    `by hand: ${quoted(record.qemu)}`,
    '',
    ...copies,
    ...hosts,
    ...(details === undefined ? [] : ['', details]),
    '',
    'kernel messages:',
    record.dmesg.trimEnd(),
    '',
  ].join('\n')
}

function inWords(record: object): string {
  return Object.entries(record)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join('; ') || 'none' : value}`)
    .join(', ')
}
