import { statfs } from 'node:fs/promises'
import { Failure } from '../failure.ts'

/**
 * Before work that fills a disk.
 * @param needs what needs `bytes` on the disk of `directory`, as in `a kernel tree needs`
 * @throws Failure('infra') when less is free
 */
export async function checkRoom(directory: string, bytes: number, needs: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize >= bytes) return
  throw new Failure(
    'infra',
    `${needs} ${gigabytes(bytes)}; ${directory} has ${gigabytes(bavail * bsize)} left`,
    { remedy: roomRemedy },
  )
}

/** `3.5 GB` */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}

/** Whether an error, of Node.js or of a program in the C locale, says that there is no room on the disk. */
export function isFull(words: string): boolean {
  return /ENOSPC|EDQUOT|no space left on device|disk quota exceeded/i.test(words)
}

export const roomRemedy =
  'make room there, with copylab cache prune for instance, or set XDG_CACHE_HOME to a directory on a larger disk'

/** The remedy for a program that could not write to the cache; nothing when its words say another thing. */
export function storageRemedy(words: string): { remedy?: string } {
  if (isFull(words)) return { remedy: roomRemedy }
  if (!/EROFS|EACCES|read-only file system|permission denied/i.test(words)) return {}
  return { remedy: 'make it writable, or set XDG_CACHE_HOME to a directory that you can write to' }
}
