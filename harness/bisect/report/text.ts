/** A bisection's result for people: on the console, and as text for a mail to the list. */
import { duration } from '../../report/progress.ts'
import { printable } from '../../series/mail.ts'
import { showDecision } from '../bisect.ts'
import type { Decision } from '../decide.ts'
import type { BisectResult, Place } from './result.ts'

/** `nvme/003 fails: expected 4096 to be 0`. */
export function symptomText({ case: id, symptom, signature }: BisectResult): string {
  const what = {
    ...{ fail: 'fails', splat: 'makes the kernel complain', offload: 'is not offloaded', slow: 'is slower' },
    ...{ warning: 'the compiler has a new warning', build: 'the kernel does not build' },
    boot: 'the kernel does not boot',
  }[symptom]
  return [id === null ? what : `${id} ${what}`, ...(signature === null ? [] : [printable(signature)])].join(
    ': ',
  )
}

/** All that the console says when a bisection ends. */
export function resultText(result: BisectResult): string {
  const { ends, steps, verification, without, costs, log } = result
  return [
    headline(result),
    '',
    `before the change: ${line(ends.before)}`,
    `after the change:  ${line(ends.after)}`,
    ...(steps.length ? ['', 'steps:', ...steps.map((step, index) => `  ${index + 1}. ${line(step)}`)] : []),
    ...(verification
      ? ['', 'tried again:', `  ${line(verification.parent)}`, `  ${line(verification.culprit)}`]
      : []),
    ...(without
      ? [
          '',
          'impossible' in without
            ? `without it: not tried: ${without.impossible}`
            : `without it: ${line(without)}`,
        ]
      : []),
    '',
    `${counted(steps.length, 'step')}, ${counted(costs.attempts, 'attempt')}; ${counted(costs.builds, 'kernel')} built in ` +
      `${duration(costs.buildMs)}, ${costs.cached} from the cache${saved(result)}; ${duration(costs.testMs)} of tests`,
    ...(log ? ['', "git's own log:", ...log.trim().split('\n').map(printable)] : []),
    '',
  ].join('\n')
}

function headline(result: BisectResult): string {
  const { outcome, culprit, left, hidden, fixed, confidence } = result
  const what = symptomText(result)
  const verb = fixed ? 'mended by' : 'first with'
  if (outcome === 'left') {
    return [
      `cannot tell: ${what}: ${verb} one of these, as what lies between could not be tested:`,
      ...left.map(named),
    ].join('\n')
  }
  const sure = `with ${+(confidence * 100).toFixed(2)} % confidence`
  const before = hidden
    ? [
        `or by one of these before it, with which the case cannot run (${hidden.reason}):`,
        ...hidden.changes.map(named),
      ]
    : []
  const found = [what, verb, ...(culprit ? [named(culprit)] : []), ...before].join('\n')
  return outcome === 'found'
    ? `${found}\n${sure}`
    : `cannot tell: ${found}\nbut trying that again says otherwise: the attempts contradict each other`
}

function named({ title, change }: Place): string {
  return [`  ${title}`, ...(change?.author ? [`  ${change.author}`] : [])].join('\n')
}

function line(decision: Decision): string {
  return `${decision.candidate.title}: ${showDecision(decision)}`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** What the cache has saved, if a build from it takes what the others have taken. */
function saved({ costs }: BisectResult): string {
  if (!costs.builds || !costs.cached) return ''
  return ` (about ${duration((costs.cached * costs.buildMs) / costs.builds)} saved)`
}

/**
 * A mail about what was found, for whoever sends it to read over. Only a history's commits have names for Fixes:.
 * @param command that shows it
 */
export function mailText(result: BisectResult, kernel: string, command: string): string {
  const { kind, culprit, outcome, hidden, fixed, verification, without, ends } = result
  if (outcome !== 'found' || !culprit || fixed) return ''
  const { subject, author, commit, messageId } = culprit.change ?? { subject: culprit.title }
  const since = {
    ...{ series: `since the patch "${subject}"`, kconfig: `with ${subject}` },
    tree: commit ? `since commit ${commit.slice(0, 12)} ("${subject}")` : `since ${subject}`,
  }[kind]
  const evidence = verification ?? { culprit: ends.after, parent: ends.before }
  return [
    `Subject: [REGRESSION] ${symptomText(result).slice(0, 120)}`,
    ...(author ? [`To: ${author}`] : []),
    'Cc: linux-block@vger.kernel.org',
    ...(messageId ? [`In-Reply-To: ${messageId}`, `References: ${messageId}`] : []),
    '',
    'Hi,',
    '',
    `${since}, on ${kernel}:`,
    '',
    `  ${symptomText(result)}`,
    '',
    `With it:    ${showDecision(evidence.culprit)}`,
    `Without it: ${showDecision(evidence.parent)}`,
    ...(hidden
      ? [
          `The case cannot run without it: the fault may also be in one of the ${hidden.changes.length} before it.`,
        ]
      : []),
    ...(without && !('impossible' in without) ? [`Reverted:   ${showDecision(without)}`] : []),
    '',
    `Found by copylab bisect in ${counted(result.steps.length, 'step')}; both sides were tested again after that.`,
    ...(result.case ? [`To see it: ${command}`] : []),
    ...(commit ? ['', `Fixes: ${commit.slice(0, 12)} ("${subject}")`] : []),
    '',
  ].join('\n')
}
