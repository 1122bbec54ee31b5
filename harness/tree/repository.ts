/** Trees that are commits of a git repository: one clone of it is kept, and all its commits share the work tree. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { publish } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import { checkRoom, storageRemedy } from '../cache/room.ts'
import type { TreeSource } from '../config/schema.ts'
import { Failure } from '../failure.ts'
import { type GitOptions, git, tryGit } from './git.ts'
import { roomNeeded, step } from './imported.ts'
import { inspectTree } from './kernel-source.ts'
import type { Place, Tree, TreeOptions } from './provide.ts'
import { isLocal } from './spec.ts'
import { changesIn, commitChanges, dirty, lastLine, noRepository } from './work-tree.ts'

/** A directory here is a git work tree. */
export type RepositorySource = Extract<TreeSource, { git: string } | { directory: string }>

const recordSchema = z.object({ id: z.string(), version: z.string() })

const wholeHash = /^[0-9a-f]{40}$/

/**
 * Provides the commit that a branch, a tag or an expression names now, or what a work tree of the user's has. The
 * user's repository is only read. A commit that is named by its whole hash needs no network once it was fetched.
 */
export async function provideCommit(
  wanted: RepositorySource,
  place: Place,
  options: TreeOptions,
): Promise<Tree> {
  const { origin, ref, head, changes, clone, there } = await lookUp(wanted, place, options)
  const provide = async (commit: string, suffix: string) => {
    const { id, version } = await record(clone, commit, wanted, place, options)
    return {
      ...{ id, version: versionOf(version, head, suffix), base: commit },
      ...{ label: place.label, git: clone, lock: place.lock, objects: place.lock },
    }
  }
  // Nothing is fetched, and nobody waited for, when it is there.
  if (changes.length === 0 && wholeHash.test(head) && (await there(head))) return provide(head, '')
  return withLock(
    place.lock,
    async () => {
      const commit = await fetchCommit(origin, ref, head, clone, options)
      if (changes.length === 0 || !('directory' in wanted)) return provide(commit, '')
      return provide(await commitChanges(clone, commit, wanted.directory, changes, options), '-dirty')
    },
    options,
  )
}

/** The identity of a commit that was looked at once; the clone may be gone. */
export async function findCommit(
  wanted: RepositorySource,
  place: Place,
  options: TreeOptions,
): Promise<Pick<Tree, 'id' | 'version'> | undefined> {
  const { head, changes } = await lookUp(wanted, place, options)
  const known = changes.length === 0 ? readRecord(place, head) : undefined
  return known && { id: known.id, version: versionOf(known.version, head, '') }
}

/** What is wanted, by the names that it has now. */
async function lookUp(wanted: RepositorySource, place: Place, options: TreeOptions) {
  const clone = join(place.directory, 'source')
  const changes = 'directory' in wanted ? await changesIn(wanted.directory, options) : []
  if ('directory' in wanted && changes.length > 0 && wanted.dirty === 'refuse')
    throw dirty(wanted.directory, changes)
  const [origin, ref] = 'git' in wanted ? [wanted.git, wanted.ref] : [wanted.directory, 'HEAD']
  const there = async (commit: string) =>
    existsSync(join(clone, '.git')) &&
    (await tryGit(clone, ['cat-file', '-e', `${commit}^{commit}`], options)).status === 0
  const known = wholeHash.test(ref) && (readRecord(place, ref) !== undefined || (await there(ref)))
  const head = known ? ref : await resolve(origin, ref, options)
  return { origin, ref, head, changes, clone, there }
}

function versionOf(version: string, head: string, suffix: string): string {
  return `${version}-g${head.slice(0, 12)}${suffix}`
}

/** Fetches what is not there yet. The caller holds the lock. */
async function fetchCommit(
  origin: string,
  ref: string,
  head: string,
  clone: string,
  options: TreeOptions,
): Promise<string> {
  const { signal, emit } = options
  const find = async () => {
    if (!existsSync(join(clone, '.git'))) return undefined
    const found = await tryGit(clone, ['rev-parse', '--verify', '--quiet', `${head}^{commit}`], { signal })
    return found.status === 0 ? found.stdout : undefined
  }
  const asUser: GitOptions = {
    ...{ signal, asUser: true },
    note: (note) => emit?.({ type: 'step-progress', step: 'fetch', note }),
  }
  const ask = async (directory: string, args: string[]) => {
    const { status, stderr } = await tryGit(directory, args, asUser)
    if (status !== 0) throw unreachable(origin, stderr)
  }
  const isThere = existsSync(join(clone, '.git'))
  const found = isThere ? await find() : undefined
  await step('fetch', `${origin}, branches and tags`, found !== undefined, options, async () => {
    if (isThere) {
      // Left by a fetch that was killed; we hold the lock.
      await rm(join(clone, '.git', 'shallow.lock'), { force: true })
      return ask(clone, ['fetch', '--progress', '--force', '--tags', '--no-auto-maintenance', 'origin'])
    }
    await mkdir(join(clone, '..'), { recursive: true, mode: 0o700 })
    await checkRoom(join(clone, '..'), roomNeeded, 'a kernel repository needs')
    // Objects of a repository on the same disk are copied: links to them would change the user's inodes.
    const how = [
      '--progress',
      '--no-checkout',
      '--no-hardlinks',
      '--template=',
      '--config=gc.auto=0',
      '--origin=origin',
    ]
    const make = (temporary: string) => ask('/', ['clone', ...how, '--', origin, temporary])
    await publish(clone, make)
  })
  const fetched = found ?? (await find())
  if (fetched) return fetched
  // A commit that no branch or tag leads to.
  if (wholeHash.test(head)) {
    const { status } = await tryGit(clone, ['fetch', '--no-auto-maintenance', 'origin', head], asUser)
    const last = status === 0 ? await find() : undefined
    if (last) return last
  }
  throw await unknownRef(origin, ref, options)
}

