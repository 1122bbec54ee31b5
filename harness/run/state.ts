/** What has become of a run so far, sitting by sitting: made of the entries of its journal, read or written. */
import type { CaseSummary, Summary } from '../report/summary.ts'
import type { JournalEntry } from './journal.ts'
import { lastLookId } from './last-look.ts'

type CellState = Omit<Summary['cells'][number], 'totals'>

export class RunState {
  /** Milliseconds that the run has taken. */
  ms = 0
  readonly #cells = new Map<string, CellState>()
  /** By cell: when its VM was started, and what its cases have taken since. Milliseconds. */
  readonly #sittings = new Map<string, { began: number; prepared: number; inCases: number }>()

  constructor(entries: readonly JournalEntry[] = []) {
    for (const entry of entries) this.apply(entry)
  }

  apply(entry: JournalEntry): void {
    this.ms = Math.max(this.ms, entry.ms)
    const before = this.#cells.get(entry.cell)
    if ('failure' in entry) {
      const { about, failure, cases } = entry
      const known = before?.kernel ? before : { ...before, ...about }
      this.#cells.set(entry.cell, {
        ...known,
        overheadMs: before?.overheadMs ?? 0,
        failure,
        cases: cases.reduce(withCase, before?.cases ?? []),
      })
    } else if ('about' in entry) {
      const cases = judged(before?.cases ?? [])
      this.#cells.set(entry.cell, { ...entry.about, overheadMs: entry.preparedMs, cases })
      this.#sittings.set(entry.cell, { began: entry.ms, prepared: entry.preparedMs, inCases: 0 })
    } else if (before) {
      const sitting = this.#sittings.get(entry.cell) ?? { began: entry.ms, prepared: 0, inCases: 0 }
      sitting.inCases += entry.case.runtimeMs
      const overheadMs = sitting.prepared + Math.max(0, entry.ms - sitting.began - sitting.inCases)
      this.#cells.set(entry.cell, { ...before, overheadMs, cases: withCase(before.cases, entry.case) })
    }
  }

  cell(name: string): CellState | undefined {
    return this.#cells.get(name)
  }

  /** Cases of a cell that have a verdict which another sitting would not change, by id. */
  verdicts(name: string): Map<string, CaseSummary> {
    return new Map(judged(this.#cells.get(name)?.cases ?? []).map((one) => [one.id, one]))
  }

  /** Those of `names` that have begun or failed, in their order. */
  cells(names: readonly string[]): CellState[] {
    return names.flatMap((name) => this.#cells.get(name) ?? [])
  }
}

/** What is known of the kernel. When nobody could look at the guest after its last case, that is nothing. */
function judged(cases: readonly CaseSummary[]): CaseSummary[] {
  const unknown = cases.filter(({ verdict }) => verdict === 'infra')
  if (unknown.some(({ id }) => id === lastLookId)) return []
  return cases.filter((one) => !unknown.includes(one))
}

function withCase(cases: readonly CaseSummary[], one: CaseSummary): CaseSummary[] {
  const index = cases.findIndex(({ id }) => id === one.id)
  return index < 0 ? [...cases, one] : cases.with(index, one)
}
