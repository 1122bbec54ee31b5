/** What is said, and kept, of a patch that does not apply. */
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { quoted } from '../../qemu/lost.ts'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { cacheDirectory } from '../cache/directory.ts'
import { Failure, type FailureDetails } from '../failure.ts'
import { type GitOptions, git, tryGit } from '../tree/git.ts'
import { knownTree, type Tree } from '../tree/provide.ts'
import type { Diff } from './diff.ts'
import type { Patch, Series } from './load.ts'
import { readMail } from './mail.ts'

/** A patch of a series does not apply. */
export class PatchRefused extends Failure {
  /** Of the patch, from 1. */
  readonly number: number

  constructor(number: number, message: string, details: FailureDetails) {
    super('usage', message, details)
    this.number = number
  }
}

/** What git am says on the way, and its advice for a work tree that is the user's own. */
const amChatter = /^(Applying: |hint: |When you have resolved|If you prefer to skip|To restore the original)/

/** Where git keeps the number of the mail that `git am` stopped at, from 1. */
const stoppedAt = (tree: Tree) => join(tree.git, '.git', 'rebase-apply', 'next')

/**
 * The failure of a `git am` that has just stopped in the tree; the work tree is left for the caller to clean.
 * @param output all that git am said
 */
export async function refusal(
  tree: Tree,
  series: Series,
  output: string,
  options: GitOptions,
): Promise<PatchRefused> {
  const next = Number(await readFile(stoppedAt(tree), 'utf8').catch(() => '0'))
  const patch = series.patches[next - 1]
  const which = patch ? `${patch.path} (${next} of ${series.patches.length})` : `series ${series.name}`
  const rejected = patch ? await rejectedHunks(tree, series, patch, options) : { lines: [], words: [] }
  const said = output.split('\n').filter((line) => line.trim() && !amChatter.test(line))
  const words = new Set([...said, ...rejected.words])
  const others = await otherTrees(tree, series, options)
  const applies = others.find(({ applied }) => applied === series.patches.length)
  // Relative to -C, a path would lead into the cache.
  const place = resolve('rebase')
  const worktree = ['git', '-C', tree.git, 'worktree', 'add', '--detach', place, tree.base.slice(0, 12)]
  const paths = series.patches.slice(0, patch ? next : undefined).map(({ path }) => path)
  const am = ['git', '-C', place, 'am', '--3way', '--keep-cr', ...paths]
  const lines = [
    `${which} does not apply to ${tree.label} (${tree.version})`,
    ...rejected.lines.map((line) => `  ${line}`),
    ...[...words].map((line) => `  git: ${line}`),
    ...others.map((other) => `  ${sayOther(other, series)}`),
    ...(series.madeOn === undefined ? [] : [`  ${series.madeOn}`]),
  ]
  const rebase = `rebase the series onto ${tree.base.slice(0, 12)}; the command makes a worktree to do it in`
  return new PatchRefused(patch ? next : 1, lines.join('\n'), {
    ...(rejected.directory === undefined ? {} : { log: rejected.directory }),
    command: `${quoted(worktree)} && ${quoted(am)}`,
    remedy: applies ? `--tree ${applies.tree.label}, to which it applies, or ${rebase}` : rebase,
  })
}

/**
 * Applies what can be applied of a patch, to learn which hunks cannot, and keeps those.
 * @returns a line for each of them, git's words, and the directory that has the hunks as `<path>.rej`
 */
