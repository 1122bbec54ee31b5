/** `copylab bisect step`: one step of somebody else's `git bisect run`. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { caseOf, symptomOf } from '../bisect/ask.ts'
import { attempt } from '../bisect/attempt/attempt.ts'
import { wantedOf } from '../bisect/attempt/attempts.ts'
import type { Trial } from '../bisect/attempt/trial.ts'
import { observe } from '../bisect/question.ts'
import { loadConfig, type Overrides } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { showProgress } from '../report/progress.ts'
import { provideResults } from '../report/results-directory.ts'
import { planCell } from '../run/plan.ts'
import { configuredSeries } from '../series/load.ts'
import type { CommandContext } from './run.ts'

export interface StepOptions extends Overrides {
  case?: string | undefined
  symptom?: string | undefined
  /** How many attempts without the symptom make it good, as typed. */
  attempts?: string | undefined
  /** Part of the reason of the failure that counts. */
  reason?: string | undefined
}

/** What git bisect run makes of an exit status (git-bisect(1)). */
const status = { good: 0, bad: 1, skip: 125, abort: 128 } as const

/** What is lost to the host is tried again so often. */
const patience = 3

/**
 * Tests the commit that is checked out in the working directory.
 * @returns 0 good, 1 bad, 125 cannot tell, 128 when the machine failed, which says nothing of any commit
 * @throws Failure, which is 128 to git, too
 */
export async function bisectStep(options: StepOptions, { cwd, signal }: CommandContext): Promise<number> {
  const config = await loadConfig(cwd, { ...options, tree: options.tree ?? '.' })
  const symptom = symptomOf(options.symptom ?? 'fail')
  if (symptom === 'slow' || symptom === 'warning') {
    throw new Failure(
      'usage',
      `--symptom ${symptom}: one commit alone does not show what it is compared with`,
      {
        remedy: "use 'copylab bisect tree', which knows both ends",
      },
    )
  }
  const info = await caseOf(symptom, options.case)
  const wanted = wantedOf(symptom, info)
  const attempts = attemptsOf(options.attempts ?? (wanted.until === 'build' ? '1' : '5'))
  const progress = showProgress({ stream: process.stderr })
  const directory = join(config.results, 'bisect-step')
  const say = (verdict: keyof typeof status, why: string) => {
    process.stdout.write(`${verdict}: ${why}\n`)
    return status[verdict]
  }
  try {
    const cell = planCell(config, await configuredSeries(config))
    await provideResults(directory)
    // Of the commit before.
    await rm(join(directory, 'attempts'), { recursive: true, force: true })
    let [clean, lost] = [0, 0]
    for (let count = 1; ; count += 1) {
      const trial = await attempt(cell, wanted, {
        results: directory,
        directory: join('attempts', String(count)),
        signal,
        emit: progress.emit,
      })
      const { says, reason } = observe(trial, symptom, {})
      if (says === 'infra') lost += 1
      else if (says === 'absent') clean += 1
      else if (says === 'seen')
        return isWanted(trial, options.reason) ? say('bad', reason) : say('skip', reason)
      else return say('skip', reason)
      if (clean === attempts) return say('good', `${reason}, ${clean} times`)
      if (lost === patience) return say('abort', reason)
    }
  } catch (error) {
    // git would go on with its search as if this commit were bad.
    if (error instanceof Failure && error.kind === 'infra' && !signal.aborted)
      return say('abort', error.message)
    throw error
  } finally {
    progress.close()
  }
}

function isWanted(trial: Trial, text: string | undefined): boolean {
  return text === undefined || ('reason' in trial && trial.reason.includes(text))
}

function attemptsOf(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Failure('usage', `--attempts ${text}: expected a whole number, 1 or more`)
}
