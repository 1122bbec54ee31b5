import { z } from 'zod'

/** A Debian source package, optionally pinned: `linux-source-6.12` or `linux-source-6.12=6.12.57-1`. */
const debianPackage = z
  .string()
  .regex(
    /^linux-source-[0-9][0-9a-z.+-]*(=[0-9][0-9A-Za-z.+:~-]*)?$/,
    'expected linux-source-X.Y, or linux-source-X.Y=VERSION to pin it',
  )

/** A kernel source. The name under `trees:` is also the folder of a series that is meant for it. */
export const treeSchema = z.strictObject({ debian: debianPackage })

/** What the guest runs on. */
export const machineSchema = z.strictObject({
  /** Name on the PATH, or path, of the emulator. */
  qemu: z.string().min(1).default('qemu-system-x86_64'),
  /** `auto`: kvm where guest code is proved to run under it, else tcg. */
  accel: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  cpus: z.int().min(1).max(64).default(2),
  /** Memory of the guest in MiB. */
  memory: z.int().min(128).max(65536).default(384),
})

/** The whole of copylab.yaml. Unknown keys are refused: a misspelt key must not pass for a default. */
export const fileSchema = z.strictObject({
  trees: z.record(
    z.string().regex(/^\w[\w.+-]*$/, 'expected letters, digits and . + - _ only, a letter, digit or _ first'),
    treeSchema,
  ),
  /** The name under `trees:` that is built. */
  tree: z.string(),
  /** Directory of the series, relative to this file; `none` builds the tree as it is. */
  series: z.string().min(1).default('none'),
  /** Names of files in kconfigs/ without `.config`, or paths of fragments. */
  kconfig: z.array(z.string().min(1)).min(1),
  machine: machineSchema.prefault({}),
  /** Directory that runs write their results to, relative to this file. */
  results: z.string().min(1).default('results'),
})

export type ConfigFile = z.infer<typeof fileSchema>
export type TreeSpec = z.infer<typeof treeSchema>
