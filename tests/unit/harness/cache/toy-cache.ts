import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { vi } from 'vitest'

/** A kernel's key that is easy to tell from others. */
export const keyOf = (digit: string) => digit.repeat(64)

/** Puts a kernel of some bytes into a cache, last used so many hours ago. */
export async function toyKernel(
  cache: string,
  key: string,
  hours: number,
  bytes = 1_000_000,
): Promise<string> {
  const directory = join(cache, 'kernels', key)
  await mkdir(directory, { recursive: true })
  const image = Buffer.alloc(bytes, key)
  const meta = {
    ...{ release: '6.12.9', treeVersion: '6.12.9', compiler: 'gcc', seriesHash: null, buildMs: 1 },
    ...{ imageBytes: bytes, imageSha256: createHash('sha256').update(image).digest('hex'), ccache: null },
  }
  await writeFile(join(directory, 'image'), image)
  await writeFile(join(directory, 'config'), 'CONFIG_A=y\n')
  await writeFile(join(directory, 'build.log'), 'log\n')
  await writeFile(join(directory, 'meta.json'), JSON.stringify(meta))
  await setAge(directory, hours)
  return directory
}

export async function setAge(path: string, hours: number): Promise<void> {
  const then = new Date(Date.now() - hours * 3600_000)
  await utimes(path, then, then)
}

/** Another process that shares or has a lock until it is killed. */
export async function otherHolder(
  cache: string,
  lock: string,
  how: '--shared' | '--exclusive',
): Promise<ChildProcess> {
  const file = join(cache, 'locks', `${lock}.lock`)
  await mkdir(dirname(file), { recursive: true })
  const sign = join(cache, '..', `has-${lock}`)
  const child = spawn('flock', [how, '--no-fork', file, 'sh', '-c', `touch ${sign}; exec sleep 60`])
  await vi.waitFor(() => {
    if (!existsSync(sign)) throw new Error('not locked yet')
  }, 20_000)
  return child
}
