/** From what is wrong after each patch to which patch is to blame: pure. */
import type { CheckResult } from './result.ts'

/** What is wrong with the kernel after a patch, by what it is wrong with (an object, a symbol): the words for it. */
export type Wrong = ReadonlyMap<string, string>

/**
 * @param states what is wrong at the base, and after each patch
 * @returns a result for each patch; what is wrong with the base already is nobody's fault
 */
export function blame(states: readonly Wrong[]): CheckResult[] {
  const [base = new Map()] = states
  const results: CheckResult[] = []
  /** The patch, from 1, that broke what is broken now. */
  const culprits = new Map<string, number>()
  for (const [number, state] of states.entries()) {
    if (number === 0) continue
    const wrong = [...state].filter(([what]) => !base.has(what))
    const fresh = wrong.filter(([what]) => !culprits.has(what))
    const mended = [...culprits].filter(([what]) => !state.has(what))
    const findings = [
      ...fresh.map(([what, words]) => `${words}${mendedBy(what, number, states)}`),
      ...(mended.length ? [`mends what patch ${patches(mended)} broke`] : []),
    ]
    const still = wrong
      .filter(([what]) => culprits.has(what))
      .map(([what]) => [what, culprits.get(what) ?? 0] as const)
    if (still.length && !fresh.length) findings.push(`still broken by patch ${patches(still)}`)
    for (const [what] of mended) culprits.delete(what)
    for (const [what] of fresh) culprits.set(what, number)
    const state_ = fresh.length ? 'fail' : still.length ? 'broken' : mended.length ? 'mended' : 'ok'
    results.push({ state: state_, findings: [...new Set(findings)] })
  }
  return results
}

function mendedBy(what: string, number: number, states: readonly Wrong[]): string {
  const later = states.findIndex((state, index) => index > number && !state.has(what))
  return later < 0 ? '' : ` (patch ${later} mends it)`
}

function patches(broken: readonly (readonly [string, number])[]): string {
  return [...new Set(broken.map(([, number]) => number))].sort((a, b) => a - b).join(', ')
}
