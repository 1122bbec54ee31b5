import { z } from 'zod'

/** A Debian source package, optionally pinned: `linux-source-6.12` or `linux-source-6.12=6.12.57-1`. */
const sourcePackage = z
  .string()
  .regex(
    /^linux-source-[0-9][0-9a-z.+-]*(=[0-9][0-9A-Za-z.+:~-]*)?$/,
    'expected linux-source-X.Y, or linux-source-X.Y=VERSION to pin it',
  )

/** A suite of Debian's archive, such as `trixie-backports`; the machine's apt sources need not name it. */
const suite = z.string().regex(/^[a-z][a-z0-9-]*$/, 'expected a suite of Debian, such as bookworm-backports')

/** A kernel source. The name under `trees:` is also the folder of a series that is meant for it. */
export const treeSchema = z.strictObject({
  debian: sourcePackage,
  /** Left out: from the machine's own apt sources. */
  suite: suite.optional(),
})

/** An emulator: one of this machine, or a Debian package that is fetched with its libraries and not installed. */
export const qemuSchema = z.union(
  [
    /** Name on the PATH, or path. */
    z.strictObject({ program: z.string().min(1) }),
    z.strictObject({ debian: z.string().regex(/^qemu-system-x86(=[0-9][0-9A-Za-z.+:~-]*)?$/), suite }),
  ],
  { error: 'expected { program: NAME } or { debian: qemu-system-x86, suite: SUITE }' },
)

const name = z
  .string()
  .regex(/^\w[\w.+-]*$/, 'expected letters, digits and . + - _ only, a letter, digit or _ first')

/** What the guest runs on. */
export const machineSchema = z.strictObject({
  /** A name under `qemus:`, else a program: its name on the PATH, or its path. */
  qemu: z.string().min(1).default('qemu-system-x86_64'),
  /** `auto`: kvm where guest code is proved to run under it, else tcg. */
  accel: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  cpus: z.int().min(1).max(64).default(2),
  /** Memory of the guest in MiB. */
  memory: z.int().min(128).max(65536).default(384),
})

/** Fragments for all that the cases need, but not for debugging. */
export const defaultKconfig: readonly string[] = [
  'boot',
  'virtio',
  'block',
  'nvme',
  'scsi',
  'dm',
  'trace',
  'fault',
]

/** The whole of copylab.yaml. Unknown keys are refused: a misspelt key must not pass for a default. */
export const fileSchema = z.strictObject({
  trees: z.record(name, treeSchema),
  qemus: z.record(name, qemuSchema).default({}),
  /** The name under `trees:` that is built. */
  tree: z.string(),
  /**
   * The series: a directory or a mailbox, relative to this file, or a range of commits as REPOSITORY:A..B; a list of them
   * is applied one upon the other; `none` builds the tree as it is.
   */
  series: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
      error: 'expected a directory, a mailbox, REPOSITORY:A..B, a list of these, or none',
    })
    .default('none'),
  /** What the series offers, relative to this file. Left out: the profile that lies beside it, if there is one. */
  profile: z.string().min(1).optional(),
  /** Names of files in kconfigs/ without `.config`, or paths of fragments. */
  kconfig: z
    .array(z.string().min(1))
    .min(1)
    .default([...defaultKconfig]),
  machine: machineSchema.prefault({}),
  /** Directory that runs write their results to, relative to this file. */
  results: z.string().min(1).default('results'),
})

export type ConfigFile = z.infer<typeof fileSchema>
/** With its name under `trees:`. */
export type TreeSpec = { label: string } & z.infer<typeof treeSchema>
/** With its name under `qemus:`, or what was given instead of one. */
export type QemuSpec = { label: string } & z.infer<typeof qemuSchema>
