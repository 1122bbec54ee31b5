import { readFile } from 'node:fs/promises'
import { Failure } from './failure.ts'

/**
 * Reads a file that the user has named, or that lies in what was named.
 * @returns undefined: it is not there
 * @throws Failure('usage') when it is there and cannot be read
 */
export async function readInput(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    const remedies: Record<string, string> = {
      EACCES: `make it readable for ${process.env.USER ?? 'you'}, or give copylab a copy that is`,
      EISDIR: 'it is a directory; name a file',
      ELOOP: 'its symbolic links lead in a circle; name a file',
    }
    const remedy = code && remedies[code]
    throw new Failure('usage', `cannot read ${path}: ${message}`, { cause, ...(remedy && { remedy }) })
  }
}
