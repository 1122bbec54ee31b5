/** The cache's size limit: what was used longest ago goes first, and nothing that somebody uses. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { discard } from './directory.ts'
import { type Entry, hasWorktrees, isOld, listCache } from './inventory.ts'
import { removeLock, tryLocks } from './lock.ts'
import { showBytes } from './room.ts'

export interface PruneOptions {
  /** What is to remain at most, all kinds together. */
  maxBytes: number
  /** Say what would go, and keep it. */
  dryRun?: boolean | undefined
  signal?: AbortSignal | undefined
}

export interface Pruned {
  evicted: Entry[]
  /** What would have gone had nobody used it. */
  inUse: Entry[]
  /** What remains. */
  bytes: number
}

/** Evicts what was used longest ago until the rest fits, and what killed processes left whatever the limit is. */
export async function pruneCache(
  cache: string,
  { maxBytes, dryRun = false, signal }: PruneOptions,
): Promise<Pruned> {
  const entries = await listCache(cache)
  const pruned: Pruned = { evicted: [], inUse: [], bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0) }
  const now = Date.now()
  const left = entries.filter((entry) => entry.kind === 'leftover' && isOld(entry, now))
  const rest = entries
    .filter(({ kind, kept }) => kind !== 'leftover' && kept === undefined)
    .sort((a, b) => a.usedAt - b.usedAt)
  for (const entry of [...left, ...rest]) {
    if (entry.kind !== 'leftover' && pruned.bytes <= maxBytes) break
    signal?.throwIfAborted()
    const gone = dryRun || (await evict(entry))
    if (!gone) {
      pruned.inUse.push(entry)
      continue
    }
    pruned.evicted.push(entry)
    pruned.bytes -= entry.bytes
  }
  return pruned
}

/** @returns false when somebody uses it */
export async function evict({ kind, paths, locks }: Entry): Promise<boolean> {
  const done = await tryLocks(locks, async () => {
    const [first = ''] = paths
    // Somebody may have made one since it was listed.
    if (kind === 'tree' && (await hasWorktrees(dirname(first)))) return false
    for (const path of paths)
      await (kind === 'leftover' ? rm(path, { recursive: true, force: true }) : discard(path))
    // There are as many of these as there were kernels.
    if (kind === 'kernel') await Promise.all(locks.map(removeLock))
    return true
  })
  return done ?? false
}

const limitSchema = z.object({ maxBytes: z.number().positive() })

const limitFile = (cache: string) => join(cache, 'limit.json')

/** The limit that was set for this cache, in bytes; undefined: none. */
export async function cacheLimit(cache: string): Promise<number | undefined> {
  let text: string
  try {
    text = await readFile(limitFile(cache), 'utf8')
  } catch {
    return undefined
  }
  try {
    return limitSchema.parse(JSON.parse(text)).maxBytes
  } catch (cause) {
    throw new Failure('usage', `${limitFile(cache)} is damaged`, {
      remedy: 'copylab cache limit SIZE writes it again',
      cause,
    })
  }
}

/** @param maxBytes undefined: no limit */
export async function setCacheLimit(cache: string, maxBytes: number | undefined): Promise<void> {
  const file = limitFile(cache)
  if (maxBytes === undefined) return rm(file, { force: true })
  const temporary = `${file}.new-${process.pid}`
  await writeFile(temporary, JSON.stringify({ maxBytes }))
  await rename(temporary, file)
}

/** Keeps the cache within its limit, if one was set: for whoever has just put something large into it. */
export async function keepWithinLimit(
  cache: string,
  { signal, emit }: { signal?: AbortSignal | undefined; emit?: Emit | undefined },
): Promise<void> {
  const maxBytes = await cacheLimit(cache)
  if (maxBytes === undefined) return
  const { evicted, bytes } = await pruneCache(cache, { maxBytes, signal })
  if (evicted.length > 0) {
    const freed = showBytes(evicted.reduce((sum, entry) => sum + entry.bytes, 0))
    const names = evicted.map(({ kind, name }) => `${kind} ${name}`).join(', ')
    emit?.({
      type: 'note',
      message: `cache: ${freed} freed to keep its limit of ${showBytes(maxBytes)}: ${names}`,
    })
  }
  if (bytes > maxBytes) {
    const over = `cache: ${showBytes(bytes)}, over its limit of ${showBytes(maxBytes)}; the rest is in use, or never evicted`
    emit?.({ type: 'note', message: over })
  }
}
