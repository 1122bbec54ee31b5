import { statfs } from 'node:fs/promises'
import { Failure } from '../failure.ts'

/**
 * Before work that fills a disk.
 * @param needs what needs `bytes` on the disk of `directory`, as in `a kernel tree needs`
 * @throws Failure('infra') when less is free
 */
export async function checkRoom(
  directory: string,
  bytes: number,
  needs: string,
  remedy = roomRemedy,
): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize >= bytes) return
  throw new Failure(
    'infra',
    `${needs} ${showBytes(bytes)}; ${directory} has ${showBytes(bavail * bsize)} left`,
    { remedy },
  )
}

/** `3.5 GB`, `18.0 MB`, `4.1 kB` */
export function showBytes(bytes: number): string {
  const [unit, size] = bytes >= 1e9 ? ['GB', 1e9] : bytes >= 1e6 ? ['MB', 1e6] : ['kB', 1e3]
  return `${(bytes / size).toFixed(1)} ${unit}`
}

/**
 * Reads a size such as `40G`, `500M` or `1.5T`, in decimal units.
 * @returns bytes, or undefined: it is none
 */
export function parseBytes(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kMGT]?)B?$/i.exec(text) ?? []
  const power = ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase())
  const bytes = Math.round(Number(number) * 1000 ** power)
  return number !== undefined && bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined
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
