/** What blktests' ./check prints: a line a case, then its metrics beside those of the last run. */
import type { CaseOutcome, RunReporter, Verdict } from '../run/outcome.ts'
import { metricsOf } from './metrics.ts'
import { readResult, resultPath } from './results-directory.ts'

export interface ConsoleOptions {
  /** Directory of results, read for the last run's values before it is overwritten. */
  results: string
  stream: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  /** Default: whether the stream is a terminal, unless NO_COLOR is set. */
  colour?: boolean
  /** Outcomes of earlier sittings. */
  before?: readonly Pick<CaseOutcome, 'id' | 'verdict'>[]
}

/** Lines of a failure that are shown; all of it is in .out.bad. */
const shownLines = 12

const words = {
  pass: 'passed',
  fail: 'failed',
  'not run': 'not run',
  infra: 'infra',
  'known failure': 'known failure',
} as const
/** ANSI colours, those of blktests: green, red, yellow; infra is magenta, a known failure cyan. */
const colours = { pass: 32, fail: 31, 'not run': 33, infra: 35, 'known failure': 36 } as const

export function consoleReporter({ results, stream, colour, before = [] }: ConsoleOptions): RunReporter {
  const terminal = stream.isTTY === true
  const paint = painter(colour ?? isColoured(stream))
  let open = false
  const outcomes: Pick<CaseOutcome, 'id' | 'verdict'>[] = [...before]

  return {
    onCaseStart(_facts, started) {
      // The status follows on the same line, written anew: a title that wraps could not be taken back.
      open = terminal && title(started).length < (stream.columns ?? 80)
      if (open) stream.write(title(started))
    },
    onCaseEnd({ cell }, outcome) {
      if (open) stream.write('\r\u001b[K')
      open = false
      outcomes.push(outcome)
      stream.write(showCase(outcome, readResult(resultPath(results, cell.name, outcome.id)), paint))
    },
    onRunEnd() {
      if (open) stream.write('\r\u001b[K')
      open = false
      for (const line of unwellLines(outcomes, paint)) stream.write(`${line}\n`)
    },
  }
}

/** Colours text with an ANSI code, or leaves it as it is. */
export type Paint = (code: number, text: string) => string

export function painter(coloured: boolean): Paint {
  return (code, text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text)
}

export function isColoured({ isTTY }: { isTTY?: boolean }): boolean {
  return isTTY === true && !process.env.NO_COLOR
}

/** What went wrong, a line a verdict: among hundreds of lines a failure is not to be searched for. */
export function unwellLines(
  outcomes: readonly Pick<CaseOutcome, 'id' | 'verdict'>[],
  paint: Paint,
): string[] {
  const unwell = new Map<Verdict, string[]>()
  for (const { id, verdict } of outcomes) {
    if (verdict === 'pass' || verdict === 'not run') continue
    unwell.set(verdict, [...(unwell.get(verdict) ?? []), id])
  }
  return [...unwell].map(([verdict, ids]) => `${paint(colours[verdict], words[verdict])}: ${ids.join(' ')}`)
}

/** What is shown of a case. */
export type ShownCase = Omit<CaseOutcome, 'group' | 'startedAt'>

/**
 * A case's line and those below it.
 * @param last `key` and `value` of the last run's result
 */
export function showCase(shown: ShownCase, last: Map<string, string>, paint: Paint): string {
  const { verdict } = shown
  const first = `${title(shown)} [${paint(colours[verdict], words[verdict])}]\n`
  return [first, ...below(shown, last).map((line) => `    ${line}\n`)].join('')
}

function title({ id, description }: Pick<ShownCase, 'id' | 'description'>): string {
  return `${id} (${description})`.padEnd(60)
}

function below(outcome: ShownCase, last: Map<string, string>): string[] {
  const { verdict, reason = '', details = '', known, record, command } = outcome
  if (verdict === 'not run') return [reason]
  // A case that never began has nothing to compare.
  const metrics = record.runtimeMs ? metricTable(metricsOf(outcome), last) : []
  if (verdict === 'pass') return metrics
  if (known) return [...metrics, reason, known.reason, known.link]
  const kernel =
    record.splat === undefined ? [] : ['kernel messages:', ...record.dmesg.trimEnd().split('\n').slice(-5)]
  const lines = [...details.split('\n'), ...kernel]
  const more = lines.length > shownLines ? ['...'] : []
  return [...metrics, ...lines.slice(0, shownLines), ...more, `again: ${command}`]
}

/** `key  last  ...  now`, as `column -t` would align it. */
function metricTable(metrics: Map<string, string>, last: Map<string, string>): string[] {
  const rows = [...metrics].map(([key, value]) => [key, last.get(key) ?? '', value] as const)
  const width = (index: 0 | 1) => Math.max(...rows.map((row) => row[index].length))
  const [keys, values] = [width(0), width(1)]
  return rows.map(([key, before, now]) => {
    const middle = values ? `${before.padEnd(values)}  ` : ''
    return `${key.padEnd(keys)}  ${middle}...  ${now}`
  })
}
