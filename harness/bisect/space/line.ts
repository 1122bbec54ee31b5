/** A line of candidates, one after the other: the prefixes of a series, the versions of a package. */
import { Failure } from '../../failure.ts'
import type { Candidate, Next, Side, Space } from './candidate.ts'
import { following, next, type Verdict, worstSteps } from './search.ts'

export interface Line {
  /** In order: the first one is before the change, the last one after it. */
  candidates: readonly Candidate[]
  /** Ids of those whose kernel was there at the start. */
  cached: ReadonlySet<string>
  notRun: Side
  without?: Space['without']
  unable?: Space['unable']
}

/**
 * @throws Failure('usage') when the line has less than two candidates; one is enough where the case cannot run on the one
 * before it
 */
export function lineSpace({ candidates, cached: cachedIds, notRun, without, unable }: Line): Space {
  const [before, after] = [candidates[0], candidates.at(-1)]
  if (!before || !after || (candidates.length < 2 && !unable)) {
    throw new Failure('usage', 'there is nothing to bisect: both ends are the same', {
      remedy: 'name two ends that differ with --good and --bad',
    })
  }
  const count = candidates.length
  const at = (index: number) => candidates[index] as Candidate
  const verdicts = new Map<number, Verdict>([
    [0, 'good'],
    [count - 1, 'bad'],
  ])
  const cached = new Set(candidates.flatMap(({ id }, index) => (cachedIds.has(id) ? [index] : [])))
  const words: Record<Side, Verdict> = { before: 'good', after: 'bad', skip: 'skip' }
  return {
    before,
    after,
    notRun,
    async next(): Promise<Next> {
      if (count === 1) return { left: [after] }
      const said = next(count, verdicts, { cached })
      if ('test' in said) return { test: at(said.test) }
      if ('found' in said) return { found: at(said.found), parent: at(said.found - 1) }
      const [first, last] = said.range
      return { left: candidates.slice(first, last + 1) }
    },
    async tell({ id }, side) {
      verdicts.set(
        candidates.findIndex((one) => one.id === id),
        words[side],
      )
    },
    async stepsLeft() {
      return count === 1 ? 0 : worstSteps(count, verdicts, { cached })
    },
    async upcoming() {
      const said = next(count, verdicts, { cached })
      return 'test' in said ? following(count, verdicts, said.test, { cached }).map(at) : []
    },
    ...(without && { without }),
    ...(unable && { unable }),
  }
}
