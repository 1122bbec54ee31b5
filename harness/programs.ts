import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Failure } from './failure.ts'

/** The Debian packages of programs that are not called as their package. */
const packages: Record<string, string> = {
  ...{ ld: 'binutils', strip: 'binutils', xz: 'xz-utils', find: 'findutils' },
  ...{ setpriv: 'util-linux', 'dpkg-deb': 'dpkg', cat: 'coreutils' },
}

/**
 * Before programs are started: what another program says of one that is not there is hard to understand.
 * @throws Failure('infra') that names all that are not on the PATH, and how to install them
 */
export function requirePrograms(names: readonly string[]): void {
  const places = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  const missing = names.filter((name) => !places.some((place) => isProgram(join(place, name))))
  if (missing.length === 0) return
  const wanted = new Set(missing.map((name) => packages[name] ?? name))
  throw new Failure('infra', `not on the PATH: ${missing.join(', ')}`, {
    remedy: `apt-get install ${[...wanted].join(' ')}; copylab doctor shows what else is missing`,
  })
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
