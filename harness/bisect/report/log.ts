/** A bisection's journal for people, a line each attempt. */
import { duration } from '../../report/progress.ts'
import { trialSchema } from '../attempt/trial.ts'
import type { BisectHeader, Entry } from '../journal.ts'

export function logLines({ kind, startedAt, request }: BisectHeader, entries: readonly Entry[]): string[] {
  const typed = Object.entries(request.options).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  return [`bisect ${kind}, begun ${startedAt}: ${typed.join(', ')}`, ...entries.map(entryLine)]
}

function entryLine({ ask, answer }: Entry): string {
  const parsed = trialSchema.safeParse(answer)
  if (!parsed.success) {
    const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
    return `${ask}: ${Array.isArray(answer) ? answer.join(', ') || 'none' : text}`
  }
  const trial = parsed.data
  const why = trial.result === 'pass' ? trial.evidence.join('; ') : trial.reason
  const kernel = trial.built ? `built in ${duration(trial.buildMs)}` : 'kernel from the cache'
  const what = [trial.result, ...(why ? [why] : [])].join(': ')
  return `${ask}: ${what} (${kernel}, tested in ${duration(trial.testMs)}, ${trial.directory})`
}
