import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { parseYaml } from '../config/yaml.ts'

/** The ways from a source to a destination that a series may or may not offload. */
export const paths = ['nvme-same-namespace', 'nvme-cross-namespace', 'scsi', 'dm-linear', 'dm-crypt'] as const

/** profile.yaml: what a series offers. Cases read their expectations here, so another series runs the same cases. */
export const profileSchema = z.strictObject({
  name: z.string().min(1),
  /** How user space asks for a copy: `BLKCOPY` is the ioctl in <linux/fs.h>. */
  abi: z.strictObject({ ioctl: z.literal('BLKCOPY') }),
  /** Names of the queue limits in /sys/block/DISK/queue; both hold bytes. */
  sysfs: z.strictObject({
    /** Read and write; 0 turns offload off. */
    limit: z.string().regex(/^\w+$/),
    /** Read only: what the device can do. */
    hardwareLimit: z.string().regex(/^\w+$/),
  }),
  /**
   * Trace events of subsystem `block` with the fields src, dst, bytes and error: one for each range that a device has
   * copied by itself, one for each that was read and written. null: the series has none.
   */
  tracepoints: z
    .strictObject({ offload: z.string().regex(/^\w+$/), fallback: z.string().regex(/^\w+$/) })
    .nullable()
    .default(null),
  /** true: the device copies by itself; false: the copy must fall back to reads and writes. */
  offloads: z.strictObject(
    Object.fromEntries(paths.map((path) => [path, z.boolean()])) as Record<Path, z.ZodBoolean>,
  ),
  /** The version of each base, by the name of its folder, that the patches were made for. */
  madeFor: z.record(z.string(), z.string()).default({}),
})

export type Path = (typeof paths)[number]
export type Profile = z.infer<typeof profileSchema>

/**
 * Reads a profile; null when the file is not there.
 * @throws Failure('usage') with file and line when it is wrong.
 */
export async function readProfile(file: string): Promise<Profile | null> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  return parseYaml(file, text, profileSchema).value
}
