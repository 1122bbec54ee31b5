/** Runs cases through vitest: one project for the cell, one worker, so that one guest serves all files. */

import { setTimeout as delay } from 'node:timers/promises'
import type { InlineConfig, Reporter, TestCase, TestSpecification, Vitest } from 'vitest/node'
import { Failure } from '../failure.ts'
import type { CaseInfo } from './cases.ts'
import { type KnownFailure, withKnown } from './known-failures.ts'
import type { CaseOutcome, CellFacts, RunReporter } from './outcome.ts'
import { type CellContext, emptyRecord } from './record.ts'

export interface VitestRun {
  root: string
  facts: CellFacts
  cases: CaseInfo[]
  context: CellContext
  /** Failures that are no news. */
  known: readonly KnownFailure[]
  reporter: RunReporter
  /** The command that runs one case again. */
  commandFor: (id: string) => string
  signal: AbortSignal
}

/** vitest's loading takes a second: call this early, and boot a guest meanwhile. */
export function loadVitest(): Promise<typeof import('vitest/node')> {
  return import('vitest/node')
}

/** A vitest that reads no configuration, watches nothing and leaves signals to the command line. */
export async function createQuietVitest(options: InlineConfig): Promise<Vitest> {
  const { createVitest } = await loadVitest()
  // vitest's own handlers would end the process within a millisecond, before QEMU is gone and the results are written.
  const refuse = (event: string | symbol, listener: () => void) => {
    if (event === 'SIGINT' || event === 'SIGTERM') process.nextTick(() => process.off(event, listener))
  }
  process.on('newListener', refuse)
  try {
    return await createVitest(
      'test',
      { config: false, watch: false, ...options },
      { server: { watch: null } },
    )
  } finally {
    process.off('newListener', refuse)
  }
}

/** Resolves when every case has an outcome, or, when aborted, as soon as the worker is gone. */
export async function runCases(run: VitestRun): Promise<CaseOutcome[]> {
  if (run.signal.aborted) return []
  const { BaseSequencer } = await loadVitest()
  const order = new Map(run.cases.map(({ file }, index) => [file, index] as const).reverse())
  class Sequencer extends BaseSequencer {
    override async sort(files: TestSpecification[]) {
      return [...files].sort((a, b) => (order.get(a.moduleId) ?? 0) - (order.get(b.moduleId) ?? 0))
    }
  }
  const outcomes: CaseOutcome[] = []
  const errors: string[] = []
  const vitest = await createQuietVitest({
    root: run.root,
    reporters: [adapter(run, outcomes, errors)],
    testNamePattern: new RegExp(`^(?:${run.cases.map(({ id }) => id).join('|')}) `),
    sequence: { sequencer: Sequencer },
    maxWorkers: 1,
    fileParallelism: false,
    projects: [
      {
        test: {
          name: run.facts.cell.name,
          include: [...order.keys()],
          exclude: [],
          pool: 'forks',
          isolate: false,
          fileParallelism: false,
          maxWorkers: 1,
          provide: { copylab: run.context },
        },
      },
    ],
  })
  const cancel = () => void vitest.cancelCurrentRun('keyboard-input')
  run.signal.addEventListener('abort', cancel, { once: true })
  try {
    await startUnlessAborted(vitest, run.signal)
  } finally {
    run.signal.removeEventListener('abort', cancel)
    await closeVitest(vitest, run.signal)
  }
  if (!run.signal.aborted) reportMissing(run, outcomes, errors)
  return outcomes
}

/**
 * A worker that dies while it starts makes vitest emit an error that nobody listens to. When the run was aborted, that
 * is the terminal's Ctrl-C, which the worker gets, too; else it is a failure of the machine, and not of a case.
 */
async function startUnlessAborted(vitest: Vitest, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  let onAccident: (error: Error) => void = () => {}
  const accident = new Promise<never>((_, reject) => {
    onAccident = (cause) => reject(new Failure('infra', `vitest has failed: ${cause.message}`, { cause }))
  })
  process.on('uncaughtException', onAccident)
  try {
    await Promise.race([vitest.start(), accident])
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    process.off('uncaughtException', onAccident)
  }
}

