import { expect, test } from 'vitest'
import { suiteRound } from '../../../../harness/bench/rounds.ts'
import type { Summary } from '../../../../harness/report/summary.ts'

test('a suite is timed by the cases that passed, and those that were not run did not fail to', () => {
  const verdicts = ['pass', 'not run', 'pass', 'fail', 'known failure', 'infra', 'not run']
  const cases = verdicts.map((verdict, index) => ({ verdict, runtimeMs: 100 + index, guestMs: 90 }))
  const summary = { cells: [{ cases }] } as unknown as Summary
  expect(suiteRound(summary)).toEqual({ harnessMs: [10, 12], notPassed: 3 })
})
