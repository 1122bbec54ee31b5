/** What came of one attempt with one kernel: a line of a bisection's journal. */
import { z } from 'zod'
import { signatureSchema } from './signature.ts'

const common = z.object({
  startedAt: z.iso.datetime(),
  /** Milliseconds that it took to provide the kernel; next to nothing when it was cached. */
  buildMs: z.number(),
  /** Milliseconds from then on to the end: boot and case. */
  testMs: z.number(),
  /** false: the kernel was cached, or there is none. */
  built: z.boolean(),
  /** SHA-256 of all that went into the kernel; null: there is none. */
  kernelKey: z.string().nullable(),
  /** Of its results, relative to the bisection's. */
  directory: z.string(),
})

/** One line why. */
const reason = z.string()

export const trialSchema = z.discriminatedUnion('result', [
  common.extend({
    result: z.literal('pass'),
    /** Of the case, milliseconds; of a boot alone, the boot's; of a build alone, 0. */
    runtimeMs: z.number(),
    /** Bytes, over all copies of the case. */
    copied: z.number(),
    offloaded: z.number(),
    /** Short lines that a person reads: what bears the verdict out. */
    evidence: z.array(z.string()),
    /** Of the compiler over the whole kernel, without line numbers, sorted; only where a build was all that was wanted. */
    warnings: z.array(z.string()).optional(),
  }),
  /** The case has failed, or the kernel has complained before, in or after it. */
  common.extend({
    ...{ result: z.literal('fail'), signature: signatureSchema, reason },
    /** Bytes, over all copies of the case. */
    ...{ copied: z.number(), offloaded: z.number() },
  }),
  /** The kernel, the series or the machine has not got what the case needs. */
  common.extend({ result: z.literal('not run'), reason }),
  /** The kernel did not come up: it panicked, hung or had the machine reset, while QEMU did its work. */
  common.extend({ result: z.literal('no boot'), signature: signatureSchema, reason }),
  /** The compiler, the linker or kbuild has refused the sources. */
  common.extend({ result: z.literal('no build'), signature: signatureSchema, reason }),
  /** The series does not apply to the tree. */
  common.extend({ result: z.literal('no apply'), reason }),
  /** kconfig has dropped an option that was asked for. */
  common.extend({ result: z.literal('no config'), reason }),
  /** The harness or the host has failed: nothing is known of the kernel. */
  common.extend({ result: z.literal('infra'), reason }),
])

export type Trial = z.infer<typeof trialSchema>
