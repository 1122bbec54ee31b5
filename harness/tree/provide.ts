import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { keepInUse } from '../cache/lock.ts'
import type { TreeSource, TreeSpec } from '../config/schema.ts'
import type { DebianSource } from '../debian/source.ts'
import type { Emit } from '../events.ts'
import { type ImportedSource, provideImported, readReady } from './imported.ts'
import type { RepositorySource } from './repository.ts'
import { checkSource, placeName } from './spec.ts'

export interface TreeOptions {
  /** copylab's cache directory. */
  cache: string
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

/** A kernel source that lies ready for a series. */
export interface Tree {
  /** Hash of the git tree of `base`: the same content has the same id, wherever it came from. */
  id: string
  /** Its name in copylab.yaml, such as `6.12`, or what was given instead of one. */
  label: string
  /** Debian version of the package, such as `6.12.57-1~deb12u1`, or what the Makefile says, `6.12.57`. */
  version: string
  /** Path of the git work tree. Whoever changes what is checked out holds the lock `lock`. */
  git: string
  /** Commit of the unpatched source. It need not be what is checked out. */
  base: string
  /** Name for withLock(). */
  lock: string
  /**
   * Names the build directories: trees with the same one share their objects, as the commits of a repository do. A pin and
   * the unpinned package can be the same content under two locks, so the lock is part of it.
   */
  objects: string
}

/**
 * Provides a kernel source as a git work tree in the cache: that of a Debian package, a tarball or a directory is
 * imported, that of a git repository is in a clone of it. The user's own files are only read.
 * @throws Failure: 'usage' when it is not there, no kernel source or no safe one; 'infra' when it cannot be fetched or
 *   the cache cannot hold it
 */
export async function provideTree(spec: TreeSpec, options: TreeOptions): Promise<Tree> {
  const checked = await checkSource(spec, `the tree ${spec.label}`)
  const place = placeOf(checked, options.cache)
  // From here on nobody evicts it.
  await keepInUse(place.lock, options)
  if (!isRepository(checked)) return provideImported(checked as ImportedSource, place, options)
  // Loaded late: most trees are imported, and lie ready.
  const { provideCommit } = await import('./repository.ts')
  return provideCommit(checked, place, options)
}

/** Whether git knows the commits of a source. */
export function isRepository(source: TreeSource): source is RepositorySource {
  return 'git' in source || ('directory' in source && existsSync(join(source.directory, '.git')))
}

/**
 * The tree, if it lies ready in the cache. That of a directory or a tarball may be older than what is there now; which
 * commit a ref of a repository names has to be asked.
 */
export function knownTree(spec: TreeSpec, cache: string): Tree | undefined {
  const { directory, lock, label } = placeOf(spec, cache)
  const ready = readReady(directory)
  if (!ready || !existsSync(join(directory, 'source', '.git'))) return undefined
  const { id, version, base } = ready
  return { id, version, base, label, git: join(directory, 'source'), lock, objects: `${lock} ${id}` }
}

/** Where a tree lies in the cache. */
export interface Place {
  directory: string
  lock: string
  label: string
}

export function placeOf(spec: TreeSpec, cache: string): Place {
  // A directory may become a repository: what was imported of its files is no clone.
  const name = 'directory' in spec && !isRepository(spec) ? `${placeName(spec)}-files` : placeName(spec)
  return { directory: join(cache, 'trees', name), lock: `tree-${name}`, label: spec.label }
}

/** The version of a Debian package's tree, if it lies ready in the cache. */
export function fetchedTree(source: DebianSource, cache: string): string | undefined {
  return readReady(join(cache, 'trees', placeName(source)))?.version
}
