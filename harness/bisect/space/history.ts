/** The commits of a git repository. git itself bisects them, in a repository of the bisection's own. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/load.ts'
import type { TreeSpec } from '../../config/schema.ts'
import { Failure } from '../../failure.ts'
import { planCell } from '../../run/plan.ts'
import type { Series } from '../../series/load.ts'
import { printable } from '../../series/mail.ts'
import { git, tryGit } from '../../tree/git.ts'
import { isRepository, provideTree, type Tree, type TreeOptions } from '../../tree/provide.ts'
import type { Candidate, Next, Side, Space } from './candidate.ts'

export interface HistoryOptions extends TreeOptions {
  config: Config
  /** Laid upon each commit; null: the commits as they are. */
  series: Series | null
  /** What names the two ends in the repository. */
  before: string
  after: string
  /** Directory of the bisection. */
  directory: string
  /** Of some commits and their trees, those commits whose kernel is there. */
  cachedOf: (commits: { commit: string; tree: string }[]) => Promise<string[]>
}

interface Ends {
  before: string
  after: string
}

const terms: Record<Exclude<Side, 'skip'>, string> = { before: 'before', after: 'after' }

/** Whether the configured tree has a history: else it is a line of versions. */
export function hasHistory(tree: TreeSpec): boolean {
  return isRepository(tree)
}

/** The configured repository at a commit of it. */
function treeAt({ tree }: Config, ref: string): TreeSpec {
  const { label } = tree
  return { label, git: 'git' in tree ? tree.git : (tree as { directory: string }).directory, ref }
}

/**
 * The hashes of the two ends: a branch may be elsewhere when the bisection goes on.
 * @throws Failure('usage') when one of them is not there
 */
export async function commitsOfEnds({
  config,
  before,
  after,
  ...o
}: TreeOptions & Pick<HistoryOptions, keyof Ends | 'config'>): Promise<Ends> {
  const commitOf = async (ref: string) => (await provideTree(treeAt(config, ref), o)).base
  return { before: await commitOf(before), after: await commitOf(after) }
}

/**
 * Starts `git bisect` between two commits. The user's repository and its bisections are left alone.
 * @throws Failure('usage') when one of them is not there, or git refuses to bisect between the two
 */
export async function historySpace(options: HistoryOptions): Promise<Space> {
  const { config, series, signal } = options
  const [before, after] = [
    await provideTree(treeAt(config, options.before), options),
    await provideTree(treeAt(config, options.after), options),
  ]
  if (before.base === after.base) {
    throw new Failure('usage', `${options.before} and ${options.after} are the same commit`, {
      remedy: 'name two that differ with --good and --bad',
    })
  }
  const repository = join(options.directory, 'git')
  const ask = (...args: string[]) => git(repository, args, { signal })
  const started = await startBisect(repository, before, after, { signal })

  const candidate = async (commit: string): Promise<Candidate> => {
    const said = await ask('show', '-s', '--format=%s%n%an <%ae>', commit)
    const [subject = '', author = ''] = said.split('\n').map(printable)
    return {
      id: commit,
      title: `${commit.slice(0, 12)} ${subject}`,
      change: { subject, author, commit },
      cell: async () => planCell({ ...config, tree: treeAt(config, commit) }, series),
    }
  }
  const ends = { before: await candidate(before.base), after: await candidate(after.base) }
  const befores = async () =>
    (await ask('for-each-ref', '--format=%(objectname)', `refs/bisect/${terms.before}-*`)).split('\n')
  const latest = `refs/bisect/${terms.after}`
  const range = async (...options: string[]) => {
    const out = await ask('rev-list', ...options, latest, '--not', ...(await befores()))
    return out ? out.split('\n') : []
  }
  const all = await range('--format=%T', '--no-commit-header', '--no-merges')
  const hashes = await range('--no-merges')
  const cached = new Set(
    await options.cachedOf(hashes.map((commit, index) => ({ commit, tree: all[index] ?? '' }))),
  )
  let spare: 0 | 1 = 1
  let end: Next | undefined
  let asked = ''
  /** What git says of its search. */
  const hear = async (said: string) => {
    const [, found] = new RegExp(`^([0-9a-f]{40}) is the first ${terms.after} commit`, 'm').exec(said) ?? []
    if (found) {
      const parent = await ask('rev-parse', `${found}^`)
      end = { found: await candidate(found), parent: await candidate(parent) }
    } else if (/only 'skip'ped commits left/.test(said)) {
      end = { left: await Promise.all((await range()).map(candidate)) }
    }
  }
  await hear(started)
  return {
    ...ends,
    // What the case asks for may have come and gone.
    notRun: 'skip',
    async next() {
      if (end) return end
      const middle = await ask('rev-parse', 'BISECT_HEAD')
      const { commit, cost } = nearestCached(await range('--bisect-all'), middle, cached, spare)
      spare = cost ? 0 : spare
      asked = commit
      return { test: await candidate(commit) }
    },
    async tell({ id }, side) {
      // git ranks what was skipped with the others.
      cached.delete(id)
      const term = side === 'skip' ? 'skip' : terms[side]
      const { status, stdout, stderr } = await tryGit(repository, ['bisect', term, id], { signal })
      await hear(stdout)
      if (end || status === 0) return
      throw new Failure('infra', `git bisect ${term} failed: ${(stderr || stdout).trim()}`, {
        command: `git -C ${repository} bisect ${term} ${id}`,
      })
    },
    async upcoming() {
      if (end || !asked) return []
      const olds = await befores()
      const known = [asked, await ask('rev-parse', latest)]
      // Not in the bisection's repository: there rev-list adds what its search is at.
      const middle = (to: string, ...from: string[]) =>
        git(before.git, ['rev-list', '--bisect', to, '--not', ...from], { signal })
      const both = [await middle(asked, ...olds), await middle(known[1] as string, ...olds, asked)]
      return Promise.all(both.filter((one) => one && !known.includes(one)).map(candidate))
    },
    async stepsLeft() {
      const count = end ? 0 : (await range()).length
      return count > 1 ? Math.ceil(Math.log2(count)) : 0
    },
    log: () => ask('bisect', 'log'),
    async without(culprit) {
      const reverted = await revert(after, culprit, { signal })
      return {
        id: `revert-${culprit.id.slice(0, 12)}`,
        title: `${after.version} with ${culprit.title} reverted`,
        cell: async () => planCell({ ...config, tree: treeAt(config, reverted) }, series),
      }
    },
  }
}

