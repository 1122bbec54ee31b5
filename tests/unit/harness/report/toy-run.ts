/** A run whose outcomes are known beforehand, and which leaves what a run leaves. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../../../harness/failure.ts'
import { resultsDirectory } from '../../../../harness/report/results-directory.ts'
import { summaryReporter } from '../../../../harness/report/summary-reporter.ts'
import { lastOutcome } from '../../../../harness/run/last-look.ts'
import type { CaseOutcome, CellFacts } from '../../../../harness/run/outcome.ts'
import type { Plan, PlannedCell } from '../../../../harness/run/plan.ts'
import { emptyRecord } from '../../../../harness/run/record.ts'
import { takeShard } from '../../../../harness/run/shard.ts'

export function toyCell(name: string, ids: readonly string[]): PlannedCell {
  const machine = { qemu: { label: 'system', program: 'q' }, accel: 'tcg' as const, cpus: 2, memory: 384 }
  const tree = { label: '6.12', debian: 'linux-source-6.12' }
  const cases = ids.map((id) => {
    const group = id.split('/')[0] ?? ''
    return { id, group, description: `case ${id}`, offloads: [], needs: [], file: `/tests/${group}.test.ts` }
  })
  return { cell: { name, tree, series: null, kconfig: ['/k/boot.config'], machine }, cases }
}

export function numbered(group: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${group}/${String(index + 1).padStart(3, '0')}`)
}

/** The i-th of n shards of a plan. A boot costs so little that they break cells. */
export function toyShard(plan: Plan, index: number, count: number, results: string): Plan {
  const estimate = () => ({ overheadMs: 100, caseMs: () => 1000 })
  return { ...takeShard(plan, { index, count }, estimate), results }
}

export interface ToyRun {
  version?: string
  /** Facts that differ from the usual ones. */
  facts?: Partial<CellFacts>
  /** What a case comes to; default: the number of a case decides it. */
  verdict?: (id: string) => CaseOutcome['verdict']
  /** The last guest has a complaint. */
  complains?: boolean
  /** Name of a cell whose kernel cannot be built. */
  fails?: string
  /** The run is ended after so many cases. */
  endAfter?: number
}

const verdicts = ['pass', 'pass', 'fail', 'not run', 'pass', 'known failure', 'pass'] as const

/** Writes results to the plan's directory. A case that fails spoils its guest; the next one gets a new one. */
export function toyRun(plan: Plan, run: ToyRun = {}): void {
  const { version = '0.1.0', verdict = (id: string) => verdicts[Number(id.slice(-3)) % 7] ?? 'pass' } = run
  const reporters = [resultsDirectory(plan.results), summaryReporter(plan, version)]
  mkdirSync(plan.results, { recursive: true })
  let left = run.endAfter ?? Number.POSITIVE_INFINITY
  for (const { cell, cases } of plan.cells) {
    const facts: CellFacts = {
      ...{ cell, treeVersion: '6.12.1-1', series: null, topology: 'default', preparedMs: 2000 },
      kernel: { key: 'k', release: '6.12.1', compiler: 'gcc 12', image: '/cache/vmlinux' },
      machine: { qemu: 'q', qemuVersion: '7.2.22', accel: 'tcg', cpus: 2, memoryMiB: 384 },
      ...run.facts,
    }
    if (cell.name === run.fails) {
      const failure = new Failure('infra', 'make: *** [vmlinux] Error 2', { log: '/cache/build.log' })
      const rest = cases.map(({ id, group, description }): CaseOutcome => {
        const common = { id, group, description, startedAt, record: emptyRecord, command: 'copylab run' }
        return { ...common, verdict: 'infra', reason: 'the case has not run: make' }
      })
      for (const reporter of reporters) reporter.onCellFailed?.(cell, failure, rest)
      continue
    }
    for (const reporter of reporters) reporter.onCellStart?.(facts)
    let boot = 1
    const console = (text: string) => {
      mkdirSync(join(plan.results, cell.name), { recursive: true })
      appendFileSync(join(plan.results, cell.name, `boot-${boot}.console`), `${text}\n`)
    }
    for (const { id, group, description } of cases) {
      if (--left < 0) break
      const came = verdict(id)
      console(`copylab: ${id}`)
      const outcome = toyOutcome({ id, group, description, verdict: came, boot })
      for (const reporter of reporters) reporter.onCaseEnd?.(facts, outcome)
      if (came === 'fail' || came === 'infra') boot += 1
    }
    if (!run.complains) continue
    console('leak')
    const guest = { boot, argv: ['qemu'] } as Parameters<typeof lastOutcome>[0]['facts']
    const complaint = { verdict: 'fail' as const, reason: 'leak', messages: `leak in ${cases.at(-1)?.id}` }
    const last = { ...lastOutcome({ ...complaint, facts: guest }, 'copylab run'), startedAt }
    for (const reporter of reporters) reporter.onCaseEnd?.(facts, last)
  }
  for (const reporter of reporters) reporter.onRunEnd?.({ interrupted: left < 0 })
}

const startedAt = new Date(Date.UTC(2026, 0, 23, 9, 5, 7))

function toyOutcome(
  one: Pick<CaseOutcome, 'id' | 'group' | 'description' | 'verdict'> & { boot: number },
): CaseOutcome {
  const { boot, ...rest } = one
  const { id, verdict } = one
  const record = { ...emptyRecord, boot, runtimeMs: 1234.5, dmesg: `[ 1.0] <${id}> & more`, qemu: ['qemu'] }
  const common = { ...rest, startedAt, command: `copylab run ${id}`, record }
  switch (verdict) {
    case 'pass':
      return common
    case 'not run':
      return { ...common, reason: 'no dmsetup' }
    case 'known failure':
      return { ...common, ...why(id, boot), known: { reason: 'QEMU forgets', link: 'https://example.org/1' } }
    default:
      return { ...common, ...why(id, boot) }
  }
}

function why(id: string, boot: number) {
  return { reason: `device: # ${id}`, details: `device: # ${id}\nsee boot-${boot}.console\n]]> <b>\u0007` }
}
