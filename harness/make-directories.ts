import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * mkdir -p. Node.js's own never returns where a directory takes no new ones and says ENOENT, as /proc does, and of a file
 * system that cannot be written to it says that a directory is missing.
 */
export async function makeDirectories(directory: string, mode?: number): Promise<void> {
  const make = () =>
    mkdir(directory, { mode }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST' || !(await stat(directory)).isDirectory()) throw error
    })
  try {
    await make()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(directory) === directory) throw error
    await makeDirectories(dirname(directory), mode)
    await make()
  }
}