/**
 * Asks the repository what the name stands for now.
 * @returns the commit's hash, or what only a clone can make one of: a hash that was cut short, or `v6.12~3`
 */
async function resolve(origin: string, ref: string, { signal }: TreeOptions): Promise<string> {
  const asUser = { signal, asUser: true }
  if (isLocal(origin)) {
    const top = await tryGit(origin, ['rev-parse', '--show-cdup'], asUser)
    if (top.status !== 0) throw noRepository(origin, top.stderr)
    if (top.stdout)
      throw noRepository(origin, `it lies in one; the repository is ${join(origin, top.stdout)}`)
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`]
    const { status, stdout } = await tryGit(origin, args, asUser)
    if (status === 0) return stdout
    throw await unknownRef(origin, ref, { signal })
  }
  const [, name = '', steps = ''] = /^(.*?)([~^].*)?$/.exec(ref) ?? []
  const { status, stdout, stderr } = await tryGit(
    '/',
    ['ls-remote', '--', origin, name, `${name}^{}`],
    asUser,
  )
  if (status !== 0) throw unreachable(origin, stderr)
  const listed = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    const [hash = '', full = ''] = line.split('\t')
    listed.set(full, hash)
  }
  // In git's own order; ls-remote also lists what only ends in the name.
  const candidates = [name, `refs/${name}`, `refs/tags/${name}`, `refs/heads/${name}`]
  const full = candidates.find((candidate) => listed.has(candidate))
  const hash = full && (listed.get(`${full}^{}`) ?? listed.get(full))
  if (hash) return `${hash}${steps}`
  if (/^[0-9a-f]{7,40}$/.test(name)) return `${name}${steps}`
  throw await unknownRef(origin, ref, { signal })
}

/** What is said of a commit once it was looked at. */
async function record(
  clone: string,
  commit: string,
  wanted: RepositorySource,
  place: Place,
  { signal }: TreeOptions,
): Promise<z.infer<typeof recordSchema>> {
  const known = readRecord(place, commit)
  if (known) return known
  const what = 'ref' in wanted ? `${wanted.git}#${wanted.ref}` : wanted.directory
  const id = await git(clone, ['rev-parse', `${commit}^{tree}`], { signal })
  const version = await inspectTree(clone, id, { what, kind: 'usage', signal })
  const file = recordFile(place, commit)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.new-${process.pid}`
  await writeFile(temporary, JSON.stringify({ id, version }))
  await rename(temporary, file)
  return { id, version }
}

function recordFile({ directory }: Pick<Place, 'directory'>, commit: string): string {
  return join(directory, 'commits', `${commit}.json`)
}

function readRecord(place: Place, commit: string): z.infer<typeof recordSchema> | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(recordFile(place, commit), 'utf8')))
  } catch {
    return undefined // not there, or not whole: made again
  }
}

function unreachable(origin: string, stderr: string): Failure {
  const words = lastLine(stderr)
  const remedy =
    'check the address, the network and your credentials; a commit that was fetched once needs none of them when it ' +
    'is named by its whole hash'
  return new Failure('infra', `cannot fetch ${origin}: ${words}`, { remedy, ...storageRemedy(stderr) })
}

async function unknownRef(
  origin: string,
  ref: string,
  { signal }: Pick<GitOptions, 'signal'>,
): Promise<Failure> {
  const asUser = { signal, asUser: true }
  const name = ref.replace(/[~^].*/, '').replace(/[*?[\]]/g, '')
  // Also of a short one, such as v6.13, not all has to fit.
  const near = name.slice(0, Math.min(5, name.length - 1))
  const { stdout } = await tryGit('/', ['ls-remote', '--refs', '--', origin, `*${near}*`], asUser)
  const names = stdout.match(/refs\/(?:heads|tags)\/\S+/g) ?? []
  const like = names.slice(-5).map((name) => name.replace(/^refs\/(heads|tags)\//, ''))
  const hint = like.length ? `; it has ${like.join(', ')}` : ''
  return new Failure('usage', `${origin} has no branch, tag or commit ${JSON.stringify(ref)}${hint}`, {
    remedy: `git ls-remote ${origin} shows what it has`,
  })
}
