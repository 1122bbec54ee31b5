/** From what a profile says of a whole series to what the applied patches of it offer. */
import type { Parsed } from '../config/yaml.ts'
import { Failure } from '../failure.ts'
import { abis, type Feature, type Path, type Profile, type ProfileFile, paths } from './profile.ts'

/** A series in one of its folders, all of it or cut off. */
export interface Cut {
  /** File names of all its patches, in order. */
  files: readonly string[]
  /** How many of them are applied. */
  applied: number
  /** The tree's name, for messages. */
  label: string
  /** File names of the patches in every folder of the series. */
  everywhere: () => Promise<readonly string[]>
}

const verbs: Record<Exclude<Feature, Path>, string> = {
  BLKCOPY: 'has no BLKCOPY ioctl',
  BLKCOPYV: 'has no BLKCOPYV ioctl',
  copy_file_range: 'has no copy_file_range between block devices',
  limits: 'has no queue limits for copies',
  tracepoints: 'has no tracepoints for copies',
}

/** What somebody does who lacks the feature: `has no BLKCOPY ioctl`. */
export function lackOf(feature: Feature): string {
  return isPath(feature) ? `does not offload ${feature}` : verbs[feature]
}

/** The name by which a profile calls a patch: of all its folders the same, whatever the number. */
export function patchName(file: string): string {
  return (file.split('/').at(-1) ?? file).replace(/^(v\d+-)?\d+-/, '').replace(/\.patch$/, '')
}

/** @throws Failure('usage') with file and line when the profile names a patch that no folder has. */
export async function resolveProfile({ value, where }: Parsed<ProfileFile>, cut: Cut): Promise<Profile> {
  const { name, abi, sysfs, tracepoints, offloads, madeFor, checkpatch } = value
  const said: { feature: Feature; offered: boolean | string; key: string[] }[] = [
    ...abis.map((feature) => ({ feature, offered: abi[feature], key: ['abi', feature] })),
    { feature: 'limits', offered: sysfs ? (sysfs.patch ?? true) : false, key: ['sysfs', 'patch'] },
    {
      ...{ feature: 'tracepoints', offered: tracepoints ? (tracepoints.patch ?? true) : false },
      key: ['tracepoints', 'patch'],
    },
    ...paths.map((feature) => ({ feature, offered: offloads[feature], key: ['offloads', feature] })),
  ]
  const names = cut.files.map(patchName)
  const strangers = said.filter(({ offered }) => typeof offered === 'string' && !names.includes(offered))
  const known = strangers.length ? new Set((await cut.everywhere()).map(patchName)) : new Set()
  const wrong = strangers.filter(({ offered }) => !known.has(offered))
  if (wrong.length) {
    const problems = wrong.map(({ key, offered }) => {
      return `${where(key)}: ${key.join('.')}: no folder of the series has a patch '${offered}'`
    })
    throw new Failure('usage', problems.join('\n'), {
      remedy: 'name the patch as its file is named, without number and .patch, or say true or false',
    })
  }
  const lacks: Profile['lacks'] = {}
  for (const { feature, offered } of said) {
    const why = whyNot(feature, offered)
    if (why !== undefined) lacks[feature] = why
  }
  const events = lacks.tracepoints === undefined ? tracepoints : undefined
  return {
    ...{ name, madeFor, lacks, checkpatch },
    sysfs: sysfs ?? { limit: 'copy_max_bytes', hardwareLimit: 'copy_max_hw_bytes' },
    tracepoints: events ? { offload: events.offload, fallback: events.fallback } : null,
  }

  function whyNot(feature: Feature, offered: boolean | string): string | undefined {
    if (offered === true) return undefined
    const index = names.lastIndexOf(String(offered))
    if (index >= 0 && index < cut.applied) return undefined
    const series = `the series '${name}'`
    if (offered === false) return `${series} ${lackOf(feature)}`
    if (index < 0) return `${series} for ${cut.label} ${lackOf(feature)}`
    const place = cut.applied ? `after patch ${cut.applied} of ${names.length}` : 'before its first patch'
    return `${series}, cut off ${place}, ${lackOf(feature)}; patch ${index + 1} brings it`
  }
}

function isPath(feature: Feature): feature is Path {
  return (paths as readonly string[]).includes(feature)
}

/** Whether it must be there. */
export function offers(profile: Profile, feature: Feature): boolean {
  return profile.lacks[feature] === undefined
}
