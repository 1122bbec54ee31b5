import { access, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { quoted } from '../../qemu/lost.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { git, tryGit } from '../tree/git.ts'
import type { Tree } from '../tree/provide.ts'
import type { Series } from './load.ts'

export interface ApplyOptions {
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

/**
 * Checks out the tree's base with the series on top. The caller holds the tree's lock, and goes on holding it for as
 * long as it needs the files to stay.
 *
 * The commits have dates and committers that depend on the patches alone, and the last one is remembered under
 * refs/copylab/series/, so coming back to a series is a checkout that touches only the files that differ: make then
 * rebuilds only those.
 * @returns the commit that is checked out.
 * @throws Failure('usage') when a patch does not apply, with git's own words; the tree is then left at its base.
 */
export async function applySeries(
  tree: Tree,
  series: Series | null,
  options: ApplyOptions = {},
): Promise<string> {
  await recover(tree, options)
  if (!series) return checkout(tree, tree.base, options)
  const ref = `refs/copylab/series/${series.hash}`
  const known = await tryGit(tree.git, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], options)
  if (known.status === 0) return checkout(tree, known.stdout, options)

  await checkout(tree, tree.base, options)
  const paths = series.patches.map((patch) => patch.path)
  // -3: a base that has drifted is merged, never guessed at by fuzz.
  const am = ['am', '--3way', '--keep-non-patch', '--committer-date-is-author-date', '--no-gpg-sign']
  const applied = await tryGit(tree.git, [...am, ...paths], options)
  if (applied.status !== 0) {
    const failure = await describe(tree, series, `${applied.stderr}\n${applied.stdout}`)
    await recover(tree, options)
    await checkout(tree, tree.base, options)
    throw failure
  }
  const commit = await git(tree.git, ['rev-parse', 'HEAD'], options)
  await git(tree.git, ['update-ref', ref, commit], options)
  return commit
}

/** Checks out a commit; files that are the same on both sides keep their times. */
async function checkout(tree: Tree, commit: string, options: ApplyOptions): Promise<string> {
  await git(tree.git, ['checkout', '--quiet', '--force', '--detach', commit], options)
  return commit
}

/** Undoes whatever a killed or refused git left: lock file, half-applied mail, new files that no commit has. */
async function recover(tree: Tree, options: ApplyOptions): Promise<void> {
  const inside = (name: string) => join(tree.git, '.git', name)
  const left = await Promise.all(
    ['index.lock', 'HEAD.lock', 'rebase-apply'].map((name) => exists(inside(name))),
  )
  if (!left.includes(true)) return
  await Promise.all(
    ['index.lock', 'HEAD.lock', 'rebase-apply'].map((name) =>
      rm(inside(name), { recursive: true, force: true }),
    ),
  )
  await git(tree.git, ['reset', '--quiet', '--hard'], options)
  // -x: the kernel's .gitignore hides what a patch adds; nothing is built in the work tree itself.
  await git(tree.git, ['clean', '--quiet', '-ffdx'], options)
}

/** What git am says on the way, and its advice for a work tree that is the user's own. */
const amChatter = /^(Applying: |hint: |When you have resolved|If you prefer to skip|To restore the original)/

async function describe(tree: Tree, series: Series, output: string): Promise<Failure> {
  // git am keeps the number of the mail it stopped at, from 1.
  const next = Number(await readFile(join(tree.git, '.git', 'rebase-apply', 'next'), 'utf8').catch(() => '0'))
  const patch = series.patches[next - 1]
  const words = output
    .split('\n')
    .filter((line) => line.trim() && !amChatter.test(line))
    .map((line) => `  git: ${line}`)
  const which = patch ? `${patch.path} (${next} of ${series.patches.length})` : `series ${series.name}`
  // Relative to -C, a path would lead into the cache.
  const place = resolve('rebase')
  const worktree = ['git', '-C', tree.git, 'worktree', 'add', '--detach', place, tree.base.slice(0, 12)]
  const paths = series.patches.slice(0, patch ? next : undefined).map(({ path }) => path)
  const am = ['git', '-C', place, 'am', '--3way', ...paths]
  return new Failure(
    'usage',
    [`${which} does not apply to ${tree.label} (${tree.version})`, ...words].join('\n'),
    {
      command: `${quoted(worktree)} && ${quoted(am)}`,
      remedy: `rebase the series onto ${tree.base.slice(0, 12)}; the command makes a worktree to do it in`,
    },
  )
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
