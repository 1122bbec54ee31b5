import type { TreeSpec } from '../config/schema.ts'
import { findImported, type ImportedSource } from './imported.ts'
import { isRepository, placeOf, provideTree, type Tree, type TreeOptions } from './provide.ts'
import { checkSource } from './spec.ts'

/** A tree whose content is known, whether its files lie in the cache or not. */
export interface FoundTree extends Pick<Tree, 'id' | 'label' | 'version'> {
  /** Gets its files. What comes may be another content: a package that is not pinned may have moved on. */
  provide(): Promise<Tree>
}

/**
 * Finds out which content a tree has, and gets its files only when that cannot be told otherwise: a kernel that was built
 * before, or was imported from another machine, is found by it.
 * @throws Failure as provideTree() does
 */
export async function findTree(spec: TreeSpec, options: TreeOptions): Promise<FoundTree> {
  const known = await lookUpTree(spec, options)
  if (known) return known
  const tree = await provideTree(await checkSource(spec, `the tree ${spec.label}`), options)
  return { id: tree.id, version: tree.version, label: tree.label, provide: async () => tree }
}

/**
 * The tree, if its content is known without getting its files.
 * @throws Failure('usage') when the source is not there, 'infra' when a repository cannot be asked for a branch
 */
export async function lookUpTree(spec: TreeSpec, options: TreeOptions): Promise<FoundTree | undefined> {
  const checked = await checkSource(spec, `the tree ${spec.label}`)
  const place = placeOf(checked, options.cache)
  const known = isRepository(checked)
    ? await import('./repository.ts').then(({ findCommit }) => findCommit(checked, place, options))
    : await findImported(checked as ImportedSource, place, options)
  if (!known) return undefined
  const { id, version } = known
  return { id, version, label: spec.label, provide: () => provideTree(checked, options) }
}
