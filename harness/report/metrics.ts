import type { CaseOutcome } from '../run/outcome.ts'

/** What a result file says of a run beyond its verdict, in the order in which it is shown. */
export function metricsOf({ record }: Pick<CaseOutcome, 'record'>): Map<string, string> {
  const metrics = new Map([['runtime', `${(record.runtimeMs / 1000).toFixed(3)}s`]])
  const done = record.copies.flatMap(({ requests }) => requests).filter(({ error }) => error === '0')
  if (!done.length) return metrics
  const sum = (key: 'copied' | 'offloaded') =>
    done.reduce((total, request) => total + Number(request[key]), 0)
  metrics.set('copied', String(sum('copied')))
  // copy_file_range(2) does not say how.
  const offloaded = sum('offloaded')
  if (!Number.isNaN(offloaded)) metrics.set('offloaded', String(offloaded))
  return metrics
}
