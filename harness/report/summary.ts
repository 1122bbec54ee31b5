/** summary.json: all of a run for programs. The schema below is its documentation. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type CaseOutcome, type CellFacts, count, exitStatus, type RunReporter } from '../run/outcome.ts'
import { copyEvidenceSchema, hostEvidenceSchema } from '../run/record.ts'

/** Grows when a reader of the last version could misread a file; new keys alone do not count. */
export const summaryVersion = 3

const totals = z.object({
  passed: z.int(),
  failed: z.int(),
  skipped: z.int(),
  infra: z.int(),
  known: z.int(),
})

const caseSummary = z.object({
  id: z.string(),
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
  name: z.string(),
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
  totals,
  cases: z.array(caseSummary),
})

export const summarySchema = z.object({
  schema: z.literal(summaryVersion),
  copylab: z.string(),
  startedAt: z.iso.datetime(),
  /** Milliseconds of the whole run so far. */
  durationMs: z.number(),
  /** False while the run goes on, and for ever when it was killed. */
  finished: z.boolean(),
  /** Ended by the user before all cases had run. */
  interrupted: z.boolean(),
  /** Exit status of `copylab run`. */
  exitStatus: z.int(),
  totals,
  cells: z.array(cellSummary),
})

export type Summary = z.infer<typeof summarySchema>

/** Keeps `<results>/summary.json` up to date after every case; readers never see half a file. */
export function summaryReporter(results: string, version: string): RunReporter {
  const started = new Date()
  const cells = new Map<CellFacts, CaseOutcome[]>()
  const write = (end: { finished: boolean; interrupted: boolean }) => {
    const summary = summarize(cells, { version, started, now: new Date(), ...end })
    mkdirSync(results, { recursive: true })
    const path = join(results, 'summary.json')
    writeFileSync(`${path}.new`, `${JSON.stringify(summary, null, 2)}\n`)
    renameSync(`${path}.new`, path)
  }
  return {
    onCellStart(facts) {
      cells.set(facts, [])
    },
    onCaseEnd(facts, outcome) {
      cells.get(facts)?.push(outcome)
      write({ finished: false, interrupted: false })
    },
    onRunEnd({ interrupted }) {
      write({ finished: true, interrupted })
    },
  }
}

export function summarize(
  cells: ReadonlyMap<CellFacts, readonly CaseOutcome[]>,
  o: { version: string; started: Date; now: Date; finished: boolean; interrupted: boolean },
): Summary {
  const all = count([...cells.values()].flat())
  return {
    schema: summaryVersion,
    copylab: o.version,
    startedAt: o.started.toISOString(),
    durationMs: o.now.getTime() - o.started.getTime(),
    finished: o.finished,
    interrupted: o.interrupted,
    exitStatus: o.interrupted ? 130 : exitStatus(all),
    totals: all,
    cells: [...cells].map(([facts, outcomes]) => ({
      name: facts.cell.name,
      tree: { label: facts.cell.tree.label, version: facts.treeVersion },
      series: facts.series,
      kconfig: facts.cell.kconfig,
      kernel: facts.kernel,
      machine: facts.machine,
      topology: facts.topology,
      totals: count(outcomes),
      cases: outcomes.map(summarizeCase),
    })),
  }
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
