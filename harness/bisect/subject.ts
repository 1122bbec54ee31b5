/** What a bisection is about, by content: whoever goes on has to ask the same kernels the same. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Config } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { configLine, readFragments } from '../kernel/fragments.ts'
import type { CaseInfo } from '../run/cases.ts'
import { configuredSeries } from '../series/load.ts'

/** SHA-256 of each, by its name for people. */
export type Subject = Record<string, string>

/**
 * @param fragments those of copylab.yaml, or those of both ends of a bisection of kconfigs
 * @param info the case that is asked about, if any
 * @throws Failure('usage') when one of them cannot be read
 */
export async function subjectOf(
  config: Config,
  fragments: readonly string[][],
  info: CaseInfo | null,
): Promise<Subject> {
  const requests = await Promise.all(fragments.map(readFragments))
  const series = await configuredSeries(config)
  return {
    'the tree': hash(JSON.stringify(config.tree)),
    'the series': series?.hash ?? 'none',
    'the kconfig': hash(requests.map((some) => some.map(configLine).join('\n')).join('\n\n')),
    'the machine': hash(JSON.stringify(config.machine)),
    ...(info && { [`the case ${info.id}`]: hash(await readFile(info.file)) }),
  }
}

/** @throws Failure('usage') that says what is another now */
export function requireSameSubject(then: Subject, now: Subject): void {
  const others = Object.keys(then).filter((name) => then[name] !== now[name])
  if (others.length === 0) return
  const what = others.join(' and ')
  throw new Failure(
    'usage',
    `the bisection cannot go on: ${what} ${others.length > 1 ? 'are' : 'is'} not what was tested so far`,
    { remedy: "undo that, or start the bisection anew; 'copylab bisect log' has what was found out" },
  )
}

function hash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
