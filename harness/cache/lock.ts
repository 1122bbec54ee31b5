import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
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
  const path = join(cacheDirectory(), 'locks', `${name}.lock`)
  const file = await acquire(path, name, options)
  try {
    await file.truncate(0)
    await file.write(`${process.pid} ${process.argv.slice(2).join(' ')}\n`, 0)
    return await work(file.fd)
  } finally {
    await file.close()
  }
}

async function acquire(path: string, name: string, { signal, emit }: LockOptions): Promise<FileHandle> {
  for (;;) {
    signal?.throwIfAborted()
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(path, 'a+', 0o600)
    try {
      if ((await flock(file.fd, ['--nonblock'], signal)) !== 0) {
        emit?.({ type: 'note', message: `waiting for ${holder(path)}, which is using ${name}` })
        await flock(file.fd, [], signal)
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
async function flock(descriptor: number, options: string[], signal?: AbortSignal): Promise<number> {
  const child = spawn('flock', [...options, '--exclusive', '3'], {
    stdio: ['ignore', 'ignore', 'inherit', descriptor],
    ...(signal && { signal }),
  })
  try {
    const [status] = (await once(child, 'close')) as [number | null]
    if (status === 0 || (status === 1 && options.length > 0)) return status
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
