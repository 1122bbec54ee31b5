/** Whether what came out of an archive or a repository is a kernel source that can be built without risk. */
import { posix } from 'node:path'
import { Failure, type FailureKind } from '../failure.ts'
import { type GitOptions, git, tryGit } from './git.ts'
import { kernelVersion } from './spec.ts'

export interface InspectOptions extends Pick<GitOptions, 'signal'> {
  /** What it came from, for messages. */
  what: string
  /** Whose fault it is when it is no kernel. */
  kind: FailureKind
}

/**
 * Checks a tree in a repository: that it is a kernel's, and that none of its symbolic links leads out of it.
 * @returns the version in its Makefile
 * @throws Failure
 */
export async function inspectTree(
  repository: string,
  tree: string,
  { what, kind, signal }: InspectOptions,
): Promise<string> {
  const listing = await git(repository, ['ls-tree', '-r', '-z', tree], { signal })
  const links: { path: string; object: string }[] = []
  for (const line of listing.split('\0')) {
    const [, mode, object = '', path = ''] = /^(\d+) \w+ (\w+)\t(.*)$/s.exec(line) ?? []
    if (mode === '160000') throw new Failure(kind, `${what}: ${path} is a submodule, which no kernel has`)
    if (mode === '120000') links.push({ path, object })
  }
  for (const { path, object } of links) {
    // Objects by their hash: a path could be one that git takes for something else.
    const target = await git(repository, ['cat-file', 'blob', object], { signal })
    if (leadsOut(path, target)) {
      throw new Failure(kind, `${what}: the symbolic link ${path} leads out of the source, to ${target}`, {
        remedy: 'remove the link: what is built must lie in the source',
      })
    }
  }
  const { stdout, status } = await tryGit(repository, ['cat-file', 'blob', `${tree}:Makefile`], { signal })
  const version = status === 0 ? kernelVersion(stdout) : undefined
  if (version) return version
  throw new Failure(
    kind,
    `${what} is no kernel source: it has no Makefile with VERSION and PATCHLEVEL at its top`,
    { remedy: 'name what holds a whole kernel source, whose top has the files Makefile and Kconfig' },
  )
}

/** Whether a symbolic link at `path`, relative to the source's top, names something outside of it. */
export function leadsOut(path: string, target: string): boolean {
  return target.startsWith('/') || /^\.\.(\/|$)/.test(posix.join(posix.dirname(path), target))
}
