import { resolve } from 'node:path'
import { Failure } from '../failure.ts'
import { readTimes } from '../run/kept-times.ts'
import type { Plan } from '../run/plan.ts'
import { describeShard, parseShard, takeShard } from '../run/shard.ts'
import { estimator, noTimes } from '../run/times.ts'

export interface ShardOptions {
  /** `i/n`: only the i-th of n parts of the plan. */
  shard?: string | undefined
  /** File with the times by which the plan is split. */
  times?: string | undefined
}

/**
 * Checks the options. The function that comes back takes the part that they ask for, which may be all of the plan.
 * @param note told what the part is
 * @throws Failure('usage')
 */
export async function shardTaker(
  { shard, times }: ShardOptions,
  cwd: string,
  note: (message: string) => void,
): Promise<(whole: Plan) => Plan> {
  if (shard === undefined && times !== undefined)
    throw new Failure('usage', '--times says how to split a plan, and there is no --shard to take')
  if (shard === undefined) return (whole) => whole
  const wanted = parseShard(shard)
  // What this machine has measured is no base for a split, since other machines must come to the same.
  const estimate = estimator(times === undefined ? noTimes : await readTimes(resolve(cwd, times)))
  return (whole) => {
    const plan = takeShard(whole, wanted, estimate)
    const guess = times === undefined ? ', if a case takes a second: --times knows better' : ''
    note(`${describeShard(plan, estimate)}${plan.cells.length ? guess : ''}`)
    return plan
  }
}
