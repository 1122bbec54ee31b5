/** What a user may name as a series, and what kind of thing that is. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '../failure.ts'

export type Source =
  | { kind: 'directory'; path: string }
  | { kind: 'file'; path: string }
  /** The commits of `to` that `from` has not, in the git repository at `path`. */
  | { kind: 'range'; path: string; from: string; to: string }

/** `REPO:A..B`, `A..B` or `REPO:A..`; a path may have dots, too. */
const rangePattern = /^(?:(.*):)?((?![/.-])(?:(?!\.\.)[^:\s])+(?<![/.]))\.\.((?![/.-])(?:(?!\.\.)[^:\s])+)?$/

/** As the configuration or the command line has it, with its path made absolute: `none` is not among them. */
export function absoluteSeries(text: string, base: string): string {
  const path = resolve(base, text)
  if (existsSync(path)) return path
  const range = rangePattern.exec(text)
  return range ? `${resolve(base, range[1] ?? '')}:${range[2]}..${range[3] ?? 'HEAD'}` : path
}

/**
 * What the configuration names, as absoluteSeries() writes it; empty: none.
 * @param where begins the message: file and line, or the option
 * @throws Failure('usage') when there is a series beside none
 */
export function seriesPaths(series: string[], base: string, where: string): string[] {
  const named = series.filter((one) => one !== 'none')
  if (named.length && named.length < series.length) {
    throw new Failure('usage', `${where}: none and ${named.join(', ')} cannot both be the series`)
  }
  return named.map((one) => absoluteSeries(one, base))
}

/** @throws Failure('usage') when it is nothing that can be read. */
export function sourceOf(spec: string): Source {
  const stats = statSync(spec, { throwIfNoEntry: false })
  if (stats?.isDirectory()) return { kind: 'directory', path: spec }
  if (stats?.isFile()) return { kind: 'file', path: spec }
  const [, path, from, to] = rangePattern.exec(spec) ?? []
  if (stats || path === undefined || from === undefined || to === undefined) {
    throw new Failure('usage', `there is no series ${spec}`, {
      remedy: 'name a directory, a mailbox, a range of commits as REPOSITORY:A..B, or none',
    })
  }
  if (!existsSync(path)) {
    throw new Failure('usage', `${spec}: there is no repository ${path}`, {
      remedy: 'name the path of a git repository that is there',
    })
  }
  return { kind: 'range', path, from, to }
}
