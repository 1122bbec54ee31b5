/** What checking a series comes to: pure data, and how it is shown. */

/** In the order of the table's columns. `build` is the compiler, the linker and kbuild itself. */
export const checkNames = [
  'apply',
  'build',
  'warnings',
  'w1',
  'sparse',
  'checkpatch',
  'kernel-doc',
  'whitespace',
] as const

export type CheckName = (typeof checkNames)[number]

/** Those that are made when nobody says which: `w1` and `sparse` are asked for by name. */
export const usualChecks: readonly CheckName[] = checkNames.filter(
  (name) => name !== 'w1' && name !== 'sparse',
)

/** `mended`: it was broken by an earlier patch and this one put it right; `broken`: an earlier patch's fault still. */
export type CheckState = 'ok' | 'fail' | 'broken' | 'mended' | 'not reached'

export interface CheckResult {
  state: CheckState
  /** A line each. For `broken` and `mended` the patch that is to blame. */
  findings: string[]
}

export interface PatchResult {
  /** From 1. */
  number: number
  subject: string
  checks: Partial<Record<CheckName, CheckResult>>
}

export interface TreeResult {
  tree: string
  version: string
  series: string
  patches: PatchResult[]
  /** Path of make's output, if anything was built. */
  buildLog?: string
  /** How many of the kernel's objects were compiled after each patch but the last; null: all that were out of date. */
  compiled?: number[] | null
  ms: number
}

/** Whether any patch has a finding of its own. */
export function hasFindings(results: readonly TreeResult[]): boolean {
  return results.some(({ patches }) =>
    patches.some(({ checks }) => Object.values(checks).some(({ state }) => state === 'fail')),
  )
}

const shown: Record<CheckState, string> = {
  ok: 'ok',
  fail: 'FAIL',
  broken: 'broken',
  mended: 'mended',
  'not reached': '-',
}

/** At most so many findings of one check of one patch; JSON has them all. */
const mostShown = 20

/** A table patch × check, and below it what was found. */
export function showResult({ tree, version, series, patches, buildLog }: TreeResult): string {
  const columns = checkNames.filter((name) => patches.some(({ checks }) => checks[name]))
  const number = String(patches.length).length
  const width = Math.max(...patches.map(({ subject }) => Math.min(subject.length, 60)), 7)
  const row = (...cells: string[]) => cells.join('  ').trimEnd()
  const lines = [
    `${series} on ${tree} (${version})`,
    row(' '.repeat(number), 'patch'.padEnd(width), ...columns),
    ...patches.map(({ number: n, subject, checks }) =>
      row(
        String(n).padStart(number),
        shorten(subject, width).padEnd(width),
        ...columns.map((name) => shown[checks[name]?.state ?? 'not reached'].padEnd(name.length)),
      ),
    ),
  ]
  for (const { number: n, checks } of patches) {
    for (const name of columns) {
      const findings = checks[name]?.findings ?? []
      for (const finding of findings.slice(0, mostShown)) lines.push(`patch ${n}, ${name}: ${finding}`)
      if (findings.length > mostShown)
        lines.push(`patch ${n}, ${name}: and ${findings.length - mostShown} more, see --json`)
    }
  }
  const failed = patches.some(
    ({ checks }) => checks.build?.state === 'fail' || checks.warnings?.state === 'fail',
  )
  if (failed && buildLog !== undefined) lines.push(`  log:     ${buildLog}`)
  return lines.join('\n')
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}
