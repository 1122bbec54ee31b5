import { join } from 'node:path'
import { defaultTopology } from '../../qemu/topology.ts'
import { projectRoot } from '../config/load.ts'
import { findCases } from '../run/cases.ts'
import { selectCases } from '../run/select.ts'

/** `copylab list [case or group…]`: id, topology, what the series must offload for it, description. */
export async function list(names: string[]): Promise<number> {
  const cases = selectCases(await findCases(join(projectRoot, 'tests')), names)
  const rows = [
    ['CASE', 'TOPOLOGY', 'OFFLOADS', 'DESCRIPTION'],
    ...cases.map(({ id, offloads, description }) => [id, defaultTopology.name, offloads ?? '-', description]),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows) {
    process.stdout.write(`${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`)
  }
  return 0
}
