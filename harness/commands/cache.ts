import { resolve } from 'node:path'
import { cacheDirectory } from '../cache/directory.ts'
import { type Entry, listCache } from '../cache/inventory.ts'
import { cacheLimit, evict, pruneCache, setCacheLimit } from '../cache/prune.ts'
import { parseBytes, showBytes } from '../cache/room.ts'
import { exportKernels, importKernels } from '../cache/transfer.ts'
import { verifyCache } from '../cache/verify.ts'
import { Failure } from '../failure.ts'
import type { CommandContext } from './run.ts'

const print = (text: string) => process.stdout.write(`${text}\n`)

/** `copylab cache ls`: what was used last comes first. */
export async function cacheLs({ json }: { json?: boolean | undefined }): Promise<number> {
  const cache = cacheDirectory()
  const [entries, limit] = await Promise.all([listCache(cache), cacheLimit(cache)])
  entries.sort((a, b) => b.usedAt - a.usedAt)
  const total = sum(entries)
  if (json) {
    const shown = entries.map(({ kind, name, paths, bytes, usedAt, kept, detail }) => {
      return { kind, name, paths, bytes, usedAt: new Date(usedAt).toISOString(), kept: kept ?? null, detail }
    })
    print(JSON.stringify({ cache, bytes: total, maxBytes: limit ?? null, entries: shown }, null, 2))
    return 0
  }
  for (const entry of entries) if (entry.kind !== 'other') print(line(entry))
  const others = entries.filter(({ kind }) => kind === 'other')
  print(`other    ${showBytes(sum(others)).padStart(9)}  what all runs share, and never evicted`)
  print(`${showBytes(total)} in ${cache}, ${limit === undefined ? 'no limit' : `limit ${showBytes(limit)}`}`)
  return 0
}

/** `copylab cache prune` */
export async function cachePrune(
  { maxSize, dryRun }: { maxSize?: string | undefined; dryRun?: boolean | undefined },
  { signal }: CommandContext,
): Promise<number> {
  const cache = cacheDirectory()
  const maxBytes = maxSize === undefined ? await cacheLimit(cache) : bytesOf(maxSize, '--max-size')
  if (maxBytes === undefined) {
    throw new Failure('usage', 'the cache has no limit: --max-size says how large it may be', {
      remedy: 'copylab cache prune --max-size 20G, or copylab cache limit 20G for good',
    })
  }
  const { evicted, inUse, bytes } = await pruneCache(cache, { maxBytes, dryRun, signal })
  for (const entry of evicted) print(`${dryRun ? 'would go' : 'gone'}  ${line(entry)}`)
  for (const entry of inUse) print(`in use    ${line(entry)}`)
  const freed = `${showBytes(sum(evicted))} ${dryRun ? 'would be freed' : 'freed'}`
  const over =
    bytes > maxBytes
      ? `, over the ${showBytes(maxBytes)} that were wanted: the rest is in use or never evicted`
      : ''
  print(`${freed}, ${showBytes(bytes)} left${over}`)
  return 0
}

/** `copylab cache limit [SIZE]`: shows or sets what builds keep the cache below. */
export async function cacheLimitCommand(size: string | undefined): Promise<number> {
  const cache = cacheDirectory()
  if (size !== undefined) await setCacheLimit(cache, size === 'none' ? undefined : bytesOf(size, 'the limit'))
  const limit = await cacheLimit(cache)
  print(limit === undefined ? 'no limit' : showBytes(limit))
  return 0
}

/**
 * `copylab cache verify`
 * @returns 0, or 3 when something is damaged and was not removed
 */
export async function cacheVerify(
  { full, remove }: { full?: boolean | undefined; remove?: boolean | undefined },
  { signal }: CommandContext,
): Promise<number> {
  let [whole, left] = [0, 0]
  const damaged: { entry: Entry; problem: string }[] = []
  for await (const { entry, problem } of verifyCache(cacheDirectory(), { full, signal })) {
    if (problem === undefined) whole += 1
    else damaged.push({ entry, problem })
  }
  for (const { entry, problem } of damaged) {
    print(`damaged  ${entry.kind} ${entry.name}: ${problem}`)
    const gone = remove && entry.kept === undefined && (await evict(entry))
    print(gone ? '         removed; it is made again when it is needed' : `         ${entry.paths.join(' ')}`)
    if (!gone) left += 1
  }
  print(`${whole} whole, ${damaged.length} damaged`)
  if (left && !remove) print('copylab cache verify --remove removes what is damaged')
  return left ? 3 : 0
}

/** `copylab cache export FILE [KEY…]` */
export async function cacheExport(
  file: string,
  keys: string[],
  { cwd, signal }: CommandContext,
): Promise<number> {
  const written = await exportKernels(cacheDirectory(), resolve(cwd, file), keys, signal)
  print(`${written.length} kernels written to ${file}`)
  return 0
}

/** `copylab cache import FILE` */
export async function cacheImport(file: string, { cwd, signal }: CommandContext): Promise<number> {
  const { added, known } = await importKernels(cacheDirectory(), resolve(cwd, file), signal)
  print(`${added.length} kernels added, ${known.length} were there`)
  return 0
}

function line({ kind, name, bytes, usedAt, kept, detail }: Entry): string {
  const used = new Date(usedAt).toISOString().slice(0, 16).replace('T', ' ')
  const more = [detail, kept && `kept: ${kept}`].filter(Boolean).join('; ')
  const shown = kind === 'kernel' ? name.slice(0, 16) : name
  return `${kind.padEnd(8)} ${showBytes(bytes).padStart(9)}  ${used}  ${shown}${more ? `  ${more}` : ''}`
}

function sum(entries: readonly Entry[]): number {
  return entries.reduce((bytes, entry) => bytes + entry.bytes, 0)
}

function bytesOf(text: string, what: string): number {
  const bytes = parseBytes(text)
  if (bytes !== undefined) return bytes
  throw new Failure('usage', `${what}: expected a size such as 20G or 500M, not ${JSON.stringify(text)}`)
}
