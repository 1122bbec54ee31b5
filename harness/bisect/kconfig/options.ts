/** Which options of two configurations make the difference. */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/load.ts'
import { type Cell, planCell } from '../../run/plan.ts'
import { configuredSeries, type Series } from '../../series/load.ts'
import { provideTree, type TreeOptions } from '../../tree/provide.ts'
import {
  type Ask,
  type Bisection,
  type Conclusion,
  decisionsOf,
  showDecision,
  sideOf,
  verify,
} from '../bisect.ts'
import { perStepError } from '../confidence.ts'
import { type Decision, decide } from '../decide.ts'
import { tryEnds } from '../ends.ts'
import type { Candidate, Side } from '../space/candidate.ts'
import { type Answer, allBut, minimise } from './delta.ts'
import {
  type Change,
  type Difference,
  readDifference,
  requestsWith,
  showChange,
  writeFragment,
} from './difference.ts'
import { readNeeds } from './needs.ts'

export interface OptionsBisection extends Omit<Bisection, 'space' | 'soon'> {
  difference: Difference
  /** The changes that one makes no sense without. */
  needs: (change: Change) => readonly Change[]
  /** The kernel with some of the changes. */
  candidate: (made: readonly Change[]) => Candidate
  signal: AbortSignal
}

/**
 * What there is to search between the fragments of two configurations.
 * @param fragments of the end before the change, and of the one after it
 * @throws Failure('usage') when they ask for the same
 */
export async function optionsBetween(
  fragments: { before: string[]; after: string[] },
  o: TreeOptions & { config: Config; directory: string },
): Promise<Pick<OptionsBisection, 'difference' | 'needs' | 'candidate'>> {
  const difference = await readDifference(fragments.before, fragments.after)
  const series = await configuredSeries(o.config)
  const tree = await provideTree(o.config.tree, o)
  const needs = await readNeeds(tree.git, difference)
  return { difference, needs, candidate: (made) => optionsCandidate(made, { difference, series, ...o }) }
}

const answers: Record<Side, Answer> = { before: 'good', after: 'bad', skip: 'skip' }

/**
 * The smallest set of changes that has the symptom, or mends it. What it comes to is tried again, beside the end without
 * any of them, and so is the other end without that set.
 * @throws Failure('usage') when the ends are not what they were said to be
 */
export async function bisectOptions(bisection: OptionsBisection): Promise<Conclusion> {
  const { difference, needs, candidate, fixed, confidence, attempt, emit, signal } = bisection
  const { changes } = difference
  // Nothing is known of a configuration that the case cannot run with.
  const space = { before: candidate([]), after: candidate(changes) }
  // Both ends and the verification, and twice what halving takes for each of two options that matter.
  const error = perStepError(confidence, 4 + 4 * Math.ceil(Math.log2(changes.length + 1)))
  const ends = await tryEnds({ ...bisection, space, error })
  const steps: Decision[] = []
  const ask: Ask = (one, earlier) => decide(one, ends, attempt, earlier)
  const meaning = { notRun: 'skip' as const, fixed }
  const test = async (made: Change[]): Promise<Answer> => {
    const one = candidate(made)
    emit({ type: 'note', message: `step ${steps.length + 1}: ${one.title}` })
    const decision = await ask(one)
    steps.push(decision)
    emit({ type: 'note', message: `  ${showDecision(decision)}` })
    return answers[sideOf(decision, meaning)]
  }
  const { items, unsure } = await minimise(changes, test, { needs, signal })
  const culprit = { ...candidate(items), title: items.map(showChange).join('; ') }
  if (unsure.length) {
    return { ends, steps, log: null, result: { left: items.map((item) => single(item, unsure, culprit)) } }
  }
  emit({ type: 'note', message: `found: ${culprit.title}; it is tried again` })
  const again = await verify({
    ...{ culprit, parent: space.before, ask, meaning },
    earlier: [...steps, ...decisionsOf(ends)],
  })
  const rest = allBut(changes, items, needs)
  const without = again.agree && rest.length ? await ask(candidate(rest)) : null
  return {
    ...{ ends, steps, log: null },
    result: { found: { culprit, parent: space.before, again, without } },
  }
}

function single(item: Change, unsure: readonly Change[], { id, cell }: Candidate): Candidate {
  const doubt = unsure.includes(item) ? ', which cannot be left out of the others' : ''
  return { id: `${id}-${item.name}`, title: `${showChange(item)}${doubt}`, cell }
}

/** The kernel with some of the changes, asked for by a fragment in the bisection's directory. */
function optionsCandidate(
  made: readonly Change[],
  {
    difference,
    config,
    series,
    directory,
  }: { difference: Difference; config: Config; series: Series | null; directory: string },
): Candidate {
  const { changes } = difference
  const names = made.map(({ name }) => name).sort()
  const hash = createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 8)
  const few =
    made.length <= 3 && made.length > 0 ? `: ${names.map((name) => `CONFIG_${name}`).join(', ')}` : ''
  return {
    id: `options-${made.length}-${hash}`,
    title: `${made.length} of ${changes.length} options${few}`,
    cell: async (): Promise<Cell> => {
      const fragments = join(directory, 'fragments')
      await mkdir(fragments, { recursive: true })
      const file = join(fragments, `${hash}.config`)
      await writeFragment(file, requestsWith(difference, made))
      return { ...planCell({ ...config, kconfig: [file] }, series), sharedBuild: true }
    },
  }
}
