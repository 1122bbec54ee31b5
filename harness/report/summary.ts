/** summary.json: all of a run for programs. The schema below is its documentation. */
import { z } from 'zod'
import type { Failure } from '../failure.ts'
import { type CaseOutcome, type CellFacts, count } from '../run/outcome.ts'
import type { Cell, Plan } from '../run/plan.ts'
import { copyEvidenceSchema, hostEvidenceSchema } from '../run/record.ts'
import { seriesFacts } from '../series/load.ts'

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

export const caseSummarySchema = z.object({
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

/** What a cell is. */
export const cellAboutSchema = z.object({
  /** Also the name of the cell's directory. */
  name: cellName,
  /** `version`, `kernel`, `machine` and `topology` are null when the cell has come to nothing before they were known. */
  tree: z.object({ label: z.string(), version: z.string().nullable() }),
  /** null: the tree as it is. `hash` is a SHA-256 over the patches that are applied, the first `patches` of `total`. */
  series: z.object({ name: z.string(), hash: z.string(), patches: z.int(), total: z.int() }).nullable(),
  kconfig: z.array(z.string()),
  /** `key` addresses the image by all that went into it. */
  kernel: z
    .object({ key: z.string(), release: z.string(), compiler: z.string(), image: z.string() })
    .nullable(),
  machine: z
    .object({
      qemu: z.string(),
      qemuVersion: z.string(),
      accel: z.enum(['kvm', 'tcg']),
      cpus: z.int(),
      memoryMiB: z.int(),
    })
    .nullable(),
  topology: z.string().nullable(),
})

export const failureSchema = z.object({
  message: z.string(),
  /** Path of the log that has the whole story. */
  log: z.string().optional(),
  /** The command that reproduces it. */
  command: z.string().optional(),
  remedy: z.string().optional(),
})

const cellSummary = cellAboutSchema.extend({
  /** Milliseconds that the cell took beside its cases: to build or fetch the kernel, to boot, to load. */
  overheadMs: z.number(),
  /** Why the cell has come to nothing, or was cut short; its cases that had not run have the verdict `infra`. */
  failure: failureSchema.optional(),
  totals,
  cases: z.array(caseSummarySchema),
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

export type CaseSummary = z.infer<typeof caseSummarySchema>
export type CellSummary = Summary['cells'][number]
export type CellAbout = z.infer<typeof cellAboutSchema>
export type FailureSummary = z.infer<typeof failureSchema>

/** All that there is to say of a run, except how it stands. */
export function summarize(
  cells: readonly Omit<Summary['cells'][number], 'totals'>[],
  o: { plan: Plan; version: string } & Pick<
    Summary,
    'startedAt' | 'durationMs' | 'finished' | 'interrupted' | 'exitStatus'
  >,
): Summary {
  const { plan, version, ...rest } = o
  const { shard } = plan
  return {
    schema: summaryVersion,
    copylab: version,
    plan: (shard?.whole ?? plan.cells).map(({ cell, cases }) => ({
      ...{ cell: cell.name, seriesHash: cell.series?.hash ?? null },
      cases: cases.map(({ id }) => id),
    })),
    shard: shard ? { index: shard.index, count: shard.count, split: shard.split } : null,
    findings: [],
    ...rest,
    totals: count(cells.flatMap(({ cases }) => cases)),
    cells: cells.map((cell) => ({ ...cell, totals: count(cell.cases) })),
  }
}

export function aboutOf(facts: CellFacts): CellAbout {
  const { cell, treeVersion, series, kernel, machine, topology } = facts
  const { name, tree, kconfig } = cell
  return {
    name,
    tree: { label: tree.label, version: treeVersion },
    series,
    kconfig,
    kernel,
    machine,
    topology,
  }
}

/** Of a cell that nothing was found out about. */
export function aboutPlanned({ name, tree, series, kconfig }: Cell): CellAbout {
  return {
    ...{ name, tree: { label: tree.label, version: null }, series: series && seriesFacts(series), kconfig },
    ...{ kernel: null, machine: null, topology: null },
  }
}

export function summarizeCase(outcome: CaseOutcome): CaseSummary {
  const { id, description, verdict, reason, known, startedAt, record, command } = outcome
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

export function summarizeFailure({ message, log, command, remedy }: Failure): FailureSummary {
  return JSON.parse(JSON.stringify({ message, log, command, remedy }))
}

/** Whether a case never began, since its cell had come to nothing: a run leaves no files of it. */
export function isLost({ failure }: CellSummary, { verdict, boot }: CaseSummary): boolean {
  return failure !== undefined && verdict === 'infra' && boot === 0
}
