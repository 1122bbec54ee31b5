import type { Report } from '../report.ts'

/** summary.json, whose schema is harness/report/summary.ts. */
export function json({ summary }: Report): string {
  return `${JSON.stringify(summary, null, 2)}\n`
}
