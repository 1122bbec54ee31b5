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
  const checked = await checkSource(spec, `the tree ${spec.label}`)
  const provide = () => provideTree(checked, options)
  const place = placeOf(checked, options.cache)
  const known = isRepository(checked)
    ? await import('./repository.ts').then(({ findCommit }) => findCommit(checked, place, options))
    : await findImported(checked as ImportedSource, place, options)
  if (known) return { id: known.id, version: known.version, label: spec.label, provide }
  const tree = await provide()
  return { id: tree.id, version: tree.version, label: tree.label, provide: async () => tree }
}
