import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Emit } from '../events.ts'
import { git, gitCommand, gitEnvironment, tryGit } from '../tree/git.ts'
import type { Tree } from '../tree/provide.ts'
import { describeAbi, detectAbi } from './detect.ts'
import type { Series } from './load.ts'
import { refusal } from './refusal.ts'

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
 * @throws Failure('usage') when a patch does not apply: which hunks, git's own words, and where it does apply; the tree is
 * then left at its base.
 */
export async function applySeries(
  tree: Tree,
  series: Series | null,
  options: ApplyOptions = {},
): Promise<string> {
  await recover(tree, options)
  if (!series) return checkout(tree, tree.base, options)
  const ref = refOf(tree, series.hash)
  const known = await tryGit(tree.git, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], options)
  if (known.status === 0) return checkout(tree, known.stdout, options)

  await checkout(tree, tree.base, options)
  for (const message of series.notes) options.emit?.({ type: 'note', message })
  await unpack(tree, series, options)
  const paths = series.patches.map((patch) => patch.path)
  // -3: a base that has drifted is merged, never guessed at by fuzz.
  // CRs that are still there belong to the files: loading the series has taken off those that mailers put in.
  const am = ['am', '--3way', '--patch-format=mbox', '--keep-cr', '--quoted-cr=nowarn', '--keep-non-patch']
  am.push('--committer-date-is-author-date', '--no-gpg-sign')
  const applied = await tryGit(tree.git, [...am, ...paths], options)
  if (applied.status !== 0) {
    const failure = await refusal(tree, series, `${applied.stderr}\n${applied.stdout}`, options)
    // What was tried for it has left files.
    await clean(tree, options)
    await rm(join(tree.git, '.git', 'rebase-apply'), { recursive: true, force: true })
    await checkout(tree, tree.base, options)
    throw failure
  }
  const commit = await git(tree.git, ['rev-parse', 'HEAD'], options)
  await git(tree.git, ['update-ref', ref, commit], options)
  await rememberPrefixes(tree, series, commit, options)
  if (series.profile === null)
    options.emit?.({
      type: 'note',
      message: describeAbi(series.name, await detectAbi(tree, commit, options)),
    })
  return commit
}

/** The commits of a repository share one clone: a series may lie on several of them. */
function refOf({ base }: Tree, hash: string): string {
  return `refs/copylab/series/${base}/${hash}`
}

/** A series that is cut off later is then a checkout, too. */
async function rememberPrefixes(
  tree: Tree,
  { prefixHashes }: Series,
  commit: string,
  { signal }: ApplyOptions,
): Promise<void> {
  const list = await git(tree.git, ['rev-list', '--reverse', `${tree.base}..${commit}`], { signal })
  const commits = [tree.base, ...list.split('\n')].slice(0, -1)
  // A patch that changes nothing any more has no commit.
  if (commits.length !== prefixHashes.length) return
  const input = commits
    .map((one, index) => `update ${refOf(tree, prefixHashes[index] as string)} ${one}\n`)
    .join('')
  await git(tree.git, ['update-ref', '--stdin'], { signal, input })
}

/** Adds the files that the patches were made for to the tree's objects: git merges by them where the tree differs. */
async function unpack(tree: Tree, { packs }: Series, { signal }: ApplyOptions): Promise<void> {
  for (const inputFile of packs) {
    await execa(...gitCommand(tree.git, ['unpack-objects', '-q']), {
      ...{ inputFile, env: gitEnvironment(), extendEnv: false },
      ...(signal && { cancelSignal: signal }),
    })
  }
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
  await clean(tree, options)
}

async function clean(tree: Tree, options: ApplyOptions): Promise<void> {
  await git(tree.git, ['reset', '--quiet', '--hard'], options)
  // -x: the kernel's .gitignore hides what a patch adds; nothing is built in the work tree itself.
  await git(tree.git, ['clean', '--quiet', '-ffdx'], options)
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
