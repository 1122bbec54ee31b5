import { mkdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { Failure } from '../failure.ts'

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

let serial = 0

/**
 * Makes `final` whole or not at all: `make` fills a private name beside it, which is then renamed.
 * When somebody else published the same directory meanwhile, theirs stays: what has a content address is the same.
 */
export async function publish(final: string, make: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(final), { recursive: true, mode: 0o700 })
  await removeLeftovers(final)
  serial += 1
  const temporary = `${final}.new-${process.pid}-${serial}`
  try {
    await make(temporary)
    await rename(temporary, final)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}

/** Removes what processes that were killed left beside `final`. */
async function removeLeftovers(final: string): Promise<void> {
  const directory = dirname(final)
  for (const name of await readdir(directory)) {
    const pid = name.startsWith(`${basename(final)}.new-`) ? Number(name.split('-').at(-2)) : Number.NaN
    if (pid && !isAlive(pid)) await rm(join(directory, name), { recursive: true, force: true })
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
