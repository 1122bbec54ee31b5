import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { execa } from 'execa'
import { Parser, type ReadEntry } from 'tar'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { git, gitCommand, gitEnvironment } from './git.ts'

export interface ImportOptions {
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

export interface Imported {
  /** Commit that `refs/heads/base` points at. */
  commit: string
  /** Its tree: the content's identity. */
  tree: string
}

/**
 * git spends its time on hashing, in one thread. Two importers share the files and keep two cores busy, while the
 * archive is being decompressed: 22 s for 6.12 on two idle cores, where unpacking and `git add` took 58.
 */
const importers = 2
/** Bytes that may wait for one importer before the archive is held up. */
const highWater = 8 << 20

/**
 * Makes the commit `refs/heads/base` out of the source archive in a Debian linux-source package, in the empty
 * repository `repository`. Nothing but git objects is written: the work tree is a checkout away.
 */
export async function importPackage(
  deb: string,
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
  const settings = { reject: true, cancelSignal, buffer: { stdout: false }, encoding: 'buffer' } as const
  const unpack = execa('dpkg-deb', ['--fsys-tarfile', deb], { ...settings, stdin: 'ignore' })
  const decompress = execa('xz', ['--decompress', '--stdout', '--threads=0'], settings)
  const imports = Array.from({ length: importers }, () =>
    execa(
      ...gitCommand(repository, ['fast-import', '--quiet', '--done', '--depth=0', '--big-file-threshold=1g']),
      {
        ...settings,
        env: gitEnvironment(),
        extendEnv: false,
      },
    ),
  )
  const children = [unpack, decompress, ...imports]
  const feeds = imports.map((child) => child.stdin)
  // A child that dies breaks the pipe to it; its exit status and words say why, the pipe only that it did.
  for (const pipe of [decompress.stdin, ...feeds]) pipe.on('error', () => {})
  // A child ends for us when its output has been read to the end; what is held up would never be.
  const release = () => {
    for (const child of children) {
      child.stdin?.destroy()
      child.stdout?.destroy()
    }
  }
  cancelSignal.addEventListener('abort', release, { once: true })
  try {
    await Promise.all([
      ...children,
      archiveOf(unpack.stdout, decompress.stdin),
      feedImporters(decompress.stdout, feeds, options),
    ])
  } catch (error) {
    signal?.throwIfAborted()
    const { shortMessage, stderr } = error as { shortMessage?: string; stderr?: Uint8Array }
    const words = Buffer.from(stderr ?? [])
      .toString()
      .trim()
    throw new Failure(
      'infra',
      `cannot import ${deb} into git: ${words || shortMessage || (error as Error).message}`,
      {
        remedy: `make room on the disk if it is full; if the package is damaged, delete ${deb}: it is then fetched again`,
        cause: error,
      },
    )
  } finally {
    stop.abort()
    await Promise.allSettled(children)
  }
  return joinParts(repository, options)
}

/** Passes on the content of the one .tar.xz in the package's file system archive. */
async function archiveOf(outer: Readable, inner: Writable): Promise<void> {
  const parser = new Parser({ strict: true })
  let found = false
  parser.on('entry', (entry) => {
    if (!/^\.\/usr\/src\/[^/]+\.tar\.xz$/.test(entry.path) || found) return entry.resume()
    found = true
    entry.on('data', (data: Buffer) => {
      if (!inner.write(data)) hold(entry, inner)
    })
    entry.on('end', () => inner.end())
  })
  await parse(outer, parser)
  if (!found) throw new Error('there is no usr/src/*.tar.xz in the package')
}

/** Shares the archive's files out, each to the importer with the least to do. */
async function feedImporters(archive: Readable, feeds: Writable[], { emit }: ImportOptions): Promise<void> {
  for (const [index, feed] of feeds.entries()) {
    feed.write(`commit refs/heads/part-${index}\ncommitter copylab <copylab@localhost> 0 +0000\ndata 0\n`)
  }
  let files = 0
  const parser = new Parser({ strict: true })
  parser.on('entry', (entry) => {
    const path = entry.path.replace(/^(\.\/)?[^/]+\//, '')
    const feed = feeds.reduce((least, other) => (other.writableLength < least.writableLength ? other : least))
    const write = (mode: string, bytes: number) =>
      feed.write(`M ${mode} inline ${JSON.stringify(path)}\ndata ${bytes}\n`)
    files += 1
    if (files % 1000 === 0)
      emit?.({ type: 'step-progress', step: 'unpack', done: files, note: `${files} files` })
    if (entry.type === 'File') {
      write((entry.mode ?? 0) & 0o100 ? '100755' : '100644', entry.size)
      entry.on('data', (data: Buffer) => {
        if (!feed.write(data) && feed.writableLength > highWater) hold(entry, feed)
      })
      entry.on('end', () => feed.write('\n'))
    } else if (entry.type === 'SymbolicLink') {
      const target = entry.linkpath ?? ''
      write('120000', Buffer.byteLength(target))
      feed.write(`${target}\n`)
      entry.resume()
    } else if (entry.type === 'Directory') {
      entry.resume()
    } else {
      parser.abort(new Error(`${entry.path} is a ${entry.type}, which git cannot hold`))
    }
  })
  await parse(archive, parser)
  for (const feed of feeds) feed.end('done\n')
}

/** Holds the entry up until the pipe has room again. A pipe that breaks lets it go on: the child's end is the error. */
function hold(entry: ReadEntry, pipe: Writable): void {
  if (!entry.flowing) return
  entry.pause()
  const go = () => {
    pipe.off('drain', go)
    pipe.off('close', go)
    entry.resume()
  }
  pipe.on('drain', go)
  pipe.on('close', go)
}

async function parse(input: Readable, parser: Parser): Promise<void> {
  const ended = once(parser, 'end')
  input.on('error', (error) => parser.abort(error))
  input.pipe(parser)
  await ended
}

/** The union of the importers' trees, as one commit without history. */
async function joinParts(repository: string, { signal }: ImportOptions): Promise<Imported> {
  for (let index = 0; index < importers; index += 1) {
    const input = await git(repository, ['ls-tree', '-r', '-z', `part-${index}`], { signal })
    await git(repository, ['update-index', '-z', '--add', '--index-info'], { signal, input })
  }
  const tree = await git(repository, ['write-tree'], { signal })
  const commit = await git(repository, ['commit-tree', '-m', 'base', tree], { signal })
  await git(repository, ['update-ref', 'refs/heads/base', commit], { signal })
  await git(repository, ['symbolic-ref', 'HEAD', 'refs/heads/base'], { signal })
  for (let index = 0; index < importers; index += 1) {
    await git(repository, ['update-ref', '-d', `refs/heads/part-${index}`], { signal })
  }
  return { commit, tree }
}
