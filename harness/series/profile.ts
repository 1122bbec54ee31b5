import { z } from 'zod'
import { map, type Parsed, parseYaml } from '../config/yaml.ts'
import { readInput } from '../input.ts'

/** Calls that user space copies with: ioctls of <linux/fs.h>, and copy_file_range(2) between block devices. */
export const abis = ['BLKCOPY', 'BLKCOPYV', 'copy_file_range'] as const

/**
 * What a case copies with. `read_write`: a program that reads and writes, as dd does, which needs nothing of a series.
 * `in_kernel`: no program does; a driver of the kernel copies for its own ends.
 */
export const calls = [...abis, 'read_write', 'in_kernel'] as const

/** The ways from a source to a destination that a series may or may not offload. */
export const paths = [
  'nvme-same-namespace',
  'nvme-cross-namespace',
  /** Either of them where a namespace is behind a multipath node. */
  'nvme-multipath',
  /** To a sequential zone of a ZNS namespace, by any of those before. */
  'nvme-zoned',
  /** A unit without EXTENDED COPY. */
  'scsi',
  /** EXTENDED COPY inside of a unit, and between units of one target. */
  'scsi-same-unit',
  'scsi-cross-unit',
  'null-blk',
  'null-zoned',
  'dm-linear',
  /** dm-linear over zoned devices. */
  'dm-linear-zoned',
  /** Copies of device mapper's own: resyncs, exceptions of snapshots, hydrations. */
  'dm-kcopyd',
  'dm-crypt',
] as const

export type Abi = (typeof abis)[number]
export type Call = (typeof calls)[number]
export type Path = (typeof paths)[number]

/**
 * Whether the series offers something: `true`, `false`, or the patch that brings it, by the name of its file without
 * number and `.patch`. A series that is cut off before that patch does not offer it.
 */
const offered = z.union([z.boolean(), z.string().min(1)], {
  error: "expected true, false or a patch's file name without number and .patch",
})

/** What is not mentioned is not there. */
function each<K extends string>(names: readonly K[]) {
  const fields = names.map((name) => [name, offered.default(false)])
  return map(Object.fromEntries(fields) as Record<K, z.ZodDefault<typeof offered>>).prefault({} as never)
}

const word = z
  .string({ error: 'expected a name' })
  .regex(/^\w+$/, 'expected a name of letters, digits and _ only')

/** The patch that brings a section; left out: it is always there. */
const patch = z.string({ error: "expected a patch's file name without number and .patch" }).min(1).optional()

/** profile.yaml: what a series offers. Cases read their expectations here, so another series runs the same cases. */
export const profileSchema = map({
  name: z.string({ error: 'expected a name for the series' }).min(1),
  abi: each(abis),
  /** Names of the queue limits in /sys/block/DISK/queue; both hold bytes. Left out: the series has none. */
  sysfs: map({
    patch,
    /** Read and write; 0 turns offload off. */
    limit: word,
    /** Read only: what the device can do. */
    hardwareLimit: word,
  }).optional(),
  /**
   * Trace events of subsystem `block` with the fields src, dst, bytes and error: one for each range that a device has
   * copied by itself, one for each that was read and written. Left out: the series has none.
   */
  tracepoints: map({ patch, offload: word, fallback: word }).optional(),
  /** The device copies by itself on these paths; on others the copy must fall back to reads and writes. */
  offloads: each(paths),
  /** Types of checkpatch's messages that the series defends in its README: `copylab check-series` does not count them. */
  checkpatch: map({
    ignore: z.array(z.string().regex(/^[A-Z_]+$/, 'expected a type such as FILE_PATH_CHANGES')),
  }).default({ ignore: [] }),
  /** The version of each base, by the name of its folder, that the patches were made for. */
  madeFor: z
    .record(z.string(), z.string({ error: "expected a tree's version in quotes" }), {
      error: 'expected versions by the name of the tree, such as { "6.12": 6.12.117-1 }',
    })
    .default({}),
})

export type ProfileFile = z.infer<typeof profileSchema>

/** The calls that a case makes, by what it says that it needs: BLKCOPY when it names none. */
export function callsOf(needs: readonly string[] = []): readonly Call[] {
  const named = calls.filter((call) => needs.includes(call))
  return named.length ? named : ['BLKCOPY']
}

/** Whether user space can make it. */
export function isAbi(call: Call): call is Abi {
  return call !== 'read_write' && call !== 'in_kernel'
}

/** What a case may ask a series for. */
export type Feature = Abi | Path | 'limits' | 'tracepoints'

/** What the applied patches of a series offer. */
export interface Profile {
  name: string
  /** Names of the queue limits, the usual ones when `lacks` says that there are none. */
  sysfs: { limit: string; hardwareLimit: string }
  /** Null when `lacks` has them. */
  tracepoints: { offload: string; fallback: string } | null
  /** What is not offered, and who lacks it, in a sentence. All else must be there. */
  lacks: Partial<Record<Feature, string>>
  madeFor: Record<string, string>
  checkpatch: { ignore: string[] }
}

/** What a case asks of the series and the profile lacks, in a sentence; undefined when it has all of it. */
export function lackFor(
  { needs, offloads }: { needs: readonly string[]; offloads: readonly string[] },
  { lacks }: Pick<Profile, 'lacks'>,
): string | undefined {
  const calls = callsOf(needs).filter(isAbi)
  const others = needs.filter((need) => need === 'limits' || need === 'tracepoints')
  const features = [...calls, ...others, ...offloads] as Feature[]
  return features.map((feature) => lacks[feature]).find((lack) => lack !== undefined)
}

/**
 * Reads a profile; null when the file is not there.
 * @throws Failure('usage') with file and line when it is wrong.
 */
export async function readProfile(file: string): Promise<Parsed<ProfileFile> | null> {
  const text = await readInput(file)
  return text ? parseYaml(file, text.toString(), profileSchema) : null
}
