import { basename } from 'node:path'
import type { Config } from '../config/load.ts'
import { sourceName } from '../debian/source.ts'
import { patchesOf, type Series, seriesFacts } from '../series/load.ts'
import { treeName } from '../tree/spec.ts'
import type { CaseInfo } from './cases.ts'
import { cellName } from './cell-name.ts'
import type { PlanShard } from './shard.ts'

/** Tree × series × kconfig × machine. */
export interface Cell {
  /** Names the cell's directory of results. */
  name: string
  tree: Config['tree']
  /** null: the tree as it is. */
  series: Series | null
  kconfig: string[]
  machine: Config['machine']
  /** As provideKernel() takes it. */
  sharedBuild?: boolean
}

/** A cell, and the cases that are to run on it. */
export interface PlannedCell {
  cell: Cell
  cases: CaseInfo[]
}

/** What a run is to do; nothing of it was fetched, built or started. */
export interface Plan {
  cells: PlannedCell[]
  results: string
  /** Present: the cells are those of a shard. */
  shard?: PlanShard | undefined
}

/** @param series what `configuredSeries` has found for the configuration */
export function planCell(config: Config, series: Series | null): Cell {
  const { tree, kconfig, machine } = config
  return { name: cellName(config, series), tree, series, kconfig, machine }
}

function qemuName(qemu: Cell['machine']['qemu']): string {
  const what = 'program' in qemu ? qemu.program : sourceName(qemu)
  return what === qemu.label ? what : `${qemu.label}: ${what}`
}

/** For `--dry-run`. */
export function showPlan({ cells, results }: Plan): string {
  return [...cells.map(showCell), `results in ${results}`].join('\n')
}

function showCell({ cell, cases }: PlannedCell): string {
  const { name, tree, series, kconfig, machine } = cell
  return [
    `cell ${name}`,
    `  tree     ${tree.label}: ${treeName(tree)}`,
    `  series   ${series ? `${series.specs.join(', ')}, ${patchesOf(seriesFacts(series))}` : 'none'}`,
    `  kconfig  ${kconfig.map((path) => basename(path, '.config')).join(' ')}`,
    `  machine  QEMU ${qemuName(machine.qemu)}, ${machine.accel}, ${machine.cpus} CPUs, ${machine.memory} MiB`,
    `  ${cases.length} cases`,
    ...cases.map(({ id, description }) => `    ${id}  ${description}`),
  ].join('\n')
}
