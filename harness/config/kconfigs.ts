/** Sets of kconfig fragments, and the fragments that words of the configuration and of the command line stand for. */
import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { Failure } from '../failure.ts'
import { defaultKconfig } from './schema.ts'

/** The sets of `kconfigs:` by name, as they are written there. */
export type KconfigSets = ReadonlyMap<string, readonly string[]>

/**
 * The sets of copylab.yaml, with `default` among them whether it says so or not.
 * @param base directory of copylab.yaml
 * @param where `file:line` of a path of keys
 * @throws Failure('usage') for a name that could as well be that of a fragment, and for sets that contain each other
 */
export function kconfigSets(
  given: Record<string, string[]>,
  base: string,
  where: (path: string[]) => string,
): KconfigSets {
  const sets = new Map<string, readonly string[]>([['default', defaultKconfig], ...Object.entries(given)])
  for (const name of sets.keys()) {
    const at = `${where(['kconfigs', name])}: kconfigs.${name}:`
    const fragment = namedFragment(name, base)
    if (existsSync(fragment)) {
      throw new Failure('usage', `${at} ${fragment} has the same name; expected one that no fragment has`)
    }
    const circle = circleFrom(name, sets)
    if (circle) {
      throw new Failure('usage', `${at} the set contains itself: ${circle.join(' > ')}`, {
        remedy: `take ${circle.at(-1)} out of ${circle.at(-2)}`,
      })
    }
  }
  return sets
}

/**
 * Absolute paths of the fragments that `words` stand for, each of them once: names of sets, of files in kconfigs/ beside
 * copylab.yaml without `.config`, or paths.
 * @param pathBase what paths are relative to; those inside of sets are relative to `base`
 */
export function fragmentsOf(
  words: readonly string[],
  sets: KconfigSets,
  base: string,
  pathBase = base,
): string[] {
  const paths = words.flatMap((word) => {
    const set = sets.get(word)
    return set ? fragmentsOf(set, sets, base) : [fragmentPath(word, base, pathBase)]
  })
  return [...new Set(paths)]
}

/** The names from a set back to itself; undefined when it contains no such way. */
function circleFrom(start: string, sets: KconfigSets): string[] | undefined {
  const seen = new Set<string>()
  const walk = (name: string, way: string[]): string[] | undefined => {
    for (const next of sets.get(name) ?? []) {
      if (next === start) return [...way, next]
      if (seen.has(next)) continue
      seen.add(next)
      const circle = walk(next, [...way, next])
      if (circle) return circle
    }
    return undefined
  }
  return walk(start, [start])
}

function fragmentPath(name: string, base: string, pathBase: string): string {
  const isPath = isAbsolute(name) || name.includes('/') || name.endsWith('.config')
  return isPath ? resolve(pathBase, name) : namedFragment(name, base)
}

function namedFragment(name: string, base: string): string {
  return join(base, 'kconfigs', `${name}.config`)
}
