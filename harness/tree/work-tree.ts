/** A git work tree of the user's: it is only read. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { storageRemedy } from '../cache/room.ts'
import { Failure } from '../failure.ts'
import { type GitOptions, git, tryGit } from './git.ts'

type Options = Pick<GitOptions, 'signal'>

export interface Change {
  /** As git status shows it: `M Makefile`, `?? new.c`. */
  shown: string
  paths: string[]
}

/** What differs from the commit that is checked out, files that git was told to ignore left out. */
export async function changesIn(directory: string, { signal }: Options): Promise<Change[]> {
  const args = ['status', '--porcelain', '-z', '--untracked-files=all', '--no-renames']
  const { status, stdout, stderr } = await tryGit(directory, args, { signal, asUser: true })
  if (status !== 0) throw noRepository(directory, stderr)
  return stdout
    .split('\0')
    .filter(Boolean)
    .map((entry) => ({ shown: entry.trim(), paths: [entry.slice(3)] }))
}

/** A commit on top of `head` with the user's changes, in the clone; the user's index and objects stay as they are. */
export async function commitChanges(
  clone: string,
  head: string,
  directory: string,
  changes: Change[],
  { signal }: Options,
): Promise<string> {
  const index = join(clone, '.git', 'copylab-index')
  await rm(index, { force: true })
  const options = { signal, index }
  await git(clone, ['read-tree', head], options)
  const input = changes.flatMap(({ paths }) => paths.map((path) => `${path}\0`)).join('')
  const files = [`--git-dir=${join(clone, '.git')}`, `--work-tree=${directory}`]
  const update = ['update-index', '--add', '--remove', '-z', '--stdin']
  const { status, stderr } = await tryGit(directory, [...files, ...update], { ...options, input })
  if (status !== 0) {
    const storage = storageRemedy(stderr)
    const message = `cannot take over the changes in ${directory}: ${stderr.trim()}`
    throw new Failure(storage.remedy ? 'infra' : 'usage', message, { remedy: 'commit them', ...storage })
  }
  const tree = await git(clone, ['write-tree'], options)
  await rm(index, { force: true })
  return git(clone, ['commit-tree', '-p', head, '-m', 'with changes', tree], { signal })
}

export function dirty(directory: string, changes: Change[]): Failure {
  const more = changes.length > 3 ? `, and ${changes.length - 3} more` : ''
  const some = changes.slice(0, 3).map(({ shown }) => shown)
  return new Failure('usage', `${directory} has changes that are not committed: ${some.join(', ')}${more}`, {
    remedy: 'commit them, or take them as they are with --dirty copy (dirty: copy in copylab.yaml)',
  })
}

export function noRepository(path: string, stderr: string): Failure {
  return new Failure('usage', `${path} is no git repository that can be read: ${lastLine(stderr)}`, {
    remedy: /dubious ownership/.test(stderr)
      ? `git config --global --add safe.directory ${path}`
      : 'name the top directory of a git repository',
  })
}

/** git's own reason; what comes before it is progress or advice. */
export function lastLine(stderr: string): string {
  const lines = stderr.split(/[\r\n]+/).filter((line) => line.trim())
  return (
    lines.find((line) => /^(fatal|error|remote|ssh): /.test(line)) ?? lines.at(-1) ?? 'git gave no reason'
  )
}
