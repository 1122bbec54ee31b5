/** Whether what was compiled would link, told from the objects' symbols: linking the kernel for each patch takes too long. */
import { execa } from 'execa'

export interface Symbols {
  defined: Set<string>
  undefined: Set<string>
}

/** The global symbols of objects in `directory`, by object. One that is not there, or is no object file, has none. */
export async function symbolsOf(
  directory: string,
  objects: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Symbols>> {
  const found = new Map<string, Symbols>()
  // Shorter than the longest command line by far.
  for (let start = 0; start < objects.length; start += 1000) {
    const some = objects.slice(start, start + 1000)
    const { stdout } = await execa('nm', ['-A', '-P', '-g', '--', ...some], {
      ...{ cwd: directory, reject: false, maxBuffer: 256 << 20, env: { LC_ALL: 'C' } },
      ...(signal && { cancelSignal: signal }),
    })
    signal?.throwIfAborted()
    for (const line of stdout.split('\n')) {
      const [, object, name, type] = /^(\S+): (\S+) (\w)\b/.exec(line) ?? []
      if (object === undefined || name === undefined || type === undefined) continue
      const symbols = found.get(object) ?? { defined: new Set(), undefined: new Set() }
      found.set(object, symbols)
      if (type === 'U') symbols.undefined.add(name)
      // A weak one that nobody defines is 0.
      else if (type !== 'w' && type !== 'v') symbols.defined.add(name)
    }
  }
  return found
}

/**
 * What `users` refer to and no object defines, by symbol: the objects that refer to it.
 * @param given symbols that the linker makes, or that nobody needs to define
 */
export function missingSymbols(
  symbols: ReadonlyMap<string, Symbols>,
  users: Iterable<string>,
  given: ReadonlySet<string> = new Set(),
): Map<string, string[]> {
  const defined = new Set<string>()
  for (const { defined: names } of symbols.values()) for (const name of names) defined.add(name)
  const missing = new Map<string, string[]>()
  for (const user of users) {
    for (const name of symbols.get(user)?.undefined ?? []) {
      if (defined.has(name) || given.has(name)) continue
      missing.set(name, [...(missing.get(name) ?? []), user])
    }
  }
  return missing
}