/**
 * A repository that borrows the cache's objects, with nothing checked out, in which git bisects.
 * @returns what git says to it
 */
async function startBisect(
  repository: string,
  before: Tree,
  after: Tree,
  { signal }: Pick<TreeOptions, 'signal'>,
): Promise<string> {
  // What an earlier sitting has told git is told again, from the journal.
  await rm(repository, { recursive: true, force: true })
  const clone = ['clone', '--quiet', '--shared', '--no-checkout', '--template=', '--', before.git, repository]
  await git('/', clone, { signal })
  const start = [
    'bisect',
    'start',
    '--no-checkout',
    `--term-old=${terms.before}`,
    `--term-new=${terms.after}`,
  ]
  const args = [...start, after.base, before.base]
  const { status, stdout, stderr } = await tryGit(repository, args, { signal })
  if (status === 0 && !/merge base must be tested/.test(stdout)) return stdout
  throw new Failure('usage', `git does not bisect between the two ends: ${(stderr || stdout).trim()}`, {
    command: `git -C ${repository} ${args.join(' ')}`,
    remedy: 'name an end before the change that the other one descends from',
  })
}

/**
 * Of the commits that git would ask, the cached one nearest to the middle, if that costs no more than `spare` steps.
 * @param ranked what rev-list --bisect-all says: `HASH (…, dist=N)`, where the higher N is the nearer to the middle
 */
function nearestCached(
  ranked: readonly string[],
  middle: string,
  cached: ReadonlySet<string>,
  spare: 0 | 1,
): { commit: string; cost: 0 | 1 } {
  const distances = ranked.flatMap((line) => {
    const [, commit, distance] = /^(\w+) .*\bdist=(\d+)/.exec(line) ?? []
    return commit ? [{ commit, distance: Number(distance) }] : []
  })
  const steps = (commits: number) => Math.ceil(Math.log2(Math.max(1, commits)))
  const least = steps(distances.length)
  for (const { commit, distance } of distances.sort((a, b) => b.distance - a.distance)) {
    if (!cached.has(commit)) continue
    // The larger part may be what is left.
    const cost = 1 + steps(distances.length - distance) - least
    if (cost <= spare) return { commit, cost: cost > 0 ? 1 : 0 }
  }
  return { commit: middle, cost: 0 }
}

/**
 * The end after the change with the culprit's revert upon it, as a commit of the cache's clone.
 * @throws Failure('usage') when git cannot revert it there
 */
async function revert(
  after: Tree,
  { id, title }: Candidate,
  { signal }: Pick<TreeOptions, 'signal'>,
): Promise<string> {
  const ask = (...args: string[]) => git(after.git, args, { signal })
  const commit = (tree: string, ...parents: string[]) =>
    ask(
      'commit-tree',
      ...parents.flatMap((parent) => ['-p', parent]),
      '-m',
      `Revert ${title}`,
      `${tree}^{tree}`,
    )
  // merge-tree needs no work tree. It takes the base from the history: here, from one that says what a revert means.
  const base = await commit(id)
  const sides = [await commit(after.base, base), await commit(`${id}^`, base)]
  const { status, stdout, stderr } = await tryGit(after.git, ['merge-tree', '--write-tree', ...sides], {
    signal,
  })
  const [tree = '', ...conflicts] = stdout.split('\n')
  if (status !== 0) {
    const why = conflicts.filter((line) => line.startsWith('CONFLICT')).join('; ') || stderr.trim()
    throw new Failure('usage', `${title} cannot be reverted on ${after.version}: ${why}`)
  }
  const reverted = await commit(tree, after.base)
  await ask('update-ref', `refs/copylab/reverts/${reverted}`, reverted)
  return reverted
}
