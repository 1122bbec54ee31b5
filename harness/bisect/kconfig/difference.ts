/** What two configurations ask for differently, and fragments that ask for a part of it. */
import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { Failure } from '../../failure.ts'
import { configLine, type Request, readFragments } from '../../kernel/fragments.ts'

/** An option that is asked for at both ends with different values, or at one of them only. */
export interface Change {
  /** Without `CONFIG_`. */
  name: string
  /** undefined: the good end does not ask for it. */
  good: Request | undefined
  bad: Request | undefined
}

export interface Difference {
  /** What both ends ask for. */
  common: Request[]
  /** In the order of the fragments, so that neighbours are of one subject. */
  changes: Change[]
}

/**
 * Reads the fragments of both ends.
 * @throws Failure('usage') for what readFragments() refuses, and when both ask for the same
 */
export async function readDifference(good: string[], bad: string[]): Promise<Difference> {
  const [before, after] = await Promise.all([readFragments(good), readFragments(bad)])
  const wanted = new Map(after.map((request) => [request.name, request]))
  const names = new Set([...before, ...after].map(({ name }) => name))
  const had = new Map(before.map((request) => [request.name, request]))
  const both = [...names].map((name) => ({ name, good: had.get(name), bad: wanted.get(name) }))
  const changes = both.filter((option) => option.good?.value !== option.bad?.value)
  if (changes.length === 0) {
    throw new Failure('usage', `${good.join(', ')} and ${bad.join(', ')} ask for the same options`, {
      remedy: 'name fragments that differ: what --bad asks for and --good does not is what is looked through',
    })
  }
  const files = [...bad, ...good]
  const position = ({ good: first, bad: second }: Change) => {
    const [, file = '', line = ''] = /^(.*):(\d+)$/.exec((second ?? first)?.where ?? '') ?? []
    return [files.indexOf(file), Number(line)] as const
  }
  const sorted = changes
    .map((change) => ({ change, at: position(change) }))
    .sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1])
  return {
    common: both.flatMap((option) => (option.good?.value === option.bad?.value ? (option.good ?? []) : [])),
    changes: sorted.map(({ change }) => change),
  }
}

/** What is asked for when only some of the changes are made, sorted by name. */
export function requestsWith({ common, changes }: Difference, made: Iterable<Change>): Request[] {
  const set = new Set(made)
  const changed = changes.flatMap((change) => (set.has(change) ? change.bad : change.good) ?? [])
  return [...common, ...changed].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Writes a fragment with exactly these requests, each below the place that asks for it. */
export async function writeFragment(file: string, requests: readonly Request[]): Promise<void> {
  const lines = requests.flatMap((request) => {
    const mark = request.optional ? ' # if the tree has it' : ''
    return [`# ${request.where}`, configLine(request) + mark]
  })
  await writeFile(file, `${lines.join('\n')}\n`)
}

/** A change in words: `CONFIG_KASAN: not asked for, then y (kasan.config:5)`. */
export function showChange({ name, good, bad }: Change): string {
  const value = (request?: Request) => request?.value ?? 'not asked for'
  return `CONFIG_${name}: ${value(good)}, then ${value(bad)} (${basename((bad ?? good)?.where ?? '')})`
}
