/** summary.json: all of a run for programs. The schema below is its documentation. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type CaseOutcome, type CellFacts, count, exitStatus, type RunReporter } from '../run/outcome.ts'
import type { Plan } from '../run/plan.ts'
import { copyEvidenceSchema, hostEvidenceSchema } from '../run/record.ts'

/** Grows when a reader of the last version could misread a file; new keys alone do not count. */
export const summaryVersion = 4

const totals = z.object({
  passed: z.int(),
  failed: z.int(),
  skipped: z.int(),
  infra: z.int(),
  known: z.int(),
})

/** They are parts of paths, and a summary may come from anywhere. */
const cellName = z.string().regex(/^(?!\.+$)[\w.~=+-]+$/, { error: 'expected the name of a cell' })
const caseId = z.string().regex(/^[\w-]+\/[\w-]+$/, { error: 'expected the id of a case' })

const caseSummary = z.object({
  id: caseId,
  description: z.string(),
  /** `infra`: the harness or the host failed, and nothing is known about the kernel. */
  verdict: z.enum(['pass', 'fail', 'not run', 'infra', 'known failure']),
  /** One line why; absent for `pass`. */
  reason: z.string().optional(),
  /** Of a known failure: a bug of the tree or of QEMU. */
  known: z.object({ reason: z.string(), link: z.string() }).optional(),
  /** The first kernel message that fails the case whatever it asserted. */
  splat: z.string().optional(),
  startedAt: z.iso.datetime(),
  /** Milliseconds from when a guest was there to the end. */
  runtimeMs: z.number(),
  /** Of those, spent in the guest. */
  guestMs: z.number(),
  /** Which of the cell's boots it ran on, from 1; 0: none. */
  boot: z.int(),
  /** The calls it made, each of one copy or of several at once, and what guest and devices said of them. Bytes throughout. */
  copies: z.array(copyEvidenceSchema),
  /** The backing files that the host read. */
  host: z.array(hostEvidenceSchema),
  /** Runs the case again. */
  command: z.string(),
})

const cellSummary = z.object({
  /** Also the name of the cell's directory. */
  name: cellName,
  tree: z.object({ label: z.string(), version: z.string() }),
  /** null: the tree as it is. `hash` is a SHA-256 over the patches that are applied, the first `patches` of `total`. */
  series: z.object({ name: z.string(), hash: z.string(), patches: z.int(), total: z.int() }).nullable(),
  kconfig: z.array(z.string()),
  /** `key` addresses the image by all that went into it. */
  kernel: z.object({ key: z.string(), release: z.string(), compiler: z.string(), image: z.string() }),
  machine: z.object({
    qemu: z.string(),
    qemuVersion: z.string(),
    accel: z.enum(['kvm', 'tcg']),
    cpus: z.int(),
    memoryMiB: z.int(),
  }),
  topology: z.string(),
  /** Milliseconds that the cell took beside its cases: to build or fetch the kernel, to boot, to load. */
  overheadMs: z.number(),
  totals,
  cases: z.array(caseSummary),
})

const plan = z.array(
  z.object({
    cell: cellName,
    /** As in the cell's own `series`. */
    seriesHash: z.string().nullable(),
    /** Ids. */
    cases: z.array(caseId),
  }),
)

export const summarySchema = z.object({
  schema: z.literal(summaryVersion),
  copylab: z.string(),
  /** What was to be run, by all shards together; what of it has no result has not run. */
  plan,
  /** Which of `count` shards this is, from 1; null: all of the plan. Shards of one run have the same `split`. */
  shard: z.object({ index: z.int(), count: z.int(), split: z.string() }).nullable(),
  /** What is wrong with shards that were merged, one sentence each; exitStatus is not 0 if there is one. */
  findings: z.array(z.string()),
  startedAt: z.iso.datetime(),
  /** Milliseconds of the whole run so far. */
  durationMs: z.number(),
  /** False while the run goes on, and for ever when it was killed. */
  finished: z.boolean(),
  /** Ended by the user before all cases had run. */
  interrupted: z.boolean(),
  /** Exit status of `copylab run`, or of the `copylab report` that merged it. */
  exitStatus: z.int(),
  totals,
  cells: z.array(cellSummary),
})

