import type { CaseOutcome } from '../run/outcome.ts'

/** What a result file says of a run beyond its verdict, in the order in which it is shown. */
export function metricsOf({ record }: CaseOutcome): Map<string, string> {
  const metrics = new Map([['runtime', `${(record.runtimeMs / 1000).toFixed(3)}s`]])
  const calls = record.copies.filter(({ guest }) => guest.error === '0')
  if (!calls.length) return metrics
  const sum = (key: 'copied' | 'offloaded') =>
    calls.reduce((total, { guest }) => total + Number(guest[key]), 0)
  metrics.set('copied', String(sum('copied')))
  metrics.set('offloaded', String(sum('offloaded')))
  return metrics
}
