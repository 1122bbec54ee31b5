import type { Failure } from '../failure.ts'
import type { SeriesFacts } from '../series/load.ts'
import type { Cell } from './plan.ts'
import type { CaseRecord } from './record.ts'

/**
 * `infra`: the harness or the host failed, and nothing is known about the kernel. `known failure`: a bug of the tree or of
 * QEMU that tests/known-failures.yaml has.
 */
export type Verdict = 'pass' | 'fail' | 'not run' | 'infra' | 'known failure'

/** What came of a case. */
export interface CaseOutcome {
  id: string
  group: string
  description: string
  verdict: Verdict
  /** One line why: of any verdict but `pass`. */
  reason?: string
  /** All that is known of a failure. */
  details?: string
  /** Of a known failure: whose fault it is, and where one can read about it. */
  known?: { reason: string; link: string }
  startedAt: Date
  record: CaseRecord
  /** Runs this case again. */
  command: string
}

/** A cell with what was found out about it before its first case. */
export interface CellFacts {
  cell: Cell
  treeVersion: string
  series: SeriesFacts | null
  kernel: { key: string; release: string; compiler: string; image: string }
  machine: { qemu: string; qemuVersion: string; accel: 'kvm' | 'tcg'; cpus: number; memoryMiB: number }
  /** The topology of the cell's guests. */
  topology: string
  /** Milliseconds that it took to provide all this. */
  preparedMs: number
}

/** Hears of a run as it goes; every hook is optional. A format is one of these. */
export interface RunReporter {
  onCellStart?(facts: CellFacts): void
  onCaseStart?(facts: CellFacts, started: { id: string; description: string }): void
  onCaseEnd?(facts: CellFacts, outcome: CaseOutcome): void
  /**
   * The cell has come to nothing, or was cut short: nothing more is heard of it. `rest` are those of its cases that
   * nothing was heard of before, all with the verdict `infra`.
   */
  onCellFailed?(cell: Cell, failure: Failure, rest: readonly CaseOutcome[]): void
  /** Once, also when the run was interrupted. `failure`: it ends with this error, whatever the verdicts are. */
  onRunEnd?(end: { interrupted: boolean; failure?: Failure | undefined }): void
}

/** As `copylab` ends. */
export function failureStatus({ kind }: Failure): 2 | 3 {
  return kind === 'usage' ? 2 : 3
}

export interface Totals {
  passed: number
  failed: number
  skipped: number
  infra: number
  known: number
}

export const noTotals: Totals = { passed: 0, failed: 0, skipped: 0, infra: 0, known: 0 }

const totalOf = {
  pass: 'passed',
  fail: 'failed',
  'not run': 'skipped',
  infra: 'infra',
  'known failure': 'known',
} as const

export function count(outcomes: readonly { verdict: Verdict }[]): Totals {
  const totals = { ...noTotals }
  for (const { verdict } of outcomes) totals[totalOf[verdict]] += 1
  return totals
}

/** The last line of a run: `N passed, N failed, N skipped`, and the numbers of other verdicts if there are any. */
export function closingLine({ passed, failed, skipped, infra, known }: Totals): string {
  const parts = [`${passed} passed, ${failed} failed, ${skipped} skipped`]
  if (known) parts.push(`${known} known failure${known === 1 ? '' : 's'}`)
  if (infra) parts.push(`${infra} without a verdict (infra)`)
  return parts.join(', ')
}

/**
 * 0: all passed, were not run or failed as is known, and at least one passed. 1: a case failed; that outweighs infra, since a failure is
 * known and infra is not. 3: a case has no verdict for infra's sake, or none has run at all, which must not pass
 * for success.
 *
 * Of one shard of a run, none has to pass, nor run: whether enough did is known when the shards are merged.
 */
export function exitStatus({ passed, failed, infra }: Totals, { shard = false } = {}): 0 | 1 | 3 {
  if (failed) return 1
  return infra || !(passed || shard) ? 3 : 0
}
