import { expect, test } from 'vitest'
import { closingLine, count, exitStatus, type Verdict } from '../../../../harness/run/outcome.ts'

const totals = (...verdicts: Verdict[]) => count(verdicts.map((verdict) => ({ verdict })))

test.each<[Verdict[], string, number]>([
  [['pass', 'not run'], '1 passed, 0 failed, 1 skipped', 0],
  [['pass', 'fail'], '1 passed, 1 failed, 0 skipped', 1],
  [['pass', 'infra'], '1 passed, 0 failed, 0 skipped, 1 without a verdict (infra)', 3],
  [['fail', 'infra'], '0 passed, 1 failed, 0 skipped, 1 without a verdict (infra)', 1],
  [['pass', 'known failure'], '1 passed, 0 failed, 0 skipped, 1 known failure', 0],
  [['known failure'], '0 passed, 0 failed, 0 skipped, 1 known failure', 3],
  [['not run'], '0 passed, 0 failed, 1 skipped', 3],
  [[], '0 passed, 0 failed, 0 skipped', 3],
])('%j: %s, exit status %i', (verdicts, line, status) => {
  expect(closingLine(totals(...verdicts))).toBe(line)
  expect(exitStatus(totals(...verdicts))).toBe(status)
})

test('of a shard no case has to run, but none may fail or be without a verdict', () => {
  const verdicts: Verdict[][] = [[], ['not run'], ['known failure'], ['pass'], ['fail'], ['infra']]
  expect(verdicts.map((some) => exitStatus(totals(...some), { shard: true }))).toEqual([0, 0, 0, 0, 1, 3])
})
