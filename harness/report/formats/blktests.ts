import type { Verdict } from '../../run/outcome.ts'
import { type ShownCase, showCase, words } from '../console.ts'
import { type CaseTexts, cellTitle, type Report } from '../report.ts'
import type { CaseSummary } from '../summary.ts'

/** What `copylab run` prints, without its last line. */
export function blktests({ summary, textsOf, lastOf }: Report): string {
  const several = summary.cells.length > 1
  const lines = summary.cells.flatMap((cell) => [
    `${cellTitle(cell)}\n`,
    ...(cell.failure ? [`    ${cell.failure.message.replaceAll('\n', '\n    ')}\n`] : []),
    ...cell.cases.map((one) => {
      return showCase(shown(one, textsOf(cell.name, one.id)), lastOf(cell.name, one.id), plain)
    }),
  ])
  // Among hundreds of lines a failure is not to be searched for.
  const unwell = (['fail', 'infra', 'known failure'] as const).flatMap((verdict) =>
    summary.cells.flatMap(({ name, cases }) => {
      const ids = idsOf(cases, verdict)
      return ids ? [`${words[verdict]}${several ? ` on ${name}` : ''}: ${ids}\n`] : []
    }),
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

function idsOf(cases: readonly CaseSummary[], verdict: Verdict): string {
  return cases
    .filter((one) => one.verdict === verdict)
    .map(({ id }) => id)
    .join(' ')
}
