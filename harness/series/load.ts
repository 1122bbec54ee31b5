import { createHash } from 'node:crypto'
import { readdir, readFile, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import type { Config } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { type Profile, readProfile } from './profile.ts'
import { resolveProfile } from './resolve.ts'

export interface Patch {
  path: string
  /** The mail's subject without `[PATCH …]`. */
  subject: string
}

export interface Series {
  name: string
  directory: string
  /** SHA-256 over the bytes of the patches to apply, in order: names and comments do not matter. */
  hash: string
  /** Those to apply: all of them, or the first ones of a series that is cut off; none of one that is cut off at 0. */
  patches: Patch[]
  /** How many the whole series has. */
  total: number
  /** What the patches to apply offer; null: the directory has no profile.yaml, so that nothing is known. */
  profile: Profile | null
}

/**
 * The series that a run is configured for, cut off where --patches says; null: the tree as it is.
 * @throws Failure('usage')
 */
export async function configuredSeries({ series, tree, patches }: Config): Promise<Series | null> {
  if (series !== null) return loadSeries(series, tree.label, patches)
  if (patches === undefined) return null
  throw new Failure('usage', `--patches ${patches}: there is no series to take patches of`)
}

/**
 * Loads the series in `directory` for the tree called `label`: the folder of that name in it, else the directory
 * itself. Either has a file `series` with the name of one patch on each line; `#` begins a comment.
 * profile.yaml lies in the directory.
 * @param applied take only so many patches, the first ones
 * @throws Failure('usage') with file and line.
 */
export async function loadSeries(directory: string, label: string, applied?: number): Promise<Series> {
  const places = [join(directory, label, 'series'), join(directory, 'series')]
  const [list, text] = await firstOf(places, directory, label)
  const root = await realpath(dirname(list))
  const hash = createHash('sha256')
  const patches: Patch[] = []
  const listed = listedIn(text)
  const count = applied ?? listed.length
  for (const [index, { name, line }] of listed.entries()) {
    const where = `${list}:${line}`
    const path = await insidePath(root, name, where)
    const content = await readFile(path)
    const subject = subjectOf(content.toString('latin1'), name, where)
    if (index >= count) continue
    hash.update(`${content.length}\n`).update(content)
    patches.push({ path, subject })
  }
  if (listed.length === 0) throw new Failure('usage', `${list} names no patch`)
  if (count > listed.length)
    throw new Failure('usage', `--patches ${count}: more than the ${listed.length} of ${list}`)
  const said = await readProfile(join(directory, 'profile.yaml'))
  const profile =
    said &&
    (await resolveProfile(said, {
      ...{ files: listed.map(({ name }) => name), applied: count, label },
      everywhere: () => patchesOfAll(directory),
    }))
  const name = profile?.name ?? directory.split(sep).at(-1) ?? directory
  return { name, directory, hash: hash.digest('hex'), patches, total: listed.length, profile }
}

/** The lines of a file `series` that name a patch, counted from 1. */
function listedIn(text: string): { name: string; line: number }[] {
  return text
    .split('\n')
    .map((line, index) => ({ name: line.replace(/(^|\s)#.*/, '').trim(), line: index + 1 }))
    .filter(({ name }) => name)
}

/** The patches that the files `series` in a directory and in its folders name. */
async function patchesOfAll(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  const folders = entries.filter((entry) => !entry.isFile()).map(({ name }) => join(directory, name))
  const texts = await Promise.all(
    [directory, ...folders].map((folder) => readFile(join(folder, 'series'), 'utf8').catch(() => '')),
  )
  return texts.flatMap((text) => listedIn(text).map(({ name }) => name))
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

async function firstOf(places: string[], directory: string, label: string): Promise<[string, string]> {
  for (const place of places) {
    try {
      return [place, await readFile(place, 'utf8')]
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
    }
  }
  throw new Failure(
    'usage',
    `${directory} has no series for the tree ${label}: neither ${places.join(' nor ')}`,
    {
      remedy: `write the patches' names, in order, to ${places[0]}, or use --series none`,
    },
  )
}

/** A patch named by somebody else's file must lie below that file's directory, symbolic links followed. */
async function insidePath(root: string, name: string, where: string): Promise<string> {
  const path = resolve(root, name)
  if (isAbsolute(name) || !path.startsWith(root + sep)) {
    throw new Failure('usage', `${where}: ${name} lies outside ${root}; expected a path below it`)
  }
  let real: string
  try {
    real = await realpath(path)
  } catch {
    throw new Failure('usage', `${where}: there is no patch ${path}`)
  }
  if (!real.startsWith(root + sep)) {
    throw new Failure('usage', `${where}: ${name} leads out of ${root} by a symbolic link`)
  }
  return real
}

/** Checks that a patch is one mail, as git format-patch writes them, and returns its subject. */
function subjectOf(text: string, name: string, where: string): string {
  const mails = text.match(/^From [0-9a-f]{40} /gm)?.length ?? 0
  if (mails > 1) {
    throw new Failure('usage', `${where}: ${name} holds ${mails} mails; expected one patch a file`, {
      remedy: `git mailsplit -o DIRECTORY ${name}`,
    })
  }
  const header = text.split(/\r?\n\r?\n/, 1)[0] ?? ''
  const subject = /^Subject: (.*(?:\r?\n[ \t].*)*)/m.exec(header)?.[1]
  if (subject === undefined || !/^From: /m.test(header)) {
    throw new Failure(
      'usage',
      `${where}: ${name} is no patch mail: From: or Subject: is missing at its top`,
      {
        remedy: 'make it with git format-patch',
      },
    )
  }
  return Buffer.from(subject, 'latin1')
    .toString()
    .replace(/\s+/g, ' ')
    .replace(/^(\[[^\]]*\] *)+/, '')
}
