import { expect, test } from 'vitest'
import type { Decision } from '../../../../../harness/bisect/decide.ts'
import { resultHtml } from '../../../../../harness/bisect/report/html.ts'
import type { BisectResult } from '../../../../../harness/bisect/report/result.ts'
import { mailText, resultText } from '../../../../../harness/bisect/report/text.ts'

const decision = (title: string, says: Decision['says'], seen: number): Decision => ({
  ...{ candidate: { id: title, title }, says, reason: says === 'clean' ? 'passed' : 'expected <1> to be 2' },
  ...{ seen, tried: 4, trials: [] },
})
const change = { subject: 'block: copy', author: 'A U Thor <a@example.org>', commit: 'ab'.repeat(20) }
const command = 'copylab run nvme/003 --memory 1024'

const result: BisectResult = {
  ...{ kind: 'tree', startedAt: '2026-01-01T00:00:00Z', case: 'nvme/003', symptom: 'fail' },
  ...{ signature: 'expected <1> to be 2', fixed: false, confidence: 0.99, outcome: 'found' },
  culprit: { id: 'c', title: 'abababababab block: copy', change },
  ...{ parent: { id: 'p', title: 'the one before' }, left: [], hidden: null },
  ends: { before: decision('v6.12', 'clean', 0), after: decision('main', 'symptom', 4) },
  steps: [decision('middle', 'symptom', 3)],
  verification: { culprit: decision('culprit', 'symptom', 4), parent: decision('parent', 'clean', 0) },
  without: decision('main with it reverted', 'clean', 0),
  costs: { attempts: 20, builds: 4, cached: 2, buildMs: 240_000, testMs: 160_000 },
  log: 'git bisect start\n',
}

test('the console says what, who, how it came about, and what it cost', () => {
  expect(resultText(result)).toBe(`nvme/003 fails: expected <1> to be 2
first with
  abababababab block: copy
  A U Thor <a@example.org>
with 99 % confidence

before the change: v6.12: has it not, seen in 0 of 4: passed
after the change:  main: has it, seen in 4 of 4: expected <1> to be 2

steps:
  1. middle: has it, seen in 3 of 4: expected <1> to be 2

tried again:
  parent: has it not, seen in 0 of 4: passed
  culprit: has it, seen in 4 of 4: expected <1> to be 2

without it: main with it reverted: has it not, seen in 0 of 4: passed

1 step, 20 attempts; 4 kernels built in 4 min 00 s, 2 from the cache (about 2 min 00 s saved); 2 min 40 s of tests

git's own log:
git bisect start
`)
})

test('the mail has the evidence of both sides, and the tag for the commit that mends it', () => {
  expect(mailText(result, '6.12', command)).toBe(`Subject: [REGRESSION] nvme/003 fails: expected <1> to be 2
To: A U Thor <a@example.org>
Cc: linux-block@vger.kernel.org

Hi,

since commit abababababab ("block: copy"), on 6.12:

  nvme/003 fails: expected <1> to be 2

With it:    has it, seen in 4 of 4: expected <1> to be 2
Without it: has it not, seen in 0 of 4: passed
Reverted:   has it not, seen in 0 of 4: passed

Found by copylab bisect in 1 step; both sides were tested again after that.
To see it: copylab run nvme/003 --memory 1024

Fixes: abababababab ("block: copy")
`)
})

test('a guest writes neither lines of a header nor commands of a terminal', () => {
  const signature = 'guest: \x1b[2Jgone\rBcc: x@example.org'
  const reason = 'first\nCc: y@example.org\x07'
  const hostile = { ...result, signature, verification: null, ends: { ...result.ends } }
  hostile.ends.after = { ...result.ends.after, reason }
  const mail = mailText(hostile, '6.12', command)
  expect(mail.split('\n\n')[0]?.split(/[\r\n]/)).toEqual([
    'Subject: [REGRESSION] nvme/003 fails: guest: [2Jgone Bcc: x@example.org',
    'To: A U Thor <a@example.org>',
    'Cc: linux-block@vger.kernel.org',
  ])
  expect(mail).toContain('has it, seen in 4 of 4: first Cc: y@example.org\n')
  expect(resultText(hostile)).not.toMatch(/[^\P{Cc}\n]/u)
})

test('an option and a version are no patches', () => {
  const { change: _, ...option } = {
    ...result.culprit,
    id: 'o',
    title: 'CONFIG_KASAN: not asked for, then y',
  }
  expect(mailText({ ...result, kind: 'kconfig', culprit: option }, '6.12', command)).toContain(
    '\nwith CONFIG_KASAN: not asked for, then y, on 6.12:\n',
  )
  const version = { id: 'v', title: 'linux 7.3', change: { subject: 'linux 7.3' } }
  expect(mailText({ ...result, culprit: version }, 'sid', command)).toContain('\nsince linux 7.3, on sid:\n')
})

test('a mail does not lay to one patch what may come from one before it', () => {
  const changes = [
    { id: 'patches-1', title: 'patch 1' },
    { id: 'patches-2', title: 'patch 2' },
  ]
  const hidden = { changes, reason: 'there is no ioctl' }
  expect(mailText({ ...result, hidden }, '6.12', command)).toContain('may also be in one of the 2 before it.')
})

test('what is not sure, or mends something, is no mail', () => {
  expect(mailText({ ...result, outcome: 'contradicted' }, '6.12', command)).toBe('')
  expect(mailText({ ...result, outcome: 'left', culprit: null }, '6.12', command)).toBe('')
  expect(mailText({ ...result, fixed: true }, '6.12', command)).toBe('')
})

test('the page has all of it, as text', () => {
  const page = resultHtml(result, mailText(result, '6.12', command))
  expect(page).toContain('main with it reverted')
  expect(page).toContain('Fixes: abababababab')
  expect(page).not.toContain('expected <1>')
})
