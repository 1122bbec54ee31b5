import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Config } from '../config/load.ts'
import type { TreeSpec } from '../config/schema.ts'
import type { Parsed } from '../config/yaml.ts'
import { Failure } from '../failure.ts'
import { loadPart, type Part, type ReadPart } from './parts.ts'
import { type Profile, type ProfileFile, readProfile } from './profile.ts'
import { resolveProfile } from './resolve.ts'

export interface Patch {
  /** One mail, for git am. */
  path: string
  /** The mail's subject without `[PATCH …]`. */
  subject: string
}

export interface Series {
  name: string
  /** The name for cells and files: letters, digits and `.+_-` only. */
  label: string
  /** Where it comes from: directories, mailboxes and ranges, as absoluteSeries() writes them, one upon the other. */
  specs: string[]
  /** SHA-256 over the bytes of the patches to apply, in order: names and comments do not matter. */
  hash: string
  /** The same over the first none, one, two of them and so on, all of them left out; empty: not known. */
  prefixHashes: string[]
  /** Those to apply: all of them, or the first ones of a series that is cut off; none of one that is cut off at 0. */
  patches: Patch[]
  /** How many the whole series has. */
  total: number
  /** What the patches to apply offer; null: there is no profile, so that nothing is known. */
  profile: Profile | null
  /** What was decided on reading it, a line each. */
  notes: string[]
  /** What the series says of its base, as `git format-patch --base` writes it, in a sentence. */
  madeOn?: string
  /** Packs of git objects: the files that the patches change, as they were. */
  packs: string[]
  /** What the configuration has to offer when it does not apply. */
  refusal?: Refusal
}

export interface Refusal {
  /** Directory that rejected hunks are kept in. */
  rejects: string
  /** Those that another base is looked for among. */
  trees: TreeSpec[]
}

export interface LoadOptions {
  /** Take only so many patches, the first ones. */
  applied?: number | undefined
  /** Of a mailbox with several versions. */
  version?: number | undefined
  /** Path of the profile, instead of the one beside the series. */
  profile?: string | undefined
  refusal?: Refusal
  read?: ReadPart
}

/**
 * The series that a run is configured for, cut off where --patches says; null: the tree as it is.
 * @param read what reads the series: rememberingLoadPart(), where it is asked for for many trees
 * @throws Failure('usage')
 */
export async function configuredSeries(config: Config, read: ReadPart = loadPart): Promise<Series | null> {
  const { series, tree, patches, seriesVersion, profile, results, trees } = config
  if (series.length > 0) {
    const refusal = { rejects: join(results, 'rejects'), trees }
    return loadSeries(series, tree.label, {
      applied: patches,
      version: seriesVersion,
      profile,
      refusal,
      read,
    })
  }
  const option = patches === undefined ? '--series-version' : `--patches ${patches}`
  if (patches === undefined && seriesVersion === undefined) return null
  throw new Failure('usage', `${option}: there is no series to take patches of`, {
    remedy: 'name a series with --series, or leave the option out',
  })
}

/**
 * Loads the series that `specs` name, for the tree called `label`, one upon the other: directories (for that tree the
 * folder of its name in it, if there is one), mailboxes, and ranges of commits, as absoluteSeries() writes them.
 * What holds for one patch file or mail: it is checked before any git sees a tree with it.
 *
 * The profile is the one beside the last series that has one.
 * @throws Failure('usage') with the file, and the line or the mail.
 */
export async function loadSeries(
  specs: string | readonly string[],
  label: string,
  { applied, version, profile: profileFile, refusal, read = loadPart }: LoadOptions = {},
): Promise<Series> {
  const named = [specs].flat()
  const parts: Part[] = []
  for (const spec of named) parts.push(await read(spec, label, version))
  const patches = parts.flatMap((part) => part.patches)
  const notes = parts.flatMap((part) => part.notes)
  const count = applied ?? patches.length
  if (count > patches.length) {
    throw new Failure('usage', `--patches ${count}: more than the ${patches.length} of ${named.join(', ')}`, {
      remedy: `a number from 0 to ${patches.length}, or leave it out for all of them`,
    })
  }
  const said = await profileOf(parts, profileFile)
  const profile =
    said &&
    (await resolveProfile(said, {
      ...{ files: patches.map(({ path }) => basename(path)), applied: count, label },
      everywhere: async () => (await Promise.all(parts.map((part) => part.everywhere()))).flat(),
    }))
  const hashes = prefixHashes(parts)
  const madeOn = parts.findLast((part) => part.madeOn)?.madeOn
  return {
    name: profile?.name ?? parts.map(({ name }) => name).join('+'),
    label: parts.map((part) => part.label.replace(/[^\w.-]/g, '-')).join('+'),
    ...{ specs: named, total: patches.length, profile, notes },
    ...{ hash: hashes[count] as string, prefixHashes: hashes.slice(0, count) },
    patches: patches.slice(0, count).map(({ path, mail }) => ({ path, subject: mail.subject.title })),
    packs: parts.flatMap((part) => part.packs),
    ...(madeOn === undefined ? {} : { madeOn }),
    ...(refusal && { refusal }),
  }
}

/** Hashes of a part, which is asked for them for many trees. */
const known = new WeakMap<Part, string[]>()

/** Of the first none, one, two patches and so on, up to all of them. */
function prefixHashes(parts: readonly Part[]): string[] {
  const [part, ...more] = parts
  const single = more.length === 0 ? part : undefined
  const kept = single && known.get(single)
  if (kept) return kept
  const sum = createHash('sha256')
  const hashes = [sum.copy().digest('hex')]
  for (const { mail } of parts.flatMap(({ patches }) => patches)) {
    sum.update(`${mail.bytes.length}\n`).update(mail.bytes)
    hashes.push(sum.copy().digest('hex'))
  }
  if (single) known.set(single, hashes)
  return hashes
}

async function profileOf(parts: Part[], file: string | undefined): Promise<Parsed<ProfileFile> | null> {
  if (file !== undefined) {
    const said = await readProfile(file)
    if (said) return said
    throw new Failure('usage', `--profile: there is no file ${file}`, {
      remedy: 'name a file, or leave --profile out for the one beside the series',
    })
  }
  const places = parts.toReversed().flatMap(({ profiles }) => profiles)
  const place = places.find((one) => existsSync(one))
  return place === undefined ? null : readProfile(place)
}

/** What reports say of a series: the first `patches` of `total` are applied. */
export interface SeriesFacts {
  name: string
  hash: string
  patches: number
  total: number
}

export function seriesFacts({ name, hash, patches, total }: Series): SeriesFacts {
  return { name, hash, patches: patches.length, total }
}

/** `14 patches`, or `5 of 14 patches` when it is cut off. */
export function patchesOf({ patches, total }: SeriesFacts): string {
  return patches === total ? `${total} patches` : `${patches} of ${total} patches`
}

/** One line when the tree is not the version that the series was made for; git then has to merge, or refuse. */
export function driftNote(series: Series, tree: { label: string; version: string }): string | undefined {
  const madeFor = series.profile?.madeFor[tree.label]
  if (madeFor === undefined || madeFor === tree.version) return undefined
  return `series ${series.name} was made for ${tree.label} ${madeFor}; the tree is ${tree.version}`
}
