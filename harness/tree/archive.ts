/** Kernel sources as a stream of tar, whatever they lie in. */
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { execa } from 'execa'
import { Parser, type ReadEntry } from 'tar'
import { findProgram } from '../../qemu/cc.ts'
import { Failure, type FailureKind } from '../failure.ts'
import { requirePrograms } from '../programs.ts'
import { type Packer, packedBy } from './packed.ts'

export interface Archive {
  /** What it is made of, for messages. */
  what: string
  /** Whose fault it is when there is something wrong with it. */
  kind: FailureKind
  remedy: string
  /** Starts the programs that read it; they end when `signal` is aborted. */
  start(signal: AbortSignal): OpenArchive
}

export interface OpenArchive {
  /** Each rejects when its program fails; `stderr` has its words. */
  children: Child[]
  /** Passes data on between the programs. */
  pump?: Promise<void>
  stream: Readable
}

type Child = ReturnType<typeof startProgram>

function startProgram(cancelSignal: AbortSignal, command: string[], stdin: 'ignore' | 'pipe' = 'ignore') {
  const [program = '', ...args] = command
  requirePrograms([program])
  return execa(program, args, {
    ...{ cancelSignal, stdin, env: { LC_ALL: 'C' }, reject: true, encoding: 'buffer' },
    buffer: { stdout: false },
  })
}

/** The source archive in a Debian linux-source package. */
export function debianArchive(deb: string): Archive {
  return {
    ...{ what: deb, kind: 'infra' },
    remedy: `delete ${deb}: it is then fetched again`,
    start(signal) {
      const outer = startProgram(signal, ['dpkg-deb', '--fsys-tarfile', deb])
      const inner = startProgram(signal, unpackers.xz, 'pipe')
      // A child that dies breaks the pipe to it; its exit status and words say why, the pipe only that it did.
      inner.stdin?.on('error', () => {})
      const pump = innerArchive(outer.stdout, inner.stdin as Writable)
      return { children: [outer, inner], pump, stream: inner.stdout }
    },
  }
}

/** Passes on the content of the one .tar.xz in the package's file system archive. */
async function innerArchive(outer: Readable, inner: Writable): Promise<void> {
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

const unpackers = {
  xz: ['xz', '--decompress', '--stdout', '--threads=0'],
  gzip: ['gzip', '--decompress', '--stdout'],
  zstd: ['zstd', '--decompress', '--stdout', '--long=31', '--quiet'],
}

const packages: Record<Packer, string> = { xz: 'xz-utils', gzip: 'gzip', zstd: 'zstd' }

/**
 * A tarball of the user's.
 * @throws Failure when it is none, or when what unpacks it is not there
 */
export async function tarball(path: string): Promise<Archive> {
  const packed = await packedBy(path)
  if (packed === undefined) throw new Failure('usage', `${path} is no tarball`)
  const unpacker = packed === 'none' ? ['cat'] : unpackers[packed]
  const [program = ''] = unpacker
  if (packed !== 'none' && !(await findProgram(program))) {
    throw new Failure('infra', `${path} is packed by ${program}, which is not installed`, {
      remedy: `apt-get install ${packages[packed]}`,
    })
  }
  return {
    ...{
      what: path,
      kind: 'usage',
      remedy: 'check it against its signature or checksum, and fetch it again',
    },
    start(signal) {
      const child = startProgram(signal, [...unpacker, '--', path])
      return { children: [child], stream: child.stdout }
    },
  }
}

/** A directory, which is only read. */
export function directoryArchive(path: string): Archive {
  return {
    ...{
      what: path,
      kind: 'usage',
      remedy: 'make all of the directory readable, and let nobody change it meanwhile',
    },
    start(signal) {
      const child = startProgram(signal, [
        'tar',
        '--create',
        '--hard-dereference',
        `--directory=${path}`,
        '.',
      ])
      return { children: [child], stream: child.stdout }
    },
  }
}

/** Reads a tar stream to its end. The parser's listeners get the entries. */
export async function parse(input: Readable, parser: Parser): Promise<void> {
  const ended = once(parser, 'end')
  input.on('error', (error) => parser.abort(error))
  input.pipe(parser)
  await ended
}

/** Holds the entry up until the pipe has room again. A pipe that breaks lets it go on: the child's end is the error. */
export function hold(entry: ReadEntry, pipe: Writable): void {
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
