/** What a format shows: a summary, and what it leaves out of the cases that did not pass. */
import { join } from 'node:path'
import { patchesOf } from '../series/load.ts'
import { type CellPart, renumberBoots } from './merge.ts'
import { readText } from './read-results.ts'
import { resultPath } from './results-directory.ts'
import type { CellSummary, Summary } from './summary.ts'

/** What went wrong, as the results directory has it. */
export interface CaseTexts {
  /** All that is known of a failure: `.out.bad`. */
  details: string
  /** The kernel's messages: `.dmesg`. */
  dmesg: string
}

export interface Report {
  summary: Summary
  /** Empty texts where a case left none. */
  textsOf(cell: string, id: string): CaseTexts
  /** The result file of the last run, for a comparison; empty where there is none. */
  lastOf(cell: string, id: string): Map<string, string>
}

/** One way to write a report down; a file of its own each in formats/. */
export type Format = (report: Report) => string

const none: CaseTexts = { details: '', dmesg: '' }

/** Reads the texts of the cases that did not pass. */
export async function readTexts(parts: ReadonlyMap<string, CellPart[]>): Promise<Report['textsOf']> {
  const texts = new Map<string, CaseTexts>()
  for (const [cell, cellParts] of parts)
    for (const part of cellParts)
      for (const [id, one] of part.cases) {
        const { verdict } = one.merged
        if (!one.files || verdict === 'pass' || verdict === 'not run') continue
        texts.set(join(cell, id), await textsIn(part, cell, one.id))
      }
  return (cell, id) => texts.get(join(cell, id)) ?? none
}

async function textsIn({ directory, bootsBefore }: CellPart, cell: string, id: string): Promise<CaseTexts> {
  const path = resultPath(directory, cell, id)
  const [details = '', dmesg = ''] = await Promise.all([
    readText(`${path}.out.bad`),
    readText(`${path}.dmesg`),
  ])
  return { details: renumberBoots(details, bootsBefore).trimEnd(), dmesg: dmesg.trimEnd() }
}

/** `6.12-copy-offload: 6.12.117 with 16 patches of copy-offload, QEMU 7.2.22, tcg`, as a run says it */
export function cellTitle({ name, kernel, series, machine }: CellSummary): string {
  if (!kernel || !machine) return name
  const patches = series ? `with ${patchesOf(series)} of ${series.name}` : 'without patches'
  return `${name}: ${kernel.release} ${patches}, QEMU ${machine.qemuVersion}, ${machine.accel}`
}

/** Planned cases that have no result, by cell. */
export function missingOf({ plan, cells }: Summary): Map<string, string[]> {
  const missing = plan.map(({ cell, cases }): [string, string[]] => {
    const there = new Set(cells.find(({ name }) => name === cell)?.cases.map(({ id }) => id))
    return [cell, cases.filter((id) => !there.has(id))]
  })
  return new Map(missing.filter(([, ids]) => ids.length))
}