/** Waits for the worker's end, which vitest waits a minute for when Ctrl-C has caught the worker while it started. */
export async function closeVitest(vitest: Vitest, signal: AbortSignal): Promise<void> {
  const closed = vitest.close()
  closed.catch(() => {})
  await (signal.aborted ? Promise.race([closed, delay(500, undefined, { ref: false })]) : closed)
}

/** A planned case without an outcome must not go unseen: its file did not load, or the worker died. */
function reportMissing(run: VitestRun, outcomes: CaseOutcome[], errors: readonly string[]): void {
  const seen = new Set(outcomes.map(({ id }) => id))
  const missing = run.cases.filter(({ id }) => !seen.has(id))
  const why = errors.join('\n') || 'vitest gave no error'
  for (const info of missing) {
    const outcome: CaseOutcome = {
      ...described(run, info),
      verdict: 'infra',
      reason: `the case has not run: ${firstLine(why)}`,
      details: info === missing[0] ? why : `the case has not run, like ${missing[0]?.id}`,
      startedAt: new Date(),
      record: emptyRecord,
    }
    outcomes.push(outcome)
    run.reporter.onCaseEnd?.(run.facts, outcome)
  }
}

/** Translates vitest's hooks to ours. */
function adapter(run: VitestRun, outcomes: CaseOutcome[], errors: string[]): Reporter {
  const byId = new Map(run.cases.map((info) => [info.id, info]))
  const infoOf = (test: TestCase) => {
    const info = byId.get(test.name.split(' ')[0] ?? '')
    if (!info)
      throw new Failure('infra', `${test.module.moduleId} has a test that is no case: '${test.name}'`)
    return info
  }
  return {
    onTestCaseReady(test) {
      if (test.options.mode === 'skip') return
      run.reporter.onCaseStart?.(run.facts, infoOf(test))
    },
    onTestCaseResult(test) {
      // vitest reports what the name pattern leaves out as skipped, too.
      if (!byId.has(test.name.split(' ')[0] ?? '')) return
      // What was cancelled has no result.
      if (run.signal.aborted) return
      const outcome = withKnown(run.known, run.facts, { ...described(run, infoOf(test)), ...judge(test) })
      outcomes.push(outcome)
      run.reporter.onCaseEnd?.(run.facts, outcome)
    },
    onTestModuleEnd(module) {
      errors.push(...module.errors().map((error) => error.stack ?? error.message))
    },
    onTestRunEnd(_modules, unhandled) {
      errors.push(...unhandled.map((error) => String(error.stack ?? error.message)))
    },
  }
}

function described(run: VitestRun, { id, group, description }: CaseInfo) {
  return { id, group, description, command: run.commandFor(id) }
}

function judge(test: TestCase): Pick<CaseOutcome, 'verdict' | 'reason' | 'details' | 'startedAt' | 'record'> {
  const result = test.result()
  const record = test.meta().copylab ?? emptyRecord
  const startedAt = new Date(test.diagnostic()?.startTime ?? Date.now())
  const common = { startedAt, record }
  if (result.state === 'passed') return { ...common, verdict: 'pass' }
  if (result.state === 'skipped') return { ...common, verdict: 'not run', reason: result.note ?? 'skipped' }
  const [first] = result.errors ?? []
  const message = first?.message ?? 'vitest gave no error'
  const stack = first?.stack?.split('\n').filter((line) => line.includes('/tests/')) ?? []
  const details = [message, ...(first?.diff ? [first.diff] : []), ...stack].join('\n')
  if (record.infra !== undefined)
    return { ...common, verdict: 'infra', reason: firstLine(record.infra), details }
  return { ...common, verdict: 'fail', reason: firstLine(record.splat ?? message), details }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}
