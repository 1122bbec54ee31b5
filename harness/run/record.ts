/** What a case leaves behind: written by the fixtures into vitest's `task.meta`, read by the reporters. */
import { z } from 'zod'
import { lostReasons } from '../../qemu/lost.ts'
import type { Profile } from '../series/profile.ts'

const range = z.strictObject({ offset: z.int(), bytes: z.int() })

/** One copy of a call, and what the guest's kernel said of it. Bytes throughout. */
const requestSchema = z.strictObject({
  /** The kind of path: a key of the profile's `offloads`, or several (`dm-linear on null-blk`), or `never`. */
  path: z.string(),
  from: z.strictObject({ target: z.string(), offset: z.number() }),
  to: z.strictObject({ target: z.string(), offset: z.number() }),
  bytes: z.number(),
  /** Name of the errno, or `0`. */
  error: z.string(),
  /** As the kernel wrote them; a string because a kernel that forgot to leaves 2^64-1. */
  copied: z.string(),
  offloaded: z.string(),
})

/**
 * A copy that a case made, or several at once, with what the witnesses said. Tracepoints and devices tell of all the
 * requests together, as nothing says which of them caused what. Bytes throughout.
 */
export const copyEvidenceSchema = z.strictObject({
  requests: z.array(requestSchema),
  /** Copied without an error according to the tracepoints; null when the series has none or the trace was not whole. */
  traced: z.strictObject({ offloaded: z.int(), fallback: z.int() }).nullable(),
  /** null: there was no trace of the devices. */
  device: z
    .strictObject({
      copyCommands: z.int(),
      copiedBytes: z.int(),
      /** Over the link from and to the devices while the call ran. */
      linkReadBytes: z.int(),
      linkWrittenBytes: z.int(),
      errors: z.array(z.string()),
    })
    .nullable(),
  /** Which witnesses were heard and agreed. */
  witnesses: z.strictObject({ guest: z.boolean(), device: z.boolean(), host: z.boolean() }),
})

export const hostEvidenceSchema = z.strictObject({
  disk: z.string(),
  /** Of the whole backing file, after the guest's flush. */
  sha256: z.string(),
  /** What was allowed to change since the case began. */
  changed: z.array(range),
})

export const caseRecordSchema = z.strictObject({
  copies: z.array(copyEvidenceSchema),
  host: z.array(hostEvidenceSchema),
  /** Why this is no verdict on the kernel; absent when it is one. */
  infra: z.string().optional(),
  /** The kernel's own complaint, which fails the case. */
  splat: z.string().optional(),
  /** What has become of the guest, as GuestLost has it; absent when it has survived. */
  lost: z.enum(lostReasons).optional(),
  /** Kernel messages of the case, or the console's tail when the guest is lost. */
  dmesg: z.string(),
  /** Which boot of the cell the case ran on; 0 when there was none. */
  boot: z.int(),
  /** The command line that boots the same machine by hand. */
  qemu: z.array(z.string()),
  /** From when a guest was there to the end of the case, milliseconds. */
  runtimeMs: z.number(),
  /** Of that, time spent waiting for commands in the guest. */
  guestMs: z.number(),
})

export type CopyEvidence = z.infer<typeof copyEvidenceSchema>
export type HostEvidence = z.infer<typeof hostEvidenceSchema>
export type CaseRecord = z.infer<typeof caseRecordSchema>

/** Of a case that has not begun. */
export const emptyRecord: CaseRecord = {
  copies: [],
  host: [],
  dmesg: '',
  boot: 0,
  qemu: [],
  runtimeMs: 0,
  guestMs: 0,
}

declare module '@vitest/runner' {
  interface TaskMeta {
    copylab?: CaseRecord
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    copylab: CellContext
  }
}

/** What a worker must know of its cell. */
export interface CellContext {
  /** Socket of the cell's GuestHost. */
  socket: string
  /** Name of the series; null: the tree as it is. */
  series: string | null
  /** What the applied patches offer; null: no series, or one without a profile. */
  profile: Profile | null
  /** Path of the kernel's .config. */
  kernelConfig: string
  qemuVersion: string
  /** A case that takes longer is failed. */
  caseTimeoutMs: number
}
