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
  const gigabytes = (count: number) => `${(count / 1e9).toFixed(1)} GB`
  throw new Failure(
    'infra',
    `${needs} ${gigabytes(bytes)}; ${directory} has ${gigabytes(bavail * bsize)} left`,
    {
      remedy: 'make room there, or set XDG_CACHE_HOME to a directory on a larger disk',
    },
  )
}
