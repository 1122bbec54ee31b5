/** What a bench measures, and bench.json, which has all of it for programs. The schemas below are its documentation. */
import { z } from 'zod'

/** Grows when a reader of the last version could misread a file; new keys and new figures alone do not count. */
export const benchVersion = 2

export const figureSchema = z.strictObject({
  /** Stays the same between versions, such as `boot.agent` or `copy.nvme.4096.offload.ms`. */
  id: z.string(),
  /** One line for people. */
  what: z.string(),
  /** `ms`: milliseconds. `ratio`: of two times or of two numbers of bytes. `s/GiB`: of CPU time. */
  unit: z.enum(['ms', 'ratio', 's/GiB', 'count']),
  /** In the order in which they were taken. A ratio of two figures has one a round, of what that round measured. */
  samples: z.array(z.number()).min(1),
  median: z.number(),
  lowest: z.number(),
  highest: z.number(),
  /** The median should not be above it; null: there is nothing to aim at. No verdict hangs on it. */
  aim: z.number().nullable(),
})

const load = z.tuple([z.number(), z.number(), z.number()])

export const benchSchema = z.object({
  schema: z.literal(benchVersion),
  copylab: z.string(),
  startedAt: z.iso.datetime(),
  /** Milliseconds of the whole bench. */
  durationMs: z.number(),
  /** `copies`: offload against other ways. `harness`: copylab itself, warm. `cold`: from an empty cache to a kernel. */
  kind: z.enum(['copies', 'harness', 'cold']),
  /** How often everything was measured, in turn. */
  rounds: z.int(),
  host: z.object({
    processor: z.string(),
    processors: z.int(),
    memoryMiB: z.int(),
    kernel: z.string(),
    node: z.string(),
    /** Load averages of 1, 5 and 15 minutes before the first figure and after the last. */
    load: z.object({ start: load, end: load }),
  }),
  tree: z.object({ label: z.string(), version: z.string() }),
  /** null: the tree as it is. */
  series: z.object({ name: z.string(), hash: z.string(), patches: z.int(), total: z.int() }).nullable(),
  kconfig: z.array(z.string()),
  kernel: z.object({ key: z.string(), release: z.string(), compiler: z.string() }),
  /** null: no guest was booted. */
  machine: z
    .object({
      qemuVersion: z.string(),
      accel: z.enum(['kvm', 'tcg']),
      cpus: z.int(),
      memoryMiB: z.int(),
    })
    .nullable(),
  /** What a reader of the figures has to know. */
  notes: z.array(z.string()),
  figures: z.array(figureSchema),
})

export type Figure = z.infer<typeof figureSchema>
export type BenchReport = z.infer<typeof benchSchema>

export function median(samples: readonly number[]): number {
  if (!samples.length) throw new RangeError('there is no median of nothing')
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] as number
  return sorted.length % 2 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

export function figure(
  id: string,
  what: string,
  unit: Figure['unit'],
  samples: number[],
  aim: number | null = null,
): Figure {
  const bounds = { lowest: Math.min(...samples), highest: Math.max(...samples) }
  return { id, what, unit, samples, median: median(samples), ...bounds, aim }
}

/** The quotients of what was measured in turn, round by round: a machine that drifts drifts in both. */
export function quotients(over: readonly number[], under: readonly number[]): number[] {
  if (over.length !== under.length) throw new RangeError(`${over.length} samples over ${under.length}`)
  return over.map((value, index) => value / (under[index] as number))
}
