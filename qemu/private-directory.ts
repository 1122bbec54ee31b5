import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A directory that only this user can look into, gone with all in it when the work is done, and when the process ends
 * before that with process.exit(), as it does for the second Ctrl-C.
 */
export async function withPrivateDirectory<T>(
  prefix: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), prefix))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
    process.off('exit', remove)
  }
}
