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
}

/** Lines of a failure that are shown; all of it is in .out.bad. */
const shownLines = 12

export const words = {
  pass: 'passed',
  fail: 'failed',
  'not run': 'not run',
  infra: 'infra',
  'known failure': 'known failure',
} as const
/** ANSI colours, those of blktests: green, red, yellow; infra is magenta, a known failure cyan. */
const colours = { pass: 32, fail: 31, 'not run': 33, infra: 35, 'known failure': 36 } as const

export function consoleReporter({ results, stream, colour }: ConsoleOptions): RunReporter {
  const terminal = stream.isTTY === true
  const coloured = colour ?? (terminal && !process.env.NO_COLOR)
  const paint = (code: number, text: string) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text)
  let open = false
  const unwell = new Map<Verdict, string[]>()

  return {
    onCaseStart(_facts, started) {
      // The status follows on the same line, written anew: a title that wraps could not be taken back.
      open = terminal && title(started).length < (stream.columns ?? 80)
      if (open) stream.write(title(started))
    },
    onCaseEnd({ cell }, outcome) {
      const { verdict } = outcome
      if (open) stream.write('\r\u001b[K')
      open = false
      if (verdict !== 'pass' && verdict !== 'not run')
        unwell.set(verdict, [...(unwell.get(verdict) ?? []), outcome.id])
      stream.write(showCase(outcome, readResult(resultPath(results, cell.name, outcome.id)), paint))
    },
    onRunEnd() {
      if (open) stream.write('\r\u001b[K')
      open = false
      // Among hundreds of lines a failure is not to be searched for.
      for (const [verdict, ids] of unwell)
        stream.write(`${paint(colours[verdict], words[verdict])}: ${ids.join(' ')}\n`)
    },
  }
}

/** What is shown of a case. */
export type ShownCase = Omit<CaseOutcome, 'group' | 'startedAt'>

/**
 * A case's line and those below it.
 * @param last `key` and `value` of the last run's result
 * @param paint colours text with an ANSI code, or leaves it as it is
 */
export function showCase(
  shown: ShownCase,
  last: Map<string, string>,
  paint: (code: number, text: string) => string,
): string {
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
