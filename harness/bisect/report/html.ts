/** A bisection's result as one page that needs nothing else. */
import { escaped } from '../../report/formats/escape.ts'
import type { Decision } from '../decide.ts'
import type { BisectResult } from './result.ts'
import { resultText, symptomText } from './text.ts'

const style = `
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: 2px 8px; text-align: left; vertical-align: top }
pre { background: #f7f7f7; padding: 8px; overflow-x: auto }
.symptom { color: #b3261e } .clean { color: #17692b } .skip, .notrun { color: #888 }`

export function resultHtml(result: BisectResult, mail: string): string {
  const { ends, steps, verification, without } = result
  const rows: [string, Decision][] = [
    ['before', ends.before],
    ['after', ends.after],
    ...steps.map((step, index): [string, Decision] => [`step ${index + 1}`, step]),
    ...(verification
      ? ([
          ['parent, again', verification.parent],
          ['culprit, again', verification.culprit],
        ] as [string, Decision][])
      : []),
    ...(without && 'trials' in without ? ([['without it', without]] as [string, Decision][]) : []),
  ]
  const title = escaped(`copylab bisect: ${symptomText(result)}`)
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title><style>${style}</style></head><body>
<h1>${title}</h1>
<p>${escaped(`${result.startedAt}; ${result.outcome}; asked confidence ${result.confidence * 100} %`)}</p>
<table><tr><th></th><th>candidate</th><th>verdict</th><th>seen</th><th>attempts</th></tr>
${rows.map(([name, decision]) => row(name, decision)).join('\n')}
</table>
<h2>Report</h2><pre>${escaped(resultText(result))}</pre>
${mail ? `<h2>Mail</h2><pre>${escaped(mail)}</pre>` : ''}
</body></html>
`
}

function row(name: string, { candidate, says, reason, seen, tried, trials }: Decision): string {
  const attempts = trials
    .map(({ directory, result }) => `${escaped(result)} (${escaped(directory)})`)
    .join('<br>')
  return (
    `<tr><td>${escaped(name)}</td><td>${escaped(candidate.title)}</td>` +
    `<td class="${says.replace(' ', '')}">${says}: ${escaped(reason)}</td><td>${seen} of ${tried}</td><td>${attempts}</td></tr>`
  )
}
