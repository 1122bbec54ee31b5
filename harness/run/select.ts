import { Failure } from '../failure.ts'
import type { CaseInfo } from './cases.ts'

/**
 * The cases that are named, by id or by group, in the order of `all`; all of them when none is named.
 * Throws a usage Failure that lists near names.
 */
export function selectCases(all: readonly CaseInfo[], names: readonly string[]): CaseInfo[] {
  if (!names.length) return [...all]
  const groups = new Set(all.map(({ group }) => group))
  const ids = new Set(all.map(({ id }) => id))
  // blktests users type tests/nvme/003 too, by tab completion.
  const wanted = names.map((name) => name.replace(/^(\.\/)?tests\//, '').replace(/\/$/, ''))
  for (const name of wanted) {
    if (groups.has(name) || ids.has(name)) continue
    const near = nearest(name, [...groups, ...ids])
    throw new Failure('usage', `there is no case or group '${name}'`, {
      remedy: near.length
        ? `did you mean ${near.join(', ')}? 'copylab list' has them all`
        : `groups are ${[...groups].join(', ')}; 'copylab list' has all cases`,
    })
  }
  return all.filter(({ id, group }) => wanted.includes(id) || wanted.includes(group))
}

/** At most five names within an edit distance of two, nearest first. */
function nearest(name: string, candidates: readonly string[]): string[] {
  return candidates
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(({ distance }) => distance <= 2)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 5)
    .map(({ candidate }) => candidate)
}

/** Levenshtein's distance. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1])
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
