/** What a tree is made from, before anything of it is fetched. */
import { createHash } from 'node:crypto'
import { readFile, realpath, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { type TreeSource, type TreeSpec, treeSchema } from '../config/schema.ts'
import { sourceName } from '../debian/source.ts'
import { Failure } from '../failure.ts'
import { packedBy } from './packed.ts'

/** For people: `linux-source-7.3@trixie-backports`, `/src/linux.tar.xz`, `/src/linux#v6.12`. */
export function treeName(source: TreeSource): string {
  if ('debian' in source) return sourceName(source)
  if ('tarball' in source) return source.tarball
  if ('git' in source) return `${source.git}#${source.ref}`
  return source.directory
}

/** Where the cache keeps the tree, below `trees/`; also the name of its lock, `tree-…`. */
export function placeName(source: TreeSource): string {
  // The request names the place, so a pin and the unpinned package are kept apart.
  if ('debian' in source) return sourceName(source)
  // All commits of a repository share one clone, and so does its work tree that is given as a directory.
  const origin = 'tarball' in source ? source.tarball : 'git' in source ? source.git : source.directory
  const hash = createHash('sha256').update(origin).digest('hex').slice(0, 12)
  return `${fileName(basename(origin).replace(/\.git$/, ''))}-${hash}`
}

/** As the name of a cell and of a folder. */
function fileName(text: string): string {
  return text.replace(/[^\w.+-]+/g, '-').replace(/^[^\w]+/, '') || 'tree'
}

const looksLikeUrl = (text: string) =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^[\w.-]+@?[\w.-]*:/.test(text)
const looksLikePath = (text: string) => /\/|^\.{1,2}$|\.(tar|tar\.\w+|tgz|txz|tzst)$/.test(text)

/**
 * What `--tree` names when it is no name of copylab.yaml, or undefined when it can be nothing else:
 * `[NAME=]SOURCE`, where SOURCE is `linux-source-X.Y[=VERSION][@SUITE]`, the path of a tarball or directory, or
 * `REPOSITORY#REF` with a path or URL. NAME becomes the tree's label, else the source's own name does.
 * @param cwd what paths are relative to
 * @throws Failure('usage')
 */
export async function parseTree(text: string, cwd: string): Promise<TreeSpec | undefined> {
  const [, name, source = ''] = /^(?:(?!linux-source-)(\w[\w.+-]*)=)?(.+)$/s.exec(text) ?? []
  const parsed = await parseSource(source, cwd)
  if (!parsed) return undefined
  const checked = treeSchema.safeParse(parsed)
  if (!checked.success) {
    throw new Failure('usage', `--tree ${JSON.stringify(text)}: ${checked.error.issues[0]?.message}`)
  }
  return { label: name ?? labelOf(checked.data), ...checked.data }
}

async function parseSource(source: string, cwd: string): Promise<object | undefined> {
  if (source.startsWith('linux-source-')) {
    const [debian, suite] = source.split('@', 2)
    return suite === undefined ? { debian } : { debian, suite }
  }
  const [, repository = '', ref] = /^(.*?)(?:#(.*))?$/s.exec(source) ?? []
  const isUrl = looksLikeUrl(repository)
  if (ref !== undefined) return { git: isUrl ? repository : resolve(cwd, repository), ref }
  if (isUrl) {
    throw new Failure('usage', `--tree: ${source} names no branch, tag or commit; expected ${source}#REF`, {
      remedy: `for instance --tree ${source}#v6.12; a tarball has to be downloaded first`,
    })
  }
  if (!looksLikePath(source)) return undefined
  const path = resolve(cwd, source)
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() ? { directory: path } : { tarball: path }
}

function labelOf(source: TreeSource): string {
  if ('debian' in source) return fileName(sourceName(source).replace('@', '-'))
  if ('git' in source) return fileName(`${basename(source.git).replace(/\.git$/, '')}-${source.ref}`)
  const path = 'tarball' in source ? source.tarball : source.directory
  return fileName(basename(path).replace(/\.(tar|tar\.\w+|tgz|txz|tzst)$/, ''))
}

/** Paths of copylab.yaml are relative to it. */
export function resolvedSource<T extends TreeSource>(source: T, base: string): T {
  if ('tarball' in source) return { ...source, tarball: resolve(base, source.tarball) }
  if ('directory' in source) return { ...source, directory: resolve(base, source.directory) }
  if ('git' in source && !looksLikeUrl(source.git)) return { ...source, git: resolve(base, source.git) }
  return source
}

/** Whether the git repository is on this machine, by its path. */
export function isLocal(git: string): boolean {
  return git.startsWith('/')
}

/**
 * Looks at what is on this machine, and makes its path the real one: one source has one place, whatever link it
 * is reached by.
 * @param where begins the message: the option, or file and line
 * @throws Failure('usage') when it cannot be a kernel source
 */
export async function checkSource<T extends TreeSource>(source: T, where: string): Promise<T> {
  const refuse = (message: string, remedy?: string): never => {
    throw new Failure('usage', `${where}: ${message}`, remedy === undefined ? {} : { remedy })
  }
  const real = async (path: string, what: string): Promise<string> => {
    return realpath(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
        return refuse(`there is no ${what} ${path}`, 'name one that is there')
      return refuse(`cannot read the ${what} ${path}: ${error.message}`, 'make it readable')
    })
  }
  if ('tarball' in source) {
    const path = await real(source.tarball, 'file')
    const found = await stat(path)
    if (found.isDirectory())
      return refuse(`${path} is a directory, no tarball`, 'write directory: in its place')
    if (!found.isFile()) return refuse(`${path} is no file`, 'name a regular file')
    if (found.size === 0) return refuse(`${path} is empty`, 'fetch it again')
    const packed = await packedBy(path).catch((error) =>
      refuse(`cannot read ${path}: ${error.message}`, 'make it readable'),
    )
    if (packed === undefined)
      return refuse(`${path} is no tarball: expected a .tar, packed by xz, gzip or zstd or not at all`)
    return { ...source, tarball: path }
  }
  if ('git' in source && isLocal(source.git)) {
    const path = await real(source.git, 'git repository')
    return { ...source, git: path }
  }
  if ('directory' in source) {
    const path = await real(source.directory, 'directory')
    if (!(await stat(path)).isDirectory())
      return refuse(`${path} is no directory`, 'write tarball: in its place')
    const makefile = await readFile(join(path, 'Makefile'), 'utf8').catch(() => undefined)
    if (makefile !== undefined && kernelVersion(makefile) !== undefined) return { ...source, directory: path }
    const isBare = makefile === undefined && (await stat(join(path, 'objects')).catch(() => undefined))
    if (isBare) return refuse(`${path} is a git repository without files`, `name what to build: ${path}#REF`)
    return refuse(
      `${path} is no kernel source: it has no Makefile with VERSION and PATCHLEVEL`,
      'name the top directory of a kernel source',
    )
  }
  return source
}

/** `6.12.57-rc1` by a kernel's top Makefile; undefined: it is none. */
export function kernelVersion(makefile: string): string | undefined {
  const value = (name: string) => new RegExp(`^${name} *= *(\\S*)`, 'm').exec(makefile)?.[1]
  const [version, patchlevel] = [value('VERSION'), value('PATCHLEVEL')]
  if (!version || !patchlevel || !/^\d+$/.test(version + patchlevel)) return undefined
  return `${[version, patchlevel, value('SUBLEVEL')].filter(Boolean).join('.')}${value('EXTRAVERSION') ?? ''}`
}
