/** Whether what the cache holds is what was put into it. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { metaSchema, sha256 } from '../kernel/provide.ts'
import { tryGit } from '../tree/git.ts'
import { readReady } from '../tree/imported.ts'
import { type Entry, listCache } from './inventory.ts'
import { keepInUse, kernelLock } from './lock.ts'

export interface Verified {
  entry: Entry
  /** undefined: nothing is wrong with it. */
  problem: string | undefined
}

export interface VerifyOptions {
  /** Read every object of the trees, not only that all are there. */
  full?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** Verifies kernels and trees, one after the other; what somebody is building in changes all the time. */
export async function* verifyCache(cache: string, options: VerifyOptions): AsyncGenerator<Verified> {
  for (const entry of await listCache(cache)) {
    options.signal?.throwIfAborted()
    if (entry.kept === 'being made') continue
    if (entry.kind === 'kernel') yield { entry, problem: await kernelProblem(entry) }
    if (entry.kind === 'tree') yield { entry, problem: await treeProblem(cache, entry, options) }
  }
}

async function kernelProblem({ name, paths: [directory = ''] }: Entry): Promise<string | undefined> {
  if (!/^[0-9a-f]{64}$/.test(name)) return 'its name is no key'
  await keepInUse(kernelLock(name))
  if (!existsSync(directory)) return undefined // evicted since it was listed
  try {
    const meta = metaSchema.parse(JSON.parse(await readFile(join(directory, 'meta.json'), 'utf8')))
    const content = await readFile(join(directory, 'image'))
    if (content.length !== meta.imageBytes)
      return `its image has ${content.length} bytes, and had ${meta.imageBytes} when it was built`
    if (meta.imageSha256 !== undefined && (await sha256(join(directory, 'image'))) !== meta.imageSha256)
      return 'its image is not the one that was built'
    await readFile(join(directory, 'config'))
    return undefined
  } catch (error) {
    return `it is not whole: ${(error as Error).message.split('\n', 1)[0]}`
  }
}

async function treeProblem(
  cache: string,
  { name, locks: [lock = ''] }: Entry,
  { full = false, signal }: VerifyOptions,
): Promise<string | undefined> {
  await keepInUse(lock, { signal })
  const directory = join(cache, 'trees', name)
  const repository = join(directory, 'source')
  if (!existsSync(repository)) return undefined // evicted, or only its package is there
  const ready = readReady(directory)
  if (ready) {
    const { stdout } = await tryGit(repository, ['rev-parse', '--verify', `${ready.base}^{tree}`], { signal })
    if (stdout !== ready.id) return `its base is not the tree ${ready.id}`
  }
  const how = full ? '--full' : '--connectivity-only'
  const args = ['fsck', how, '--no-dangling', '--no-progress', '--no-reflogs']
  const { status, stdout, stderr } = await tryGit(repository, args, { signal })
  if (status === 0) return undefined
  return `git fsck: ${`${stderr}\n${stdout}`.trim().split('\n', 1)[0]}`
}
