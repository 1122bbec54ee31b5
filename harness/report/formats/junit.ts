/**
 * JUnit's XML as CI systems read it (the schema of Jenkins' xunit plugin: junit-10.xsd). A cell is a test suite. `infra`
 * and a missing result are errors, a known failure counts as skipped, since it fails no run.
 */
import { missingOf, type Report } from '../report.ts'
import type { CaseSummary, CellSummary } from '../summary.ts'
import { escaped } from './escape.ts'

export function junit(report: Report): string {
  const { plan, cells, totals, findings, durationMs } = report.summary
  const missing = missingOf(report.summary)
  const suites = [...new Set(plan.map(({ cell }) => cell))].map((name) =>
    suite(
      report,
      name,
      cells.find((cell) => cell.name === name),
      missing.get(name) ?? [],
    ),
  )
  const lost = [...missing.values()].flat().length
  const all = Object.values(totals).reduce((sum, value) => sum + value, 0) + lost
  const head = counts({
    ...{ tests: all + findings.length, failures: totals.failed },
    ...{ errors: totals.infra + lost + findings.length, skipped: totals.skipped + totals.known },
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="copylab" ${head} time="${seconds(durationMs)}">`,
    ...suites,
    ...(findings.length ? [findingSuite(findings)] : []),
    '</testsuites>',
    '',
  ].join('\n')
}

function suite(
  report: Report,
  name: string,
  cell: CellSummary | undefined,
  missing: readonly string[],
): string {
  const cases = cell?.cases ?? []
  const number = (...verdicts: string[]) => cases.filter(({ verdict }) => verdicts.includes(verdict)).length
  const runtimeMs = cases.reduce((sum, one) => sum + one.runtimeMs, 0)
  const [first = ''] = cases.map(({ startedAt }) => startedAt).sort()
  const head = [
    `name="${escaped(name)}"`,
    counts({
      ...{ tests: cases.length + missing.length, failures: number('fail') },
      ...{ errors: number('infra') + missing.length, skipped: number('not run', 'known failure') },
    }),
    `time="${seconds(runtimeMs)}"`,
    ...(first ? [`timestamp="${first.slice(0, 19)}"`] : []),
  ]
  return [
    `  <testsuite ${head.join(' ')}>`,
    ...(cell ? [properties(cell)] : []),
    ...cases.map((one) => testCase(report, name, one)),
    ...missing.map((id) =>
      element(name, id, id, 0, '      <error message="it has no result" type="missing"/>'),
    ),
    '  </testsuite>',
  ].join('\n')
}

function properties({ tree, series, kconfig, kernel, machine, topology }: CellSummary): string {
  const facts = {
    tree: `${tree.label} ${tree.version ?? ''}`.trim(),
    ...(series && { series: `${series.name} ${series.patches}/${series.total} ${series.hash}` }),
    kconfig: kconfig.join(' '),
    ...(kernel && { kernel: kernel.release, 'kernel.key': kernel.key, compiler: kernel.compiler }),
    ...(machine && { qemu: machine.qemuVersion, accel: machine.accel }),
    ...(topology && { topology }),
  }
  const lines = Object.entries(facts).map(
    ([key, value]) => `      <property name="${key}" value="${escaped(value)}"/>`,
  )
  return ['    <properties>', ...lines, '    </properties>'].join('\n')
}

function testCase({ textsOf }: Report, cell: string, one: CaseSummary): string {
  const { id, description, verdict, reason = '', known, runtimeMs, command } = one
  const { details, dmesg } = textsOf(cell, id)
  const message = `message="${escaped(reason)}"`
  const text = escaped([details || reason, `again: ${command}`].join('\n'))
  const output = dmesg ? [`      <system-err>${escaped(dmesg)}</system-err>`] : []
  const name = `${id} ${description}`
  switch (verdict) {
    case 'pass':
      return element(cell, id, name, runtimeMs)
    case 'not run':
      return element(cell, id, name, runtimeMs, `      <skipped ${message}/>`)
    case 'known failure': {
      const why = escaped(`known failure: ${reason}: ${known?.reason ?? ''} ${known?.link ?? ''}`)
      return element(cell, id, name, runtimeMs, `      <skipped message="${why}"/>`, ...output)
    }
    case 'fail':
    case 'infra': {
      const tag = verdict === 'fail' ? 'failure' : 'error'
      const type = verdict === 'infra' ? 'infra' : one.splat === undefined ? 'output' : 'dmesg'
      const said = `      <${tag} ${message} type="${type}">${text}</${tag}>`
      return element(cell, id, name, runtimeMs, said, ...output)
    }
  }
}

function element(cell: string, id: string, name: string, runtimeMs: number, ...inner: string[]): string {
  const className = escaped(`${cell}.${id.split('/')[0]}`)
  const head = `    <testcase classname="${className}" name="${escaped(name)}" time="${seconds(runtimeMs)}"`
  return inner.length ? [`${head}>`, ...inner, '    </testcase>'].join('\n') : `${head}/>`
}

/** What is wrong with the report itself must turn a pipeline red that looks at nothing else. */
function findingSuite(findings: readonly string[]): string {
  const errors = findings.length
  return [
    `  <testsuite name="copylab" ${counts({ tests: errors, failures: 0, errors, skipped: 0 })} time="0.000">`,
    ...findings.map((finding, index) =>
      element(
        'copylab',
        'report',
        `finding ${index + 1}`,
        0,
        `      <error message="${escaped(finding)}" type="finding"/>`,
      ),
    ),
    '  </testsuite>',
  ].join('\n')
}

function counts(numbers: { tests: number; failures: number; errors: number; skipped: number }): string {
  return Object.entries(numbers)
    .map(([key, value]) => `${key}="${value}"`)
    .join(' ')
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}
