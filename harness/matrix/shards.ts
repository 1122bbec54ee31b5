import type { MatrixCell } from './cells.ts'
import { kernelsOf } from './kernels.ts'

/** What one job of a CI system runs. */
export interface Job {
  /** For people. */
  name: string
  cell: string
  /** The first cell with the same kernel. */
  kernel: string
  /** For `--shard`; undefined: all of the cell. */
  shard?: string
  /** Name for a directory: no other job has the same. */
  slug: string
}

/** Each cell in as many jobs as there are shards. */
export function jobsOf(cells: readonly MatrixCell[], shards: number): Job[] {
  const kernels = kernelsOf(cells)
  return cells.flatMap(({ cell: { name } }) => {
    const kernel = kernels.get(name) ?? name
    if (shards === 1) return [{ name, cell: name, kernel, slug: name }]
    return Array.from({ length: shards }, (_, index): Job => {
      const shard = `${index + 1}/${shards}`
      return { name: `${name} ${shard}`, cell: name, kernel, shard, slug: `${name}.${index + 1}` }
    })
  })
}
