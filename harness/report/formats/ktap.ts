/** KTAP, version 1: Documentation/dev-tools/ktap.rst. A cell is a test, its cases are its subtests. */
import { missingOf, type Report } from '../report.ts'
import type { CaseSummary, CellSummary } from '../summary.ts'

export function ktap(report: Report): string {
  const { cells, plan, findings } = report.summary
  const missing = missingOf(report.summary)
  const names = [...new Set(plan.map(({ cell }) => cell))]
  const tests = names.map((name, index) => {
    const cell = cells.find((one) => one.name === name)
    return testOf(report, { name, number: index + 1, cell, missing: missing.get(name) ?? [] })
  })
  const all = ['KTAP version 1', ...findings.map(diagnostic), `1..${tests.length}`, ...tests.flat()]
  return `${all.join('\n')}\n`
}

interface Test {
  name: string
  number: number
  cell: CellSummary | undefined
  missing: readonly string[]
}

function testOf(report: Report, { name, number, cell, missing }: Test): string[] {
  const cases = cell?.cases ?? []
  const results = [
    ...cases.map((one, index) => subtest(report, name, one, index + 1)),
    ...missing.map((id, index) => [
      `not ok ${cases.length + index + 1} ${plain(id)} # ERROR it has no result`,
    ]),
  ]
  const bad = missing.length > 0 || cases.some(({ verdict }) => verdict === 'fail' || verdict === 'infra')
  const skipped = !bad && cases.every(({ verdict }) => verdict === 'not run')
  const body = ['KTAP version 1', `# Subtest: ${plain(name)}`, `1..${results.length}`, ...results.flat()]
  return [
    ...body.map((line) => `  ${line}`),
    `${bad ? 'not ok' : 'ok'} ${number} ${plain(name)}${skipped ? ' # SKIP' : ''}`,
  ]
}

/** Diagnostic lines regarding a test are before its result. */
function subtest({ textsOf }: Report, cell: string, one: CaseSummary, number: number): string[] {
  const { details, dmesg } = textsOf(cell, one.id)
  const diagnostics = [details, dmesg].flatMap((text) => (text ? text.split('\n').map(diagnostic) : []))
  const { result, directive } = resultOf(one)
  const why = directive && ` # ${[directive, plain(one.reason ?? '')].join(' ').trimEnd()}`
  return [...diagnostics, `${result} ${number} ${plain(`${one.id} ${one.description}`)}${why}`]
}

function resultOf({ verdict }: CaseSummary): { result: 'ok' | 'not ok'; directive: string } {
  switch (verdict) {
    case 'pass':
      return { result: 'ok', directive: '' }
    case 'not run':
      return { result: 'ok', directive: 'SKIP' }
    case 'known failure':
      // It fails no run; kselftest counts a result with this directive as ok, too.
      return { result: 'ok', directive: 'XFAIL' }
    case 'infra':
      return { result: 'not ok', directive: 'ERROR' }
    case 'fail':
      return { result: 'not ok', directive: '' }
  }
}

function diagnostic(line: string): string {
  return `# ${oneLine(line)}`.trimEnd()
}

/** A description has neither # nor newline in it. */
function plain(text: string): string {
  return oneLine(text).replaceAll('#', '').trim()
}

function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they are
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ')
}