export type Summary = z.infer<typeof summarySchema>

/** Keeps `<results>/summary.json` up to date after every case; readers never see half a file. */
export function summaryReporter(plan: Plan, version: string): RunReporter {
  const { results } = plan
  const started = new Date()
  const cells = new Map<CellFacts, CellProgress>()
  const write = (end: { finished: boolean; interrupted: boolean }) => {
    const summary = summarize(cells, { plan, version, started, now: new Date(), ...end })
    mkdirSync(results, { recursive: true })
    const path = join(results, 'summary.json')
    writeFileSync(`${path}.new`, `${JSON.stringify(summary, null, 2)}\n`)
    renameSync(`${path}.new`, path)
  }
  return {
    onCellStart(facts) {
      cells.set(facts, { outcomes: [], startedAt: Date.now(), ms: 0 })
    },
    onCaseEnd(facts, outcome) {
      const cell = cells.get(facts)
      cell?.outcomes.push(outcome)
      if (cell) cell.ms = Date.now() - cell.startedAt
      write({ finished: false, interrupted: false })
    },
    onRunEnd({ interrupted }) {
      write({ finished: true, interrupted })
    },
  }
}

interface CellProgress {
  outcomes: CaseOutcome[]
  startedAt: number
  /** Milliseconds from the start to the end of the last case. */
  ms: number
}

function summarize(
  cells: ReadonlyMap<CellFacts, CellProgress>,
  o: { plan: Plan; version: string; started: Date; now: Date; finished: boolean; interrupted: boolean },
): Summary {
  const all = count([...cells.values()].flatMap(({ outcomes }) => outcomes))
  const { shard } = o.plan
  return {
    schema: summaryVersion,
    copylab: o.version,
    plan: (shard?.whole ?? o.plan.cells).map(({ cell, cases }) => ({
      ...{ cell: cell.name, seriesHash: cell.series?.hash ?? null },
      cases: cases.map(({ id }) => id),
    })),
    shard: shard ? { index: shard.index, count: shard.count, split: shard.split } : null,
    findings: [],
    startedAt: o.started.toISOString(),
    durationMs: o.now.getTime() - o.started.getTime(),
    finished: o.finished,
    interrupted: o.interrupted,
    exitStatus: o.interrupted ? 130 : exitStatus(all, { shard: shard !== undefined }),
    totals: all,
    cells: [...cells].map(([facts, { outcomes, ms }]) => ({
      name: facts.cell.name,
      tree: { label: facts.cell.tree.label, version: facts.treeVersion },
      series: facts.series,
      kconfig: facts.cell.kconfig,
      kernel: facts.kernel,
      machine: facts.machine,
      topology: facts.topology,
      overheadMs: facts.preparedMs + Math.max(0, ms - sumOf(outcomes)),
      totals: count(outcomes),
      cases: outcomes.map(summarizeCase),
    })),
  }
}

function sumOf(outcomes: readonly CaseOutcome[]): number {
  return outcomes.reduce((sum, { record }) => sum + record.runtimeMs, 0)
}

function summarizeCase({ id, description, verdict, reason, known, startedAt, record, command }: CaseOutcome) {
  const { splat, runtimeMs, guestMs, boot, copies, host } = record
  return {
    ...{ id, description, verdict },
    ...(reason === undefined ? {} : { reason }),
    ...(known === undefined ? {} : { known }),
    ...(splat === undefined ? {} : { splat }),
    startedAt: startedAt.toISOString(),
    ...{ runtimeMs, guestMs, boot, copies, host, command },
  }
}
