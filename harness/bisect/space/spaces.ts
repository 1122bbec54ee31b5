/** What is searched through, by what was asked. */
import { z } from 'zod'
import { cacheDirectory } from '../../cache/directory.ts'
import type { Config } from '../../config/load.ts'
import type { Emit } from '../../events.ts'
import { Failure } from '../../failure.ts'
import { lookUpKernel } from '../../kernel/provide.ts'
import type { CaseInfo } from '../../run/cases.ts'
import { configuredSeries, type Series } from '../../series/load.ts'
import { cachedCandidates } from '../attempt/attempts.ts'
import type { Answers } from '../journal.ts'
import type { Candidate, Space } from './candidate.ts'
import { commitsOfEnds, hasHistory, historySpace } from './history.ts'
import { lineSpace } from './line.ts'
import { seriesPrefixes } from './series.ts'
import { versionCandidates } from './versions.ts'

/** The ends, as typed. */
export interface Named {
  config: Config
  good: string | undefined
  bad: string | undefined
  fixed: boolean
}

export interface SpaceOptions extends Named {
  /** The case that is asked about, if any. */
  info: CaseInfo | null
  answers: Answers
  directory: string
  signal: AbortSignal
  emit: Emit
}

export function spaceOf(kind: 'series' | 'tree', options: SpaceOptions): Promise<Space> {
  return kind === 'series' ? seriesSpace(options) : treeSpace(options)
}

/**
 * Looks at what was asked before anything is begun.
 * @throws Failure('usage') for ends that there are not
 */
export async function checkEnds(kind: 'series' | 'tree' | 'kconfig', options: Named): Promise<void> {
  if (kind === 'series') seriesEnds(options, (await seriesPrefixes(options.config)).series)
  else namedEnds(kind, options)
}

/** What is in the cache may be something else when the bisection goes on: it is an answer as any other. */
function cachedAtStart({ answers }: SpaceOptions, find: () => Promise<string[]>): Promise<string[]> {
  return answers.answer('which kernels are there', z.array(z.string()), find)
}

async function seriesSpace(options: SpaceOptions): Promise<Space> {
  const { config, info, emit } = options
  const { series, candidate, whyNotRun, without } = await seriesPrefixes(config)
  const { before, after } = seriesEnds(options, series)
  // What cannot run yet cannot fail: the search begins where the case can.
  let first = before
  let reason: string | undefined
  for (; info && first <= after; first += 1) {
    const why = await whyNotRun(first, info)
    if (why === undefined) break
    reason = why
  }
  if (info && first > after)
    throw new Failure('usage', `${info.id} cannot run on any of these kernels: ${reason}`)
  if (first > before) emit({ type: 'note', message: `${info?.id} can run from patch ${first} on: ${reason}` })
  const range = (from: number, to: number) =>
    Promise.all(Array.from({ length: to - from + 1 }, (_, index) => candidate(from + index)))
  const candidates = await range(first, after)
  const [end, ...others] = await range(before, first - 1)
  return lineSpace({
    candidates,
    cached: await cachedOf(candidates, options),
    // Both ends can run it: whatever is in the way between them may come before the change or after it.
    notRun: 'skip',
    without: async (culprit) => without(culprit, after),
    ...(end && { unable: { candidates: [end, ...others], reason: reason ?? '' } }),
  })
}

function seriesEnds({ good, bad, fixed }: Named, { total, name }: Series) {
  const count = (option: string, text: string | undefined, usual: number) => {
    const value = text === undefined ? usual : Number(text)
    if (Number.isInteger(value) && value >= 0 && value <= total && text !== '') return value
    throw new Failure(
      'usage',
      `${option} ${text}: expected a number of patches from 0 to ${total}, of ${name}`,
    )
  }
  const before = fixed ? count('--bad', bad, 0) : count('--good', good, 0)
  const after = fixed ? count('--good', good, total) : count('--bad', bad, total)
  if (before < after) return { before, after }
  throw new Failure('usage', `--good and --bad: ${before} patches do not come before ${after}`, {
    remedy: fixed
      ? 'with --fixed, --bad comes before --good: the patch that mends it lies between them'
      : 'to look for the patch that mends it, add --fixed',
  })
}

const endsOf = {
  tree: 'two commits of the tree, or two versions of a Debian package',
  kconfig: 'two sets of kconfig fragments',
}

/** The end before the change, and the one after it. @throws Failure('usage') when one is not named */
export function namedEnds(
  kind: 'tree' | 'kconfig',
  { good, bad, fixed }: Omit<Named, 'config'>,
): { before: string; after: string } {
  if (good !== undefined && bad !== undefined)
    return fixed ? { before: bad, after: good } : { before: good, after: bad }
  throw new Failure('usage', `bisect ${kind} needs --good and --bad: the two ends to search between`, {
    remedy: `name ${endsOf[kind]}`,
  })
}

async function treeSpace(options: SpaceOptions): Promise<Space> {
  const { config, answers, directory, signal, emit } = options
  const series = await configuredSeries(config)
  const cache = cacheDirectory()
  const common = { config, series, ...namedEnds('tree', options), cache, signal, emit }
  if (!hasHistory(config.tree)) {
    const candidates = await versionCandidates(common)
    return lineSpace({ candidates, cached: await cachedOf(candidates, options), notRun: 'skip' })
  }
  const commits = z.object({ before: z.string(), after: z.string() })
  const ends = await answers.answer('which commits the ends are', commits, () => commitsOfEnds(common))
  return historySpace({
    ...{ ...common, ...ends, directory },
    cachedOf: (commits) =>
      cachedAtStart(options, async () => {
        const looks = commits.slice(0, mostLooks).map(async ({ commit, tree }) => {
          const wanted = { tree: { id: tree }, series, fragments: config.kconfig, cache }
          return (await lookUpKernel(wanted)).cached ? [commit] : []
        })
        return (await Promise.all(looks)).flat()
      }),
  })
}

/** Of a history's commits that so many are looked up in the cache; of others that are there nobody hears. */
const mostLooks = 5000

async function cachedOf(candidates: readonly Candidate[], options: SpaceOptions): Promise<Set<string>> {
  return new Set(await cachedAtStart(options, () => cachedCandidates(candidates, options)))
}
