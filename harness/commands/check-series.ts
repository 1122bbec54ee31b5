import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { execa } from 'execa'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { cacheDirectory } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import {
  type CheckName,
  type CheckResult,
  checkNames,
  hasFindings,
  showResult,
  type TreeResult,
  usualChecks,
} from '../check/result.ts'
import { buildSteps } from '../check/steps.ts'
import { checkTexts } from '../check/text.ts'
import { type Config, loadConfig, type Overrides } from '../config/load.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { readFragments } from '../kernel/fragments.ts'
import { showProgress } from '../report/progress.ts'
import { applySeries } from '../series/apply.ts'
import type { Diff } from '../series/diff.ts'
import { configuredSeries, type Series } from '../series/load.ts'
import { readMail } from '../series/mail.ts'
import { NoSeriesForTree } from '../series/parts.ts'
import { PatchRefused } from '../series/refusal.ts'
import { git } from '../tree/git.ts'
import { provideTree, type Tree } from '../tree/provide.ts'
import type { CommandContext } from './run.ts'

export interface CheckOptions extends Omit<Overrides, 'tree'> {
  /** Names of trees; left out: all of copylab.yaml that the series has patches for. */
  tree?: string[]
  /** Names of checks, instead of the usual ones. */
  only?: string[]
  w1?: boolean
  sparse?: boolean
  /** Types of checkpatch's messages. */
  ignore?: string[]
  full?: boolean
  json?: boolean
}

/**
 * `copylab check-series`: a table patch × check for each tree. Returns 1 when a patch has a finding.
 * @throws Failure
 */
export async function checkSeries(options: CheckOptions, { cwd, signal }: CommandContext): Promise<number> {
  const checks = chosenChecks(options)
  if (checks.has('sparse')) await needProgram('sparse', '--version')
  const { tree: names, only: _only, ...overrides } = options
  const first = await loadConfig(cwd, overrides)
  // Before anything is fetched for them.
  await readFragments(first.kconfig)
  const labels = names ?? first.trees.map(({ label }) => label)
  const progress = showProgress({ stream: process.stderr })
  const results: TreeResult[] = []
  try {
    for (const label of labels) {
      const config = await loadConfig(cwd, { ...overrides, tree: label })
      const series = await seriesFor(config, names !== undefined || labels.length === 1, progress.emit)
      if (series) results.push(await checkTree(config, series, checks, options, progress.emit, signal))
    }
  } finally {
    progress.close()
  }
  if (results.length === 0) throw new Failure('usage', 'there is no tree that the series has patches for')
  const text = options.json
    ? JSON.stringify({ trees: results }, null, 2)
    : results.map(showResult).join('\n\n')
  process.stdout.write(`${text}\n`)
  return hasFindings(results) ? 1 : 0
}

function chosenChecks({ only, w1, sparse }: CheckOptions): Set<CheckName> {
  const wrong = only?.find((name) => !(checkNames as readonly string[]).includes(name))
  if (wrong !== undefined)
    throw new Failure(
      'usage',
      `--only: there is no check ${wrong}; expected some of: ${checkNames.join(', ')}`,
    )
  const chosen = new Set((only as CheckName[] | undefined) ?? usualChecks)
  if (w1) chosen.add('w1')
  if (sparse) chosen.add('sparse')
  return chosen
}

/** undefined: a tree that nobody asked for by name, and for which the series has no patches. */
async function seriesFor(config: Config, asked: boolean, emit: Emit): Promise<Series | undefined> {
  try {
    const series = await configuredSeries(config)
    if (series?.patches.length) return series
    throw new Failure('usage', 'there is no series to check', {
      remedy: 'name one with --series, or in copylab.yaml',
    })
  } catch (error) {
    if (asked || !(error instanceof NoSeriesForTree)) throw error
    emit({ type: 'note', message: `${config.tree.label} is left out: ${error.message}` })
    return undefined
  }
}

