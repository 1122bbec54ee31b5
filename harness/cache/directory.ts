import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { Failure } from '../failure.ts'
import { makeDirectories } from '../make-directories.ts'

/**
 * copylab's cache, created with mode 0700 if it is not there: `$XDG_CACHE_HOME/copylab`, else `~/.cache/copylab`.
 * Everything in it can be made again; whoever deletes it loses time only.
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_CACHE_HOME
  // The XDG base directory specification: a relative path is to be ignored.
  const directory = join(base && isAbsolute(base) ? base : join(homedir(), '.cache'), 'copylab')
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new Failure(
      'infra',
      `cannot create the cache directory ${directory}: ${(cause as Error).message}`,
      {
        remedy: 'set XDG_CACHE_HOME to a directory that you can write to',
        cause,
      },
    )
  }
  return directory
}

/** The temporary names that this process is filling. */
const filling = new Set<string>()

/**
 * Makes `final` whole or not at all: `make` fills a private name beside it, which is then renamed.
 * When somebody else published the same directory meanwhile, theirs stays: what has a content address is the same.
 * `durable` writes everything to the disk first: after a power cut, what is there is whole.
 */
export async function publish(
  final: string,
  make: (temporary: string) => Promise<void>,
  { durable = false }: { durable?: boolean } = {},
): Promise<void> {
  await withTemporary(final, async (temporary) => {
    await make(temporary)
    if (durable) await sync(temporary)
    await rename(temporary, final).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
    if (durable) await sync(dirname(final), false)
  })
}

/** Runs `work` with a private name beside `path`; what is left there in the end is removed. */
export async function withTemporary<T>(path: string, work: (temporary: string) => Promise<T>): Promise<T> {
  await makeDirectories(dirname(path), 0o700)
  await removeLeftovers(path)
  const temporary = temporaryName(path)
  filling.add(temporary)
  try {
    return await work(temporary)
  } finally {
    await rm(temporary, { recursive: true, force: true })
    filling.delete(temporary)
  }
}

function temporaryName(final: string): string {
  // Process numbers come again, always the same ones in containers: the rest of the name must not.
  return `${final}.new-${process.pid}-${randomUUID().slice(-12)}`
}

/** Removes what has been published, at once for everybody who looks; what a killed process leaves of it is cleared away. */
export async function discard(path: string): Promise<void> {
  await withTemporary(path, (temporary) => rename(path, temporary)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

/** Whether a path is what a process that was killed left while it published or discarded something. */
export function isLeftover(path: string): boolean {
  const pid = Number(/\.new-(\d+)-[^/]+$/.exec(path)?.[1] ?? Number.NaN)
  return pid > 0 && !(pid === process.pid ? filling.has(path) : isAlive(pid))
}

/** fsync(2) of a file, or of a directory after all that is in it. */
async function sync(path: string, withContent = true): Promise<void> {
  if (withContent && (await stat(path)).isDirectory())
    for (const name of await readdir(path)) await sync(join(path, name))
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Removes what processes that were killed left beside `final`. */
async function removeLeftovers(final: string): Promise<void> {
  const directory = dirname(final)
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    if (!name.startsWith(`${basename(final)}.new-`) || !isLeftover(path)) continue
    await rm(path, { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
