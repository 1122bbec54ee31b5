import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { execa } from 'execa'
import { Parser } from 'tar'
import { storageRemedy } from '../cache/room.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { type Archive, hold, parse } from './archive.ts'
import { git, gitCommand, gitEnvironment } from './git.ts'
import { inspectTree } from './kernel-source.ts'
import { Members } from './members.ts'

export interface ImportOptions {
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

export interface Imported {
  /** Commit that `refs/heads/base` points at. */
  commit: string
  /** Its tree: the content's identity. */
  tree: string
  /** What the kernel's own Makefile says, such as `6.12.57`. */
  version: string
}

/**
 * git spends its time on hashing, in one thread. Two importers share the files and keep two cores busy, while the
 * archive is being decompressed: 22 s for 6.12 on two idle cores, where unpacking and `git add` took 58.
 */
const importers = 2
/** Bytes that may wait for one importer before the archive is held up. */
const highWater = 8 << 20

/**
 * Makes the commit `refs/heads/base` out of a kernel source in `repository`, which may have had another base before.
 * Nothing but git objects is written: the work tree is a checkout away. A folder that everything lies in is left out.
 * @throws Failure
 */
export async function importTree(
  archive: Archive,
  repository: string,
  options: ImportOptions,
): Promise<Imported> {
  const { signal } = options
  await git(repository, ['init', '--quiet'], { signal })
  // Packs are written once and read rarely; level 1 is quicker than none, as git hashes packs three times.
  await git(repository, ['config', 'core.compression', '1'], { signal })
  await git(repository, ['config', 'gc.auto', '0'], { signal })
  const stop = new AbortController()
  const cancelSignal = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  const imports = Array.from({ length: importers }, () =>
    execa(
      ...gitCommand(repository, [
        ...['fast-import', '--quiet', '--force', '--done', '--depth=0', '--big-file-threshold=1g'],
      ]),
      {
        ...{ reject: true, cancelSignal, buffer: { stdout: false }, encoding: 'buffer' },
        ...{ env: gitEnvironment(), extendEnv: false },
      },
    ),
  )
  const opened = archive.start(cancelSignal)
  const children = [...opened.children, ...imports]
  const feeds = imports.map((child) => child.stdin)
  // A child that dies breaks the pipe to it; its exit status and words say why, the pipe only that it did.
  for (const pipe of feeds) pipe.on('error', () => {})
  // A child ends for us when its output has been read to the end; what is held up would never be.
  const release = () => {
    for (const child of children) {
      child.stdin?.destroy()
      child.stdout?.destroy()
    }
  }
  cancelSignal.addEventListener('abort', release, { once: true })
  const members = new Members(archive)
  try {
    await Promise.all([...children, opened.pump, feedImporters(opened.stream, feeds, members, options)])
  } catch (error) {
    stop.abort()
    const ends = await Promise.allSettled(children)
    signal?.throwIfAborted()
    throw reasonFor(error, ends.slice(0, opened.children.length), archive)
  } finally {
    stop.abort()
    await Promise.allSettled(children)
  }
  return joinParts(repository, members.top(), archive, options)
}

/**
 * @param error what came first
 * @param readers how the programs ended that read the archive: one that met a fault in it says what it is, when all
 *   that the others saw is that it stopped
 */
function reasonFor(error: unknown, readers: PromiseSettledResult<unknown>[], archive: Archive): Failure {
  if (error instanceof Failure) return error
  const wordsOf = (child: unknown) =>
    Buffer.from((child as { stderr?: Uint8Array }).stderr ?? [])
      .toString()
      .trim()
  const said = readers.map((end) => (end.status === 'rejected' ? wordsOf(end.reason) : '')).find(Boolean)
  const own = (error as { shortMessage?: string }).shortMessage ?? (error as Error).message
  const [words = ''] = (wordsOf(error) || said || own).split('\n')
  const isReader = readers.some((end) => end.status === 'rejected' && end.reason === error)
  // What cannot be read of the user's is no matter of our own storage.
  const storage = isReader && archive.kind === 'usage' ? {} : storageRemedy(words)
  return new Failure(
    storage.remedy ? 'infra' : archive.kind,
    `cannot import ${archive.what} into git: ${words}`,
    { remedy: archive.remedy, ...storage, cause: error },
  )
}

/** Shares the archive's files out, each to the importer with the least to do. */
async function feedImporters(
  archive: Readable,
  feeds: Writable[],
  members: Members,
  { emit }: ImportOptions,
): Promise<void> {
  for (const [index, feed] of feeds.entries()) {
    feed.write(`commit refs/heads/part-${index}\ncommitter copylab <copylab@localhost> 0 +0000\ndata 0\n`)
    feed.write('deleteall\n')
  }
  const parser = new Parser({ strict: true })
  let refused: unknown
  parser.on('entry', (entry) => {
    let path: string | undefined
    try {
      path = members.add(entry)
    } catch (error) {
      refused ??= error
      // What is thrown in here would end the process: tar calls it between two reads.
      return parser.abort(error as Error)
    }
    if (path === undefined) return entry.resume()
    const feed = feeds.reduce((least, other) => (other.writableLength < least.writableLength ? other : least))
    const write = (mode: string, bytes: number) =>
      feed.write(`M ${mode} inline ${JSON.stringify(path)}\ndata ${bytes}\n`)
    if (members.count % 1000 === 0) {
      const note = `${members.count} files`
      emit?.({ type: 'step-progress', step: 'unpack', done: members.count, note })
    }
    if (entry.type === 'SymbolicLink') {
      const target = entry.linkpath ?? ''
      write('120000', Buffer.byteLength(target))
      feed.write(`${target}\n`)
      entry.resume()
    } else {
      write((entry.mode ?? 0) & 0o100 ? '100755' : '100644', entry.size)
      entry.on('data', (data: Buffer) => {
        if (!feed.write(data) && feed.writableLength > highWater) hold(entry, feed)
      })
      entry.on('end', () => feed.write('\n'))
    }
  })
  try {
    await parse(archive, parser)
  } catch (error) {
    throw refused ?? error
  }
  if (members.count === 0) throw new Error('there is no file in it')
  for (const feed of feeds) feed.end('done\n')
}

/** The union of the importers' trees, without its top folder if it has one, as one commit without history. */
async function joinParts(
  repository: string,
  top: string | undefined,
  { what, kind }: Archive,
  { signal }: ImportOptions,
): Promise<Imported> {
  // Not that of the work tree, which goes on to say what is checked out there.
  const index = join(repository, '.git', 'copylab-index')
  await rm(index, { force: true })
  const options = { signal, index }
  const parts = Array.from({ length: importers }, (_, part) => `refs/heads/part-${part}`)
  for (const part of parts) {
    const input = await git(repository, ['ls-tree', '-r', '-z', part], { signal })
    await git(repository, ['update-index', '-z', '--add', '--index-info'], { ...options, input })
  }
  const whole = await git(repository, ['write-tree'], options)
  await rm(index, { force: true })
  const tree = top === undefined ? whole : await git(repository, ['rev-parse', `${whole}:${top}`], { signal })
  const version = await inspectTree(repository, tree, { what, kind, signal })
  const commit = await git(repository, ['commit-tree', '-m', 'base', tree], { signal })
  await git(repository, ['update-ref', 'refs/heads/base', commit], { signal })
  for (const part of parts) await git(repository, ['update-ref', '-d', part], { signal })
  return { commit, tree, version }
}
