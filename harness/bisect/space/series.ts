/** The prefixes of a series: the tree as it is, with the first patch, with the first two, and so on. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Config } from '../../config/load.ts'
import { Failure } from '../../failure.ts'
import type { CaseInfo } from '../../run/cases.ts'
import { planCell } from '../../run/plan.ts'
import { utf8 } from '../../series/diff.ts'
import { configuredSeries, type Patch, type Series } from '../../series/load.ts'
import { printable } from '../../series/mail.ts'
import { rememberingLoadPart } from '../../series/parts.ts'
import { lackFor } from '../../series/profile.ts'
import type { Candidate, Change } from './candidate.ts'

export interface Prefixes {
  series: Series
  /** The tree with the first so many patches. */
  candidate(count: number): Promise<Candidate>
  /** Why a case cannot run with so many patches, by what the profile says. */
  whyNotRun(count: number, info: CaseInfo): Promise<string | undefined>
  /** The first `count` patches without the culprit's. */
  without(culprit: Candidate, count: number): Candidate
}

/** @throws Failure('usage') when there is no series */
export async function seriesPrefixes(config: Config): Promise<Prefixes> {
  const read = rememberingLoadPart()
  const prefix = (patches: number | undefined) => configuredSeries({ ...config, patches }, read)
  const series = await prefix(undefined)
  if (!series) {
    throw new Failure('usage', 'bisect series: the series is none', { remedy: 'name one with --series' })
  }
  return {
    series,
    async candidate(count) {
      const patch = series.patches[count - 1]
      return {
        id: `patches-${count}`,
        title: patch ? `patch ${count} of ${series.total}: ${patch.subject}` : 'the tree as it is',
        change: patch && (await changeOf(patch)),
        cell: async () => planCell(config, await prefix(count)),
      }
    },
    async whyNotRun(count, info) {
      const profile = (await prefix(count))?.profile
      return profile ? lackFor(info, profile) : undefined
    },
    without({ id }, count) {
      const number = Number(id.replace('patches-', ''))
      return {
        id: `without-${number}`,
        title: `the first ${count} patches without patch ${number}`,
        cell: async () => {
          const cell = planCell(config, withoutPatch((await prefix(count)) as Series, number))
          return { ...cell, name: `${cell.name}-without-${number}` }
        },
      }
    },
  }
}

/** What the others offer is not known for sure without it; a case says so if it misses something. */
function withoutPatch(series: Series, number: number): Series {
  return {
    ...series,
    label: `${series.label}-without-${number}`,
    hash: createHash('sha256').update(`${series.hash} without ${number}`).digest('hex'),
    prefixHashes: [],
    patches: series.patches.filter((_, index) => index !== number - 1),
  }
}

/** Who sent a patch, from the header of its mail. */
async function changeOf({ path, subject }: Patch): Promise<Change> {
  const [header = ''] = (await readFile(path, 'latin1')).split(/\r?\n\r?\n/, 1)
  const field = (name: string) => {
    const value = new RegExp(`^${name}:[ \\t]*(.*(?:\\r?\\n[ \\t].*)*)`, 'im').exec(header)?.[1]
    return value === undefined ? undefined : printable(utf8(value))
  }
  const [messageId] = /^<[^<>\s]+>$/.exec(field('Message-ID') ?? '') ?? []
  return { subject, author: field('From'), messageId }
}
