import { join } from 'node:path'
import { defaultTopology } from '../../qemu/topology.ts'
import { projectRoot } from '../config/load.ts'
import { findCases } from '../run/cases.ts'
import { selectCases } from '../run/select.ts'
import { callsOf } from '../series/profile.ts'

/** `copylab list [case or group…]`: id, topology, what the cell must offer for it, description. */
export async function list(names: string[]): Promise<number> {
  const cases = selectCases(await findCases(join(projectRoot, 'tests')), names)
  const rows = [
    ['CASE', 'TOPOLOGY', 'NEEDS', 'DESCRIPTION'],
    ...cases.map(({ id, offloads, needs, description }) => {
      const calls: readonly string[] = callsOf(needs)
      const others = needs.filter((need) => !calls.includes(need))
      const wanted = [...calls, ...others, ...offloads.map((path) => `offload:${path}`)]
      return [id, defaultTopology.name, wanted.join(','), description]
    }),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows) {
    process.stdout.write(`${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`)
  }
  return 0
}
