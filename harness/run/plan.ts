import { basename } from 'node:path'
import type { Config } from '../config/load.ts'
import { sourceName } from '../debian/source.ts'
import type { CaseInfo } from './cases.ts'

/** Tree × series × kconfig × machine. */
export interface Cell {
  /** Names the cell's directory of results. */
  name: string
  tree: Config['tree']
  series: string | null
  kconfig: string[]
  machine: Config['machine']
}

/** What a run is to do; nothing of it was looked up, built or started. */
export interface Plan {
  cells: Cell[]
  cases: CaseInfo[]
  results: string
}

export function planRun(config: Config, cases: CaseInfo[]): Plan {
  const { tree, series, kconfig, machine, results } = config
  const name = series === null ? tree.label : `${tree.label}-${basename(series)}`
  return { cells: [{ name, tree, series, kconfig, machine }], cases, results }
}

function qemuName(qemu: Cell['machine']['qemu']): string {
  const what = 'program' in qemu ? qemu.program : sourceName(qemu)
  return what === qemu.label ? what : `${qemu.label}: ${what}`
}

/** For `--dry-run`. */
export function showPlan({ cells, cases, results }: Plan): string {
  const lines = cells.flatMap(({ name, tree, series, kconfig, machine }) => [
    `cell ${name}`,
    `  tree     ${tree.label}: ${sourceName(tree)}`,
    `  series   ${series ?? 'none'}`,
    `  kconfig  ${kconfig.map((path) => basename(path, '.config')).join(' ')}`,
    `  machine  QEMU ${qemuName(machine.qemu)}, ${machine.accel}, ${machine.cpus} CPUs, ${machine.memory} MiB`,
  ])
  return [
    ...lines,
    `results in ${results}`,
    `${cases.length} cases in each cell`,
    ...cases.map(({ id, description }) => `  ${id}  ${description}`),
  ].join('\n')
}
