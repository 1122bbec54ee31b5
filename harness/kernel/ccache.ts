import { readFile } from 'node:fs/promises'

/** What ccache did in one build. */
export interface CcacheCounts {
  /** Objects that were taken from its cache. */
  hits: number
  /** Objects that were compiled. */
  misses: number
}

/** Variable that makes ccache write down what it does, call by call (ccache 4.4 and newer). */
export const statsVariable = 'CCACHE_STATSLOG'

/** Reads what ccache wrote down; null: it was not called, or does not write it down. */
export async function readCcacheLog(file: string): Promise<CcacheCounts | null> {
  const text = await readFile(file, 'utf8').catch(() => '')
  // A comment with the source's name, then the counters that the call has raised.
  const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0
  const hits = count(/^(direct|preprocessed)_cache_hit$/gm)
  const misses = count(/^cache_miss$/gm)
  return hits + misses > 0 ? { hits, misses } : null
}

/** `ccache: 1200 of 1280 objects (93 %)`, rounded down: all is said only of all. */
export function showCcache({ hits, misses }: CcacheCounts): string {
  const all = hits + misses
  return `ccache: ${hits} of ${all} objects (${Math.floor((100 * hits) / all)} %)`
}
