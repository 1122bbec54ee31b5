/** Which objects a patch may break: pure choice, over what a whole build has left behind. */
import type { Diff } from '../series/diff.ts'

/** An object of the kernel, as its `.cmd` file tells. */
export interface BuiltObject {
  /** `block/bio.o` */
  object: string
  /** `block/bio.c` */
  source: string
  /** Headers of the tree that it includes. */
  headers: readonly string[]
}

export interface Affected {
  /** Objects whose own source the patch changes. */
  touched: string[]
  /** Objects that include a header which the patch changes, the likeliest to break first. */
  including: string[]
  /** Folders that are given to kbuild as a whole: their Makefile changes, or what they compile does. */
  folders: string[]
}

const keywords = new Set(
  'auto bool break case char const continue default do double else enum extern false float for goto if inline int long register return short signed sizeof static struct switch true typedef typeof union unsigned void volatile while define undef ifdef ifndef endif elif include NULL u8 u16 u32 u64 s8 s16 s32 s64 the and for not that with this which'.split(
    ' ',
  ),
)

/** The words of a line of C that may be the name of something. */
export function identifiersIn(text: string): string[] {
  return [...new Set(text.match(/[A-Za-z_]\w{2,}/g) ?? [])].filter((word) => !keywords.has(word))
}

/**
 * @param diff of the patch
 * @param isThere whether the tree has the file after the whole series
 * @param changed the lines that the patch takes away from and adds to headers
 * @param textOf the text of a source file of the tree
 */
export async function affectedBy(
  diff: Diff,
  objects: readonly BuiltObject[],
  changed: string,
  textOf: (source: string) => Promise<string>,
): Promise<Affected> {
  const paths = new Set(diff.files.flatMap(({ paths }) => paths))
  const sources = new Set(objects.map(({ source }) => source))
  const touched = objects.filter(({ source }) => paths.has(source)).map(({ object }) => object)
  const folders = new Set<string>()
  for (const { paths: names, created } of diff.files) {
    const [name = ''] = names.slice(-1)
    const folder = name.replace(/[^/]*$/, '')
    const isBuilt = objects.some(({ source }) => source.startsWith(folder))
    // A file that is new, or that the whole series does not keep, is kbuild's to find.
    const unknown = /\.[cS]$/.test(name) && (created || !sources.has(name))
    if (folder && isBuilt && (unknown || /(^|\/)(Makefile|Kbuild)$/.test(name))) folders.add(folder)
  }
  const headers = [...paths].filter((path) => path.endsWith('.h'))
  const users = objects.filter(
    ({ object, headers: included }) =>
      !touched.includes(object) && headers.some((one) => included.includes(one)),
  )
  const words = identifiersIn(changed)
  const uses = await Promise.all(
    users.map(async ({ object, source }) => {
      const text = new Set(identifiersIn(await textOf(source)))
      return { object, words: words.filter((word) => text.has(word)) }
    }),
  )
  const frequency = new Map<string, number>()
  for (const { words } of uses) for (const word of words) frequency.set(word, (frequency.get(word) ?? 0) + 1)
  // A word that few use tells more: the one that is gone, or has got another meaning.
  const scored = uses.map(({ object, words }) => ({
    object,
    score: words.reduce((sum, word) => sum + 1 / (frequency.get(word) ?? 1), 0),
  }))
  scored.sort((a, b) => b.score - a.score)
  return { touched, including: scored.map(({ object }) => object), folders: [...folders] }
}

/**
 * Reads the `.cmd` file that kbuild keeps for an object; undefined when it is no object of a C or assembler source in the
 * tree.
 * @param path of the object, relative to the build directory
 * @param inTree the path below the tree's root that a path of the compiler names; undefined: none
 */
export function readCommand(
  path: string,
  text: string,
  inTree: (path: string) => string | undefined,
): BuiltObject | undefined {
  const named = /^source_\S+ := (\S+)/m.exec(text)?.[1]
  const source = named === undefined ? undefined : inTree(named)
  if (source === undefined || !/\.[cS]$/.test(source)) return undefined
  const listed = /^deps_\S+ := \\\n((?:.*\\\n)*)/m.exec(text)?.[1] ?? ''
  const headers = listed.match(/\S+\.h\b/g)?.flatMap((one) => inTree(one) ?? []) ?? []
  return { object: path, source, headers }
}
