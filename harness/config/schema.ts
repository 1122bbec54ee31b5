import { z } from 'zod'
import { machineValues, matrixSchema, seriesSchema } from './matrix-schema.ts'
import { map } from './yaml.ts'

/** A Debian source package, optionally pinned: `linux-source-6.12` or `linux-source-6.12=6.12.57-1`. */
const sourcePackage = z
  .string()
  .regex(
    /^linux-source-[0-9][0-9a-z.+-]*(=[0-9][0-9A-Za-z.+:~-]*)?$/,
    'expected linux-source-X.Y, or linux-source-X.Y=VERSION to pin it',
  )

/** A suite of Debian's archive, such as `trixie-backports`; the machine's apt sources need not name it. */
const suite = z.string().regex(/^[a-z][a-z0-9-]*$/, 'expected a suite of Debian, such as bookworm-backports')

/** The forms of a kernel source, each with the key that it is known by. Paths are relative to the file. */
const treeForms = {
  debian: z.strictObject({
    debian: sourcePackage,
    /** Left out: from the machine's own apt sources. */
    suite: suite.optional(),
  }),
  /** A .tar, packed by xz, gzip or zstd or not at all; with a top folder or without. */
  tarball: z.strictObject({ tarball: z.string().min(1) }),
  directory: z.strictObject({
    directory: z.string().min(1),
    /** What to do with a git work tree that has changes which are not committed: stop, or take them as they are. */
    dirty: z.enum(['refuse', 'copy']).default('refuse'),
  }),
  git: z.strictObject({
    /** Path or URL. */
    git: z.string().min(1),
    /** A branch, a tag or a commit. */
    ref: z.string().regex(/^[^-\s]\S*$/, 'expected a branch, a tag or a commit'),
  }),
}

export type TreeSource = {
  [Form in keyof typeof treeForms]: z.infer<(typeof treeForms)[Form]>
}[keyof typeof treeForms]

/** A kernel source. The name under `trees:` is also the folder of a series that is meant for it. */
export const treeSchema = z.unknown().transform((value, context): TreeSource => {
  const form = (Object.keys(treeForms) as (keyof typeof treeForms)[]).find(
    (key) => typeof value === 'object' && value !== null && Object.hasOwn(value, key),
  )
  // Of a union, zod would not say what is wrong inside of the form that was meant.
  const checked = form && treeForms[form].safeParse(value)
  if (checked?.success) return checked.data
  const expected =
    'expected { debian: PACKAGE, suite: SUITE }, { tarball: FILE }, { directory: DIRECTORY } or { git: REPOSITORY, ref: REF }'
  if (checked) context.issues.push(...(checked.error.issues as unknown as typeof context.issues))
  else context.addIssue({ code: 'custom', message: expected })
  return z.NEVER
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
export const machineSchema = map({
  /** A name under `qemus:`, else a program: its name on the PATH, or its path. */
  qemu: z.string().min(1).default('qemu-system-x86_64'),
  accel: machineValues.accel.default('auto'),
  cpus: z.int().min(1).max(64).default(2),
  memory: machineValues.memory.default(384),
})

/** Fragments for all that the cases need, but not for debugging. */
export const defaultKconfig: readonly string[] = [
  'boot',
  'virtio',
  'block',
  'nvme',
  'scsi',
  'target',
  'zoned',
  'dm',
  'trace',
  'fault',
]

/** Names of sets and fragments, or paths. */
const words = z.array(z.string().min(1), { error: 'expected a list of fragments and sets' }).min(1)

/** The whole of copylab.yaml. Unknown keys are refused: a misspelt key must not pass for a default. */
export const fileSchema = map({
  trees: z.record(name, treeSchema),
  qemus: z.record(name, qemuSchema).default({}),
  /** The name under `trees:` that is built. */
  tree: z.string(),
  /**
   * The series: a directory or a mailbox, relative to this file, or a range of commits as REPOSITORY:A..B; a list of them
   * is applied one upon the other; `none` builds the tree as it is.
   */
  series: seriesSchema.default('none'),
  /** What the series offers, relative to this file. Left out: the profile that lies beside it, if there is one. */
  profile: z.string().min(1).optional(),
  /** What the kernel is configured with: names of sets, of files in kconfigs/ without `.config`, or paths of fragments. */
  kconfig: words.default(['default']),
  /** Sets of fragments by name, each as `kconfig` has them. `default` is there unless it is given: defaultKconfig. */
  kconfigs: z.record(name, words).default({}),
  /** The cells of `copylab run --matrix`. */
  matrix: matrixSchema.optional(),
  machine: machineSchema.prefault({}),
  /** Directory that runs write their results to, relative to this file. */
  results: z.string().min(1).default('results'),
})

export type ConfigFile = z.infer<typeof fileSchema>
/** With its name under `trees:`. */
export type TreeSpec = { label: string } & TreeSource
/** With its name under `qemus:`, or what was given instead of one. */
export type QemuSpec = { label: string } & z.infer<typeof qemuSchema>
