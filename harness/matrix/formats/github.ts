import { Failure } from '../../failure.ts'
import type { MatrixCell } from '../cells.ts'
import { jobsOf } from '../shards.ts'

/** "A matrix will generate a maximum of 256 jobs per workflow run" (Running variations of jobs in a workflow). */
const mostJobs = 256

/**
 * One line of JSON for `strategy.matrix: ${{ fromJSON(…) }}` of a GitHub workflow: each item of `include` is a job, with
 * the fields of Job.
 * @throws Failure('usage') when there are more jobs than GitHub starts
 */
export function github(cells: readonly MatrixCell[], { shards }: { shards: number }): string {
  const include = jobsOf(cells, shards)
  if (include.length > mostJobs) {
    const many = `${cells.length} cells${shards > 1 ? ` in ${shards} shards` : ''}`
    throw new Failure(
      'usage',
      `${many} are ${include.length} jobs, and GitHub starts at most ${mostJobs} of a matrix`,
      {
        remedy: 'exclude some, or split the matrix over several files copylab.yaml',
      },
    )
  }
  return `${JSON.stringify({ include })}\n`
}
