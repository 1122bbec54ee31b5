import { createHash } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { Failure } from '../failure.ts'
import { type Profile, readProfile } from './profile.ts'

export interface Patch {
  path: string
  /** The mail's subject without `[PATCH …]`. */
  subject: string
}

export interface Series {
  name: string
  /** SHA-256 over the patches' bytes in order: names and comments do not matter. */
  hash: string
  patches: Patch[]
  /** null: the directory has no profile.yaml, so nothing is known about what the series offers. */
  profile: Profile | null
}

/**
 * Loads the series in `directory` for the tree called `label`: the folder of that name in it, else the directory
 * itself. Either has a file `series` with the name of one patch on each line; `#` begins a comment.
 * profile.yaml lies in the directory.
 * @throws Failure('usage') with file and line.
 */
export async function loadSeries(directory: string, label: string): Promise<Series> {
  const places = [join(directory, label, 'series'), join(directory, 'series')]
  const [list, text] = await firstOf(places, directory, label)
  const root = await realpath(dirname(list))
  const hash = createHash('sha256')
  const patches: Patch[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const name = line.replace(/(^|\s)#.*/, '').trim()
    if (!name) continue
    const where = `${list}:${index + 1}`
    const path = await insidePath(root, name, where)
    const content = await readFile(path)
    hash.update(`${content.length}\n`).update(content)
    patches.push({ path, subject: subjectOf(content.toString('latin1'), name, where) })
  }
  if (patches.length === 0) throw new Failure('usage', `${list} names no patch`)
  const profile = await readProfile(join(directory, 'profile.yaml'))
  const name = profile?.name ?? directory.split(sep).at(-1) ?? directory
  return { name, hash: hash.digest('hex'), patches, profile }
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
