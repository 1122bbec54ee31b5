import type { MatrixCell } from '../cells.ts'
import { cellFacts } from './json.ts'

/** A table for people. */
export function text(cells: readonly MatrixCell[]): string {
  const rows = [
    ['CELL', 'TREE', 'SERIES', 'KCONFIG', 'QEMU', 'ACCEL', 'MEMORY'],
    ...cells.map((one) => {
      const { name, tree, series, kconfig, qemu, accel, memoryMiB } = cellFacts(one)
      const patches = series && (series.patches === series.total ? '' : ` ${series.patches}/${series.total}`)
      const source = series ? `${series.name}${patches}` : 'none'
      return [name, tree, source, kconfig, qemu, accel, `${memoryMiB} MiB`]
    }),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const lines = rows.map((row) => row.map((word, column) => word.padEnd(widths[column] ?? 0)).join('  '))
  const count = `${cells.length} ${cells.length === 1 ? 'cell' : 'cells'}`
  return `${[...lines.map((line) => line.trimEnd()), count].join('\n')}\n`
}
