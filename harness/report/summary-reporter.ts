/** Keeps `<results>/summary.json`, and the journal that a run is resumed by. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JournalEntry } from '../run/journal.ts'
import { count, exitStatus, failureStatus, type RunReporter } from '../run/outcome.ts'
import type { Plan } from '../run/plan.ts'
import { RunState } from '../run/state.ts'
import { aboutOf, aboutPlanned, summarize, summarizeCase, summarizeFailure } from './summary.ts'

export interface SummaryOptions {
  /** When the first sitting began. */
  startedAt?: Date
  /** What earlier sittings have left. */
  state?: RunState
  /** Hears of every event before summary.json does. */
  append?: (entry: JournalEntry) => void
}

/** With thousands of cases the file is large: what part of the time may go into writing it. */
const share = 1 / 20

/**
 * Keeps summary.json up to date, after every case as long as that costs little; readers never see half a file. What a
 * killed run leaves may be some cases behind its journal.
 */
export function summaryReporter(plan: Plan, version: string, options: SummaryOptions = {}): RunReporter {
  const { results } = plan
  const { startedAt = new Date(), state = new RunState(), append } = options
  const before = state.ms
  const began = Date.now()
  const now = () => before + Date.now() - began
  let nextWrite = 0

  const write = (end: { finished: boolean; interrupted: boolean; status?: number }) => {
    const cells = state.cells(plan.cells.map(({ cell }) => cell.name))
    const totals = count(cells.flatMap(({ cases }) => cases))
    const status = end.status ?? exitStatus(totals, { shard: plan.shard !== undefined })
    const summary = summarize(cells, {
      ...{ plan, version, startedAt: startedAt.toISOString(), durationMs: now() },
      ...{ finished: end.finished, interrupted: end.interrupted },
      exitStatus: end.interrupted ? 130 : status,
    })
    mkdirSync(results, { recursive: true })
    const path = join(results, 'summary.json')
    writeFileSync(`${path}.new`, `${JSON.stringify(summary, null, 2)}\n`)
    renameSync(`${path}.new`, path)
  }
  const note = (entry: JournalEntry) => {
    state.apply(entry)
    append?.(entry)
    if ('preparedMs' in entry) return
    const start = performance.now()
    if (start < nextWrite) return
    write({ finished: false, interrupted: false })
    nextWrite = start + (performance.now() - start) / share
  }
  return {
    onCellStart(facts) {
      const { preparedMs } = facts
      note({ cell: facts.cell.name, ms: now(), about: aboutOf(facts), preparedMs })
    },
    onCaseEnd({ cell }, outcome) {
      note({ cell: cell.name, ms: now(), case: summarizeCase(outcome) })
    },
    onCellFailed(cell, failure, rest) {
      note({
        ...{ cell: cell.name, ms: now(), about: aboutPlanned(cell) },
        ...{ failure: summarizeFailure(failure), cases: rest.map(summarizeCase) },
      })
    },
    onRunEnd({ interrupted, failure }) {
      write({ finished: true, interrupted, ...(failure && { status: failureStatus(failure) }) })
    },
  }
}
