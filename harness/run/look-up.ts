/** What of the planned cells is in the cache: nothing is fetched or built to find that out. */
import pLimit from 'p-limit'
import { findProgram } from '../../qemu/cc.ts'
import { cacheDirectory } from '../cache/directory.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { lookUpKernel } from '../kernel/provide.ts'
import { fetchedQemu } from '../qemu/provide.ts'
import { lookUpTree } from '../tree/find.ts'
import type { Cell } from './plan.ts'

export interface CellLook {
  /** null: what the tree's content is has to be found out by fetching it. */
  kernelKey: string | null
  /** Kernel and emulator are there. */
  cached: boolean
}

/** Each look takes some processes: git for a branch, gcc for its version. */
const atOnce = 8

/**
 * @returns a look for each cell. What goes wrong with the machine or the network is told when the cell is provided.
 * @throws Failure('usage') when what the user has given cannot be used: before anything is built
 */
export function lookUpCells(
  cells: readonly Cell[],
  { signal, emit }: { signal: AbortSignal; emit: Emit },
): Promise<CellLook[]> {
  const cache = cacheDirectory()
  const trees = new Map<string, ReturnType<typeof lookUpTree>>()
  const treeOf = ({ tree }: Cell) => {
    const id = JSON.stringify(tree)
    const found = trees.get(id) ?? lookUpTree(tree, { cache, signal, emit })
    trees.set(id, found)
    return found
  }
  const lookUp = async (cell: Cell): Promise<CellLook> => {
    try {
      const { qemu } = cell.machine
      const emulator = 'program' in qemu ? findProgram(qemu.program) : fetchedQemu(qemu, cache)
      const [tree, program] = await Promise.all([treeOf(cell), emulator])
      // Its fragments are looked at even so.
      const id = tree ?? { id: '' }
      const { series, kconfig: fragments } = cell
      const kernel = await lookUpKernel({ tree: id, series, fragments, cache })
      if (!tree) return { kernelKey: null, cached: false }
      return { kernelKey: kernel.key, cached: kernel.cached && program !== undefined }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Failure && error.kind === 'infra') return { kernelKey: null, cached: false }
      throw error
    }
  }
  const limit = pLimit(atOnce)
  return Promise.all(cells.map((cell) => limit(() => lookUp(cell))))
}
