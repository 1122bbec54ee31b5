import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { cacheDirectory } from './directory.ts'

export interface LockOptions {
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

/**
 * Runs `work` while this process alone has the lock `name` (a file below `locks/` in the cache).
 *
 * The lock is an flock(2) on the file description that this process keeps open; flock(1) takes it on the
 * descriptor it inherits. The kernel drops it when the last process with that description ends, so a killed copylab
 * never leaves a lock behind. `work` gets the descriptor: a child that inherits it holds the lock too, as long as it
 * lives, so a build that outlives its copylab keeps the next one out of the directory.
 */
export async function withLock<T>(
  name: string,
  work: (descriptor: number) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const file = await acquire(name, 'exclusive', options)
  try {
    await file.truncate(0)
    await file.write(`${process.pid} ${process.argv.slice(2).join(' ')}\n`, 0)
    return await work(file.fd)
  } finally {
    await file.close()
  }
}

/**
 * Runs `work` while this process alone has all these locks, if nobody has one of them now.
 * @returns undefined when somebody has
 */
export async function tryLocks<T>(names: readonly string[], work: () => Promise<T>): Promise<T | undefined> {
  const files: FileHandle[] = []
  try {
    for (const name of names) {
      const file = await acquire(name, 'exclusive')
      if (!file) return undefined
      files.push(file)
    }
    return await work()
  } finally {
    await Promise.all(files.map((file) => file.close()))
  }
}

/** By path; open as long as this process lives. */
const inUse = new Map<string, Promise<FileHandle>>()

/** What these say of a lock that cannot be had: a cache that nobody can write to, nobody takes anything from. */
const unwritable = ['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT']

/**
 * Keeps something in the cache from being evicted until this process ends, however it ends, and notes that it was used.
 * Any number of processes may use it at once. What is there has to be looked at after this, not before.
 */
export async function keepInUse(name: string, options: LockOptions = {}): Promise<void> {
  const path = pathOf(useLock(name))
  const opening = inUse.get(path) ?? acquire(useLock(name), 'shared', options)
  inUse.set(path, opening)
  try {
    const now = new Date()
    await (await opening).utimes(now, now)
  } catch (error) {
    inUse.delete(path)
    if (!unwritable.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** The lock that users share, and that whoever evicts has alone. */
export function useLock(name: string): string {
  return `use-${name}`
}

/** The name of a kernel for keepInUse(). */
export function kernelLock(key: string): string {
  return `kernel-${key}`
}

/** In a build directory: the name of the lock that a build in it holds. */
export const buildLockFile = 'copylab-lock'

/** When somebody last had the lock, in ms since 1970, or undefined: never, as far as is known. */
export async function lastLocked(name: string): Promise<number | undefined> {
  return stat(pathOf(name)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )
}

/** Removes the file of a lock that the caller has: whoever waits for it makes another. */
export async function removeLock(name: string): Promise<void> {
  await rm(pathOf(name), { force: true })
}

function pathOf(name: string): string {
  return join(cacheDirectory(), 'locks', `${name}.lock`)
}

async function acquire(name: string, kind: 'exclusive' | 'shared', options: LockOptions): Promise<FileHandle>
async function acquire(name: string, kind: 'exclusive'): Promise<FileHandle | undefined>
async function acquire(
  name: string,
  kind: 'exclusive' | 'shared',
  options?: LockOptions,
): Promise<FileHandle | undefined> {
  const path = pathOf(name)
  const how = `--${kind}`
  const { signal, emit } = options ?? {}
  for (;;) {
    signal?.throwIfAborted()
    // Not recursive: of a file system that cannot be written to, Node.js would then say that a directory is missing.
    await mkdir(dirname(path), { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    const file = await open(path, 'a+', 0o600)
    try {
      if ((await flock(file.fd, [how, '--nonblock'], signal)) !== 0) {
        if (!options) {
          await file.close()
          return undefined
        }
        emit?.({ type: 'note', message: `waiting for ${holder(path)}, which is using ${name}` })
        await flock(file.fd, [how], signal)
      }
      // The cache may have been deleted meanwhile; a lock on an unlinked file keeps nobody out.
      const [held, named] = await Promise.all([file.stat(), stat(path).catch(() => null)])
      if (named?.ino === held.ino) return file
    } catch (error) {
      await file.close()
      throw error
    }
    await file.close()
  }
}

/** Exit status of flock(1) on the inherited descriptor: 0 locked, 1 somebody else has it. */
export async function flock(descriptor: number, options: string[], signal?: AbortSignal): Promise<number> {
  const child = spawn('flock', [...options, '3'], {
    stdio: ['ignore', 'ignore', 'inherit', descriptor],
    ...(signal && { signal }),
  })
  try {
    const [status] = (await once(child, 'close')) as [number | null]
    if (status === 0 || (status === 1 && options.includes('--nonblock'))) return status
    throw new Failure('infra', `flock(1) ended with status ${status}`)
  } catch (error) {
    signal?.throwIfAborted()
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Failure('infra', 'flock(1) is not installed', { remedy: 'apt-get install util-linux' })
  }
}

function holder(path: string): string {
  const [, pid, command] = /^(\d+) (.*)/.exec(readFileSync(path, 'utf8')) ?? []
  return pid ? `process ${pid} (copylab ${command})` : 'another copylab'
}