async function checkTree(
  config: Config,
  series: Series,
  checks: ReadonlySet<CheckName>,
  options: CheckOptions,
  emit: Emit,
  signal: AbortSignal,
): Promise<TreeResult> {
  const started = Date.now()
  const cache = cacheDirectory()
  const tree = await provideTree(config.tree, { cache, signal, emit })
  return withLock(
    tree.lock,
    async (lock) => {
      const { commits, refused } = await applyAll(tree, series, emit, signal)
      const diffs = await diffsOf(series, commits.length - 1)
      const common = { tree, commits, diffs, checks, signal, emit }
      const jobs = availableParallelism()
      const texts = await checkTexts({
        ...common,
        jobs,
        ignore: [...(series.profile?.checkpatch.ignore ?? []), ...(options.ignore ?? [])],
      })
      const building = (['build', 'warnings', 'w1', 'sparse'] as const).some((name) => checks.has(name))
      const full = options.full === true
      const steps =
        building && diffs.length
          ? await buildSteps({ ...common, lock, full, fragments: config.kconfig, cache })
          : undefined
      const patches = series.patches.map(({ subject }, index) => {
        const made = { ...(checks.has('apply') && { apply: ok }), ...steps?.results[index], ...texts[index] }
        return { number: index + 1, subject, checks: resultsAt(index + 1, made, checks, refused) }
      })
      const { label, version } = tree
      return {
        ...{ tree: label, version, series: series.name, patches, ms: Date.now() - started },
        ...(steps && { buildLog: steps.log, compiled: full ? null : steps.compiled }),
      }
    },
    { signal, emit },
  )
}

const ok: CheckResult = { state: 'ok', findings: [] }
const notReached: CheckResult = { state: 'not reached', findings: [] }

function resultsAt(
  number: number,
  made: Partial<Record<CheckName, CheckResult>>,
  checks: ReadonlySet<CheckName>,
  refused: PatchRefused | undefined,
): Partial<Record<CheckName, CheckResult>> {
  if (!refused || number < refused.number) return made
  const unreached = Object.fromEntries([...checks].map((name) => [name, notReached]))
  // Later patches need not be tried: whether they apply says nothing without this one.
  return number > refused.number
    ? unreached
    : { ...unreached, apply: { state: 'fail', findings: [refused.message] } }
}

/** The tree's base and the commit of each patch that applies, up to the first that does not; the base is checked out. */
async function applyAll(
  tree: Tree,
  series: Series,
  emit: Emit,
  signal: AbortSignal,
): Promise<{ commits: string[]; refused?: PatchRefused }> {
  const commitsOf = async (one: Series) => {
    const tip = await applySeries(tree, one.patches.length ? one : null, { signal, emit })
    await applySeries(tree, null, { signal })
    const listed = await git(tree.git, ['rev-list', '--reverse', `${tree.base}..${tip}`], { signal })
    return [tree.base, ...listed.split('\n').filter(Boolean)]
  }
  try {
    return { commits: await commitsOf(series) }
  } catch (error) {
    if (!(error instanceof PatchRefused)) throw error
    const count = error.number - 1
    const cut = {
      ...series,
      hash: `${series.hash}-${count}`,
      prefixHashes: [],
      patches: series.patches.slice(0, count),
      notes: [],
    }
    return { commits: await commitsOf(cut), refused: error }
  }
}

async function diffsOf({ patches }: Series, count: number): Promise<Diff[]> {
  return withPrivateDirectory('copylab-mail-', async (directory) => {
    const diffs: Diff[] = []
    for (const { path } of patches.slice(0, count))
      diffs.push((await readMail(path, await readFile(path), directory)).diff)
    return diffs
  })
}

async function needProgram(program: string, version: string): Promise<void> {
  const { failed } = await execa(program, [version], { reject: false })
  if (failed) throw new Failure('infra', `cannot run ${program}`, { remedy: `apt-get install ${program}` })
}
