import { treeName } from '../tree/spec.ts'
import type { MatrixCell } from './cells.ts'

/** The cells that have a kernel of their own, or the first of those that share one. */
export function firstOfEachKernel<C extends Pick<MatrixCell, 'cell'>>(cells: readonly C[]): C[] {
  const kernels = kernelsOf(cells)
  return cells.filter(({ cell: { name } }) => kernels.get(name) === name)
}

/** For each cell, the name of the first one that is built from the same inputs. */
export function kernelsOf(cells: readonly Pick<MatrixCell, 'cell'>[]): Map<string, string> {
  const firsts = new Map<string, string>()
  const kernels = new Map<string, string>()
  for (const { cell } of cells) {
    const { name, tree, series, kconfig } = cell
    const inputs = JSON.stringify([treeName(tree), series?.hash, [...kconfig].sort()])
    const first = firsts.get(inputs) ?? name
    firsts.set(inputs, first)
    kernels.set(name, first)
  }
  return kernels
}
