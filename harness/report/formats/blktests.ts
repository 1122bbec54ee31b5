import { describeFailure } from '../../failure.ts'
import { type ShownCase, showCase, unwellLines } from '../console.ts'
import { type CaseTexts, cellTitle, type Report } from '../report.ts'
import { type CaseSummary, type CellSummary, isLost } from '../summary.ts'

/** What `copylab run` prints, without its last line. */
export function blktests({ summary, textsOf, lastOf }: Report): string {
  const several = summary.cells.length > 1
  const lines = summary.cells.flatMap((cell) => [
    `${cellTitle(cell)}\n`,
    ...failureOf(cell),
    ...cell.cases.flatMap((one) => {
      if (isLost(cell, one)) return []
      return showCase(shown(one, textsOf(cell.name, one.id)), lastOf(cell.name, one.id), plain)
    }),
  ])
  const unwell = summary.cells.flatMap((cell) =>
    unwellLines(
      cell.cases.filter((one) => !isLost(cell, one)),
      plain,
    ).map((line) => `${several ? `${cell.name}: ` : ''}${line}\n`),
  )
  return [...lines, ...unwell, ...summary.findings.map((finding) => `${finding}\n`)].join('')
}

const plain = (_colour: number, text: string) => text

function shown(one: CaseSummary, { details, dmesg }: CaseTexts): ShownCase {
  const { id, description, verdict, reason, known, command } = one
  const { splat, copies, host, boot, runtimeMs, guestMs } = one
  return {
    ...{ id, description, verdict, command },
    ...(reason === undefined ? {} : { reason }),
    ...(known === undefined ? {} : { known }),
    ...(details ? { details } : {}),
    record: {
      ...{ copies, host, boot, runtimeMs, guestMs, dmesg, qemu: [] },
      ...(splat === undefined ? {} : { splat }),
    },
  }
}

function failureOf(cell: CellSummary): string[] {
  if (!cell.failure) return []
  const lost = cell.cases.filter((one) => isLost(cell, one)).length
  const lines = `${describeFailure(cell.failure)}\n  ${lost} cases have no verdict`.split('\n')
  return lines.map((line) => `    ${line}\n`)
}
