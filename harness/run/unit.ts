import type { Totals } from './outcome.ts'
import { closeVitest, createQuietVitest } from './vitest.ts'

/** Runs the unit tests below a directory with vitest's own report. A file that does not load counts as a failure. */
export async function runUnitTests(
  root: string,
  directory: string,
  signal: AbortSignal,
): Promise<Pick<Totals, 'passed' | 'failed' | 'skipped'>> {
  const vitest = await createQuietVitest({
    root,
    reporters: ['dot'],
    // A hang is to end, and a busy machine is none.
    ...{ testTimeout: 120_000, hookTimeout: 120_000 },
    include: [`${directory}/**/*.test.ts`],
  })
  const cancel = () => void vitest.cancelCurrentRun('keyboard-input')
  signal.addEventListener('abort', cancel, { once: true })
  try {
    if (signal.aborted) return { passed: 0, failed: 0, skipped: 0 }
    const { testModules, unhandledErrors } = await vitest.start()
    const tests = testModules.flatMap((module) => [...module.children.allTests()])
    const inState = (state: string) => tests.filter((one) => one.result().state === state).length
    const broken = testModules.filter((module) => module.errors().length).length
    const failed = inState('failed') + broken + unhandledErrors.length
    // None found is no success either.
    return { passed: inState('passed'), failed: failed + Number(!tests.length), skipped: inState('skipped') }
  } finally {
    signal.removeEventListener('abort', cancel)
    await closeVitest(vitest, signal)
  }
}