async function rejectedHunks(
  tree: Tree,
  series: Series,
  patch: Patch,
  options: GitOptions,
): Promise<{ lines: string[]; words: string[]; directory?: string }> {
  await git(tree.git, ['reset', '--quiet', '--hard'], options)
  return withPrivateDirectory('copylab-refused-', async (temporary) => {
    const { body, diff } = await readMail(patch.path, await readFile(patch.path), temporary)
    const file = join(temporary, 'diff')
    await writeFile(file, body, 'latin1')
    const { stderr } = await tryGit(tree.git, ['apply', '--reject', '--verbose', file], options)
    const lines = describeRejects(stderr, diff)
    // git am says less where it had to give up a merge: it has not the file that the patch was made for.
    const words = stderr.split('\n').filter((line) => /^error: (?!while searching for:)/.test(line))
    const { refusal } = series
    if (!refusal || lines.length === 0) return { lines, words }
    const directory = join(refusal.rejects, `${series.label}-on-${tree.label}`)
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    // git names each as the file that the hunks are for; those paths have been checked.
    for (const path of new Set(diff.files.flatMap(({ paths }) => paths))) {
      const kept = join(directory, `${path}.rej`)
      await mkdir(dirname(kept), { recursive: true })
      await copyFile(join(tree.git, `${path}.rej`), kept).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
    }
    await copyFile(patch.path, join(directory, basename(patch.path)))
    return { lines, words, directory }
  })
}

/** From the words of `git apply --reject --verbose`: `block/bio.c: hunk 2 of 4 does not apply: @@ -120,7 +120,9 @@`. */
export function describeRejects(words: string, { files }: Diff): string[] {
  const lines: string[] = []
  let path = ''
  for (const line of words.split('\n')) {
    path = /^Applying patch (.+) with \d+ rejects?\.\.\.$/.exec(line)?.[1] ?? path
    const number = Number(/^Rejected hunk #(\d+)\.$/.exec(line)?.[1] ?? 0)
    if (number > 0) {
      const hunks = files.find(({ paths }) => paths.includes(path))?.hunks ?? []
      const header = hunks[number - 1]?.header ?? ''
      lines.push(`${path}: hunk ${number} of ${hunks.length} does not apply: ${header}`)
    }
    const missing = /^error: (.+): (No such file or directory|does not exist in index)$/.exec(line)?.[1]
    if (missing !== undefined) lines.push(`${missing}: the tree has no such file`)
    const present = /^error: (.+): already exists in working directory$/.exec(line)?.[1]
    if (present !== undefined) lines.push(`${present}: the tree has that file already`)
  }
  const crs =
    files.length && /\r/.test(words) ? ['the rejected lines end in CR, which the tree may not have'] : []
  return [...new Set([...lines, ...crs])]
}

interface OtherTree {
  tree: Tree
  /** How many patches apply, from the first on. */
  applied: number
}

function sayOther({ tree, applied }: OtherTree, series: Series): string {
  const where = `${tree.label} (${tree.version})`
  if (applied === series.patches.length) return `it applies to ${where}`
  return `on ${where} it stops at patch ${applied + 1} of ${series.patches.length}`
}

/** How far the series goes on the other trees that the cache has, the nearest version first. No work tree is touched. */
async function otherTrees(tree: Tree, series: Series, options: GitOptions): Promise<OtherTree[]> {
  const cache = cacheDirectory()
  const others = (series.refusal?.trees ?? [])
    .flatMap((spec) => (spec.label === tree.label ? [] : (knownTree(spec, cache) ?? [])))
    .sort((a, b) => distance(a, tree) - distance(b, tree))
  return withPrivateDirectory('copylab-apply-', async (temporary) => {
    const found: OtherTree[] = []
    const diff = join(temporary, 'diff')
    for (const [index, other] of others.entries()) {
      const o = { ...options, index: join(temporary, `index-${index}`) }
      await git(other.git, ['read-tree', other.base], o)
      let applied = 0
      for (const { path } of series.patches) {
        const { body } = await readMail(path, await readFile(path), temporary)
        await writeFile(diff, body, 'latin1')
        // The index of its own holds what the patches before it made; nothing else is written.
        const { status } = await tryGit(other.git, ['apply', '--cached', diff], o)
        if (status !== 0) break
        applied += 1
      }
      found.push({ tree: other, applied })
    }
    return found
  })
}

/** Between two versions of the kernel, in releases, a major one counting as a hundred. */
function distance(a: Tree, b: Tree): number {
  const [one, other] = [a, b].map(({ version }) => {
    const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0)
    return major * 100 + minor
  })
  return Math.abs((one ?? 0) - (other ?? 0))
}
