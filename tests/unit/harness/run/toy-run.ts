/** A run with several cells in which nothing is built and nothing booted. */

import type { CaseInfo } from '../../../../harness/run/cases.ts'
import type { ProvidedCell } from '../../../../harness/run/cell.ts'
import type { CaseOutcome, CellFacts, Verdict } from '../../../../harness/run/outcome.ts'
import type { Cell, Plan, PlannedCell } from '../../../../harness/run/plan.ts'
import { emptyRecord } from '../../../../harness/run/record.ts'
import type { PlanRun, Steps } from '../../../../harness/run/run-plan.ts'

export const machine = {
  ...{ qemu: { label: 'system', program: 'qemu-system-x86_64' }, accel: 'auto' as const },
  ...{ cpus: 2, memory: 384 },
}

export function toyCell(name: string): Cell {
  const tree = { label: name, debian: 'linux-source-6.12' }
  return { name, tree, series: null, kconfig: ['/kconfigs/boot.config'], machine }
}

export function toyCases(...ids: string[]): CaseInfo[] {
  return ids.map((id) => ({
    ...{ id, group: id.split('/')[0] ?? '', description: `the case ${id}` },
    ...{ offloads: [], needs: [], file: '' },
  }))
}

export function toyPlan(results: string, cells: string[], ids = ['a/001', 'a/002', 'a/003']): Plan {
  return { results, cells: cells.map((name) => ({ cell: toyCell(name), cases: toyCases(...ids) })) }
}

export function toyFacts(cell: Cell, key = `key-of-${cell.name}`): CellFacts {
  return {
    ...{ cell, treeVersion: '6.12.1', series: null, topology: 'default', preparedMs: 1000 },
    kernel: { key, release: '6.12.1', compiler: 'gcc 12', image: '/cache/image' },
    machine: { qemu: '/qemu', qemuVersion: '7.2.22', accel: 'tcg', cpus: 2, memoryMiB: 384 },
  }
}

export function toyOutcome(info: CaseInfo, verdict: Verdict = 'pass', boot = 1): CaseOutcome {
  const { id, group, description } = info
  return {
    ...{ id, group, description, verdict, command: `copylab run ${id}` },
    ...(verdict === 'pass' ? {} : { reason: 'why', details: 'why, at length' }),
    startedAt: new Date(),
    record: { ...emptyRecord, boot, runtimeMs: 100 },
  }
}

export interface Toy {
  /** What was provided and run, in order: `build x`, `run x a/001`. */
  log: string[]
  steps: Steps
}

/** @param o `judge` may throw what ends the cell; `key` is that of a cell's kernel */
export function toySteps(
  o: {
    cached?: string[]
    key?: (cell: string) => string
    provide?: (cell: string) => void
    judge?: (cell: string, id: string) => Verdict | Promise<Verdict>
  } = {},
): Toy {
  const {
    cached = [],
    key = (cell: string) => `key-of-${cell}`,
    provide = () => {},
    judge = () => 'pass',
  } = o
  const log: string[] = []
  const run: Steps['run'] = async (
    { cell, cases }: PlannedCell,
    { facts },
    { reporter, signal, earlierBoots },
  ) => {
    reporter.onCellStart?.(facts)
    const outcomes: CaseOutcome[] = []
    for (const info of cases) {
      if (signal.aborted) break
      log.push(`run ${cell.name} ${info.id}`)
      reporter.onCaseStart?.(facts, info)
      const verdict = await judge(cell.name, info.id)
      if (signal.aborted) break
      const outcome = toyOutcome(info, verdict, earlierBoots + 1)
      outcomes.push(outcome)
      reporter.onCaseEnd?.(facts, outcome)
    }
    return outcomes
  }
  return {
    log,
    steps: {
      lookUp: async (cells) =>
        cells.map(({ name }) => ({ kernelKey: key(name), cached: cached.includes(name) })),
      provide: async ({ cell }) => {
        log.push(`build ${cell.name}`)
        provide(cell.name)
        return { facts: toyFacts(cell, key(cell.name)) } as ProvidedCell
      },
      run,
    },
  }
}

/** A stream that keeps what is written to it. */
export function sink(isTTY = false): NodeJS.WriteStream & { text: string } {
  const stream = {
    ...{ isTTY, columns: 100, rows: 20, text: '' },
    write(text: string) {
      stream.text += text
      return true
    },
  }
  return stream as unknown as NodeJS.WriteStream & { text: string }
}

export function toyRun(plan: Plan, steps: Steps, options: Partial<PlanRun> = {}): PlanRun {
  return {
    ...{ plan, steps, capacity: { cores: 2, memoryMiB: 8000 }, resume: false, failFast: false },
    request: { cwd: '/', names: [], options: {} },
    ...{ known: [], version: '0.1.0', keepTimes: async () => {}, out: sink(), err: sink() },
    commandFor: (cell, ...names) => `copylab run ${names.join(' ')} --cell ${cell.name}`,
    signal: new AbortController().signal,
    ...options,
  }
}
