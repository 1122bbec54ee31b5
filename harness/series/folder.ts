/** A directory with a file `series` in it, which names the patches in order, as quilt has it. */
import { readdir, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { Failure } from '../failure.ts'
import { readInput } from '../input.ts'

export interface Listed {
  /** As the file `series` names it. */
  name: string
  path: string
  /** `file:line` that names it. */
  where: string
}

/**
 * The patches that a directory lists for the tree called `label`: in the folder of that name in it, else in itself.
 * `#` begins a comment; quilt's `-p1` may follow a name.
 * @returns the file `series` and what it names; undefined: there is no such file
 * @throws Failure('usage') with file and line.
 */
export async function listedPatches(
  directory: string,
  label: string,
): Promise<{ list: string; patches: Listed[] } | undefined> {
  for (const list of seriesFiles(directory, label)) {
    const text = await readIfThere(list)
    if (text === undefined) continue
    const root = await realpath(dirname(list))
    const patches: Listed[] = []
    for (const { name, line } of listedIn(text)) {
      const where = `${list}:${line}`
      if (/\s-p(?!1$)\S*$/.test(name)) {
        throw new Failure('usage', `${where}: ${name}: only patches for -p1 are applied`, {
          remedy: 'make the patch with git format-patch, or git diff, from the top of the tree',
        })
      }
      const file = name.replace(/\s+-p1$/, '')
      const twin = patches.find((one) => one.name === file)
      if (twin) {
        throw new Failure('usage', `${where}: ${file} is named twice, first at ${twin.where}`, {
          remedy: 'take one of the two lines out',
        })
      }
      patches.push({ name: file, path: await insidePath(root, file, where), where })
    }
    if (patches.length === 0) {
      throw new Failure('usage', `${list} names no patch`, {
        remedy: "write the patches' names to it, one a line, or use --series none",
      })
    }
    return { list, patches }
  }
  return undefined
}

/** Where a file `series` is looked for. */
export function seriesFiles(directory: string, label: string): string[] {
  return [join(directory, label, 'series'), join(directory, 'series')]
}

/** The lines of a file `series` that name a patch, counted from 1. */
function listedIn(text: string): { name: string; line: number }[] {
  return text
    .split('\n')
    .map((line, index) => ({ name: line.replace(/(^|\s)#.*/, '').trim(), line: index + 1 }))
    .filter(({ name }) => name)
}

/** The names of the patches that the files `series` in a directory and in its folders name. */
export async function patchesOfAll(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  const folders = entries.filter((entry) => !entry.isFile()).map(({ name }) => join(directory, name))
  const texts = await Promise.all(
    [directory, ...folders].map(async (folder) => (await readIfThere(join(folder, 'series'))) ?? ''),
  )
  return texts.flatMap((text) => listedIn(text).map(({ name }) => name.replace(/\s+-p1$/, '')))
}

async function readIfThere(file: string): Promise<string | undefined> {
  return (await readInput(file))?.toString()
}

/** A patch named by somebody else's file must lie below that file's directory, symbolic links followed. */
async function insidePath(root: string, name: string, where: string): Promise<string> {
  const path = resolve(root, name)
  if (isAbsolute(name) || !path.startsWith(root + sep)) {
    throw new Failure('usage', `${where}: ${name} lies outside ${root}`, {
      remedy: 'copy it there, and name it by a path below that directory',
    })
  }
  let real: string
  try {
    real = await realpath(path)
  } catch {
    throw new Failure('usage', `${where}: there is no patch ${path}`, {
      remedy: 'add the file, or take the line out',
    })
  }
  if (!real.startsWith(root + sep)) {
    throw new Failure('usage', `${where}: ${name} leads out of ${root} by a symbolic link`, {
      remedy: 'put a copy in the place of the link',
    })
  }
  return real
}
