import { basename } from 'node:path'
import type { MatrixCell } from '../cells.ts'
import { kernelsOf } from '../kernels.ts'

/** What programs are told of a cell. */
export interface CellFacts {
  /** For `--cell`, and the name of its directory of results. */
  name: string
  /** The first cell that has the same kernel, which may be this one. */
  kernel: string
  /** Names in copylab.yaml. */
  tree: string
  qemu: string
  /** null: the tree as it is. The first `patches` of `total` are applied. */
  series: { name: string; specs: string[]; patches: number; total: number } | null
  /** The set's name where the matrix names one, else the fragments' names, separated by commas. */
  kconfig: string
  /** Absolute paths. */
  fragments: string[]
  /** As asked for: what auto comes to is for the machine to say that runs it. */
  accel: 'auto' | 'kvm' | 'tcg'
  cpus: number
  memoryMiB: number
  /** `file:line` of what asks for the cell. */
  where: string
}

/** All that is known of the cells before anything is fetched or built. */
export function json(cells: readonly MatrixCell[]): string {
  const kernels = kernelsOf(cells)
  const facts = cells.map((one): CellFacts => {
    const { name, ...rest } = cellFacts(one)
    return { name, kernel: kernels.get(name) ?? name, ...rest }
  })
  return `${JSON.stringify({ cells: facts }, null, 2)}\n`
}

export function cellFacts({ cell, settings, where }: MatrixCell): Omit<CellFacts, 'kernel'> {
  const { name, tree, series, kconfig, machine } = cell
  return {
    name,
    tree: tree.label,
    series: series && {
      ...{ name: series.name, specs: series.specs },
      ...{ patches: series.patches.length, total: series.total },
    },
    kconfig: settings.kconfig?.label ?? kconfig.map((path) => basename(path, '.config')).join(','),
    qemu: machine.qemu.label,
    ...{ accel: machine.accel, cpus: machine.cpus, memoryMiB: machine.memory },
    fragments: kconfig,
    where,
  }
}
