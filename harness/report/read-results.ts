import { existsSync } from 'node:fs'
import { constants, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSummary } from './read-summary.ts'
import type { Results } from './sort-runs.ts'

/**
 * Reads directories of results. One without a summary is that of a machine that died before it had begun: what the
 * others have left must not be lost for that.
 * @returns also a sentence for each of those
 * @throws Failure('usage') when one is no directory, its summary cannot be read, or none has one
 */
export async function readAllResults(
  directories: readonly string[],
): Promise<{ all: Results[]; findings: string[] }> {
  const read = await Promise.all(
    directories.map(async (directory) => {
      try {
        return await readResults(directory)
      } catch (error) {
        const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
        if (code === 'ENOENT' && existsSync(directory)) return { error, directory }
        throw error
      }
    }),
  )
  const all = read.filter((one) => 'summary' in one)
  const absent = read.filter((one) => 'error' in one)
  if (!all.length && absent[0]) throw absent[0].error
  return {
    all,
    findings: absent.map(({ directory }) => `${directory}: nothing was run, there is no summary.json`),
  }
}

/** But for the files of the cases. @throws Failure('usage') when it is no directory of results */
async function readResults(directory: string): Promise<Results> {
  const summary = await readSummary(directory)
  const boots = await Promise.all(
    summary.cells.map(async ({ name }): Promise<[string, number]> => {
      const numbers = (await filesIn(join(directory, name))).map(bootNumber)
      return [name, Math.max(0, ...numbers)]
    }),
  )
  return { directory, summary, boots: new Map(boots) }
}

/** Of the console of a boot; 0: it is none. */
export function bootNumber(name: string): number {
  return Number(/^boot-(\d+)\.console$/.exec(name)?.[1] ?? 0)
}

/** Names of the regular files in a directory; results may come from anywhere, and with links to anywhere. */
export async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return []
  })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

/** Undefined: there is no such file, or it is a link. */
export async function readText(path: string): Promise<string | undefined> {
  const flag = constants.O_RDONLY | constants.O_NOFOLLOW
  return readFile(path, { encoding: 'utf8', flag }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ELOOP') throw error
    return undefined
  })
}
