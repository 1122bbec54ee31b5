import { Failure } from '../failure.ts'
import type { RunReporter } from './outcome.ts'

/**
 * Several reporters as one. A reporter that throws, say since the disk is full, is told nothing more, so that the
 * others, and the run, go on; `failure` then has its error, which the run must end with.
 */
export class Reporters implements Required<RunReporter> {
  failure: Failure | undefined
  #reporters: RunReporter[]

  constructor(reporters: RunReporter[]) {
    this.#reporters = reporters
  }

  onCellStart(...args: Parameters<Required<RunReporter>['onCellStart']>): void {
    this.#tell((reporter) => reporter.onCellStart?.(...args))
  }

  onCaseStart(...args: Parameters<Required<RunReporter>['onCaseStart']>): void {
    this.#tell((reporter) => reporter.onCaseStart?.(...args))
  }

  onCaseEnd(...args: Parameters<Required<RunReporter>['onCaseEnd']>): void {
    this.#tell((reporter) => reporter.onCaseEnd?.(...args))
  }

  onCellFailed(...args: Parameters<Required<RunReporter>['onCellFailed']>): void {
    this.#tell((reporter) => reporter.onCellFailed?.(...args))
  }

  onRunEnd(...args: Parameters<Required<RunReporter>['onRunEnd']>): void {
    this.#tell((reporter) => reporter.onRunEnd?.(...args))
  }

  #tell(call: (reporter: RunReporter) => void): void {
    this.#reporters = this.#reporters.filter((reporter) => {
      try {
        call(reporter)
        return true
      } catch (error) {
        const { syscall, message } = error as NodeJS.ErrnoException
        if (syscall === undefined) throw error
        this.failure ??= new Failure('infra', `cannot write the results: ${message}`, { cause: error })
        return false
      }
    })
  }
}
