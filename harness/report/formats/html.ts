/** One page that needs nothing else: no script, no font, no image. */
import { describeFailure } from '../../failure.ts'
import type { Verdict } from '../../run/outcome.ts'
import { closingLine } from '../../run/outcome.ts'
import { cellTitle, missingOf, type Report } from '../report.ts'
import type { CaseSummary, CellSummary } from '../summary.ts'
import { escaped } from './escape.ts'

const style = `
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: 1px 8px; text-align: left; vertical-align: top }
th { position: sticky; top: 0; background: #fff } td.v { text-align: center; font-size: 12px }
tr:hover td { background: #f4f4f4 } pre { background: #f7f7f7; padding: 8px; overflow-x: auto; max-height: 40em }
.pass { color: #17692b } .fail { color: #fff; background: #b3261e !important } .notrun { color: #888 }
.infra { color: #fff; background: #7b2d8b !important } .known { color: #0b6e82 } .missing { background: #ffd34d !important }
.findings { border-left: 4px solid #b3261e; padding-left: 12px }`

const classes: Record<Verdict | 'missing', string> = {
  ...{ pass: 'pass', fail: 'fail', 'not run': 'notrun' },
  ...{ infra: 'infra', 'known failure': 'known', missing: 'missing' },
}

export function html(report: Report): string {
  const { summary } = report
  const { cells, findings, totals, startedAt, durationMs, exitStatus, copylab } = summary
  const when = `${startedAt}, ${Math.round(durationMs / 1000)} s, exit status ${exitStatus}, copylab ${copylab}`
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>copylab: ${escaped(closingLine(totals))}</title>
<style>${style}</style></head><body>
<h1>${escaped(closingLine(totals))}</h1>
<p>${escaped(when)}</p>
${findings.length ? `<ul class="findings">${findings.map((one) => `<li>${escaped(one)}</li>`).join('')}</ul>` : ''}
<ul>${cells.map(cellLine).join('\n')}</ul>
${failures(report)}
${table(report)}
</body></html>
`
}

function cellLine(cell: CellSummary): string {
  const failure = cell.failure ? `<pre>${escaped(describeFailure(cell.failure))}</pre>` : ''
  return `<li>${escaped(cellTitle(cell))}: ${escaped(closingLine(cell.totals))}${failure}</li>`
}

function failures({ summary, textsOf }: Report): string {
  const bad = summary.cells.flatMap(({ name, cases }) =>
    cases
      .filter(({ verdict }) => verdict === 'fail' || verdict === 'infra' || verdict === 'known failure')
      .map((one) => failure(name, one, textsOf(name, one.id))),
  )
  return bad.length ? `<h2>What did not pass</h2>\n${bad.join('\n')}` : ''
}

function failure(cell: string, one: CaseSummary, { details, dmesg }: ReturnType<Report['textsOf']>): string {
  const { id, description, verdict, reason = '', known, command } = one
  const why = known ? [`${known.reason} ${known.link}`] : []
  const text = [...why, details || reason, `again: ${command}`].join('\n')
  return `<details id="${anchor(cell, id)}"><summary><span class="${classes[verdict]}">${verdict}</span> ${escaped(
    `${cell} ${id} (${description}): ${reason}`,
  )}</summary><pre>${escaped(text)}</pre>${dmesg ? `<pre>${escaped(dmesg)}</pre>` : ''}</details>`
}

/** Cases down, cells across. */
function table({ summary }: Report): string {
  const { cells } = summary
  const missing = missingOf(summary)
  const names = [...new Set(summary.plan.map(({ cell }) => cell))]
  const byCell = new Map(cells.map(({ name, cases }) => [name, new Map(cases.map((one) => [one.id, one]))]))
  const ids = new Map<string, string>()
  for (const { cases } of cells) for (const { id, description } of cases) ids.set(id, description)
  for (const id of [...missing.values()].flat()) if (!ids.has(id)) ids.set(id, '')
  const rows = [...ids]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, description]) => {
      const results = names.map((name) =>
        box(name, id, byCell.get(name)?.get(id), missing.get(name)?.includes(id)),
      )
      return `<tr><td>${escaped(id)}</td>${results.join('')}<td>${escaped(description)}</td></tr>`
    })
  const heads = names.map((name) => `<th>${escaped(name)}</th>`).join('')
  return `<h2>All cases</h2>
<table><thead><tr><th>case</th>${heads}<th>description</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`
}

function box(cell: string, id: string, one: CaseSummary | undefined, missing = false): string {
  if (!one) return missing ? `<td class="v ${classes.missing}">no result</td>` : '<td></td>'
  const { verdict, reason = '', runtimeMs } = one
  const title = escaped(reason || `${(runtimeMs / 1000).toFixed(3)} s`)
  const bad = verdict !== 'pass' && verdict !== 'not run'
  const text = bad ? `<a class="${classes[verdict]}" href="#${anchor(cell, id)}">${verdict}</a>` : verdict
  return `<td class="v ${classes[verdict]}" title="${title}">${text}</td>`
}

function anchor(cell: string, id: string): string {
  return escaped(`${cell}/${id}`)
}
