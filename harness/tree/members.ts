import type { ReadEntry } from 'tar'
import { Failure } from '../failure.ts'
import type { Archive } from './archive.ts'

/** More than any kernel has, by a factor of five: what is beyond is no source, or a trap. */
const mostMembers = 500_000
const mostBytes = 10e9
/** Of one file; the largest headers of registers have some 20 MB. */
const mostFileBytes = 1e9

/**
 * The paths of an archive, which is data from anywhere: a name that leads out, or that git or a file system could
 * take for something else, is refused before git hears of it.
 */
export class Members {
  readonly #archive: Pick<Archive, 'what' | 'kind'>
  readonly #files = new Set<string>()
  readonly #folders = new Set<string>()
  #bytes = 0

  constructor(archive: Pick<Archive, 'what' | 'kind'>) {
    this.#archive = archive
  }

  get count(): number {
    return this.#files.size
  }

  /**
   * @returns the path that git is to know it by, or undefined for a folder, which git does not keep
   * @throws Failure
   */
  add({ path, type, size }: Pick<ReadEntry, 'path' | 'type' | 'size'>): string | undefined {
    const shown = JSON.stringify(path)
    if (path.startsWith('/')) throw this.#refuse(`${shown} is an absolute path`)
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    if (parts.includes('..')) throw this.#refuse(`${shown} leads out of the archive`)
    if (parts.some((part) => part.toLowerCase() === '.git'))
      throw this.#refuse(`${shown} would be a part of git's own directory`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    if (/[\x00-\x1f\x7f]/.test(path)) throw this.#refuse(`${shown} has a control character in its name`)
    const clean = parts.join('/')
    for (let length = parts.length - 1; length > 0; length -= 1) {
      const folder = parts.slice(0, length).join('/')
      if (this.#folders.has(folder)) break
      if (this.#files.has(folder)) throw this.#refuse(`${shown} lies below ${folder}, which is no folder`)
      this.#folders.add(folder)
    }
    if (type === 'Directory') {
      if (this.#files.has(clean)) throw this.#refuse(`${shown} is in it twice, as a file and as a folder`)
      if (clean) this.#folders.add(clean)
      return undefined
    }
    if (type === 'Link')
      throw this.#refuse(`${shown} is a hard link`, 'pack it again with tar --hard-dereference')
    if (type !== 'File' && type !== 'OldFile' && type !== 'SymbolicLink')
      throw this.#refuse(`${shown} is a ${type}, which is no part of a source`)
    if (!clean) throw this.#refuse(`a file has no name`)
    if (this.#files.has(clean) || this.#folders.has(clean)) throw this.#refuse(`${shown} is in it twice`)
    if (size > mostFileBytes)
      throw this.#refuse(`${shown} is larger than a kernel's file can be: ${(size / 1e9).toFixed(1)} GB`)
    this.#files.add(clean)
    this.#bytes += size
    if (this.#files.size > mostMembers || this.#bytes > mostBytes) {
      const most = `${mostMembers} files and ${mostBytes / 1e9} GB`
      throw this.#refuse(`it is larger than a kernel can be; the most is ${most}`)
    }
    return clean
  }

  /** The folder that everything lies in, as in `linux-6.12/Makefile`; undefined when there is none. */
  top(): string | undefined {
    const [first = ''] = this.#files
    const top = first.split('/', 1)[0] ?? ''
    const inside = `${top}/`
    for (const path of this.#files) if (!path.startsWith(inside)) return undefined
    return top || undefined
  }

  #refuse(reason: string, remedy = 'do not use it, unless you know who made it'): Failure {
    return new Failure(this.#archive.kind, `${this.#archive.what}: ${reason}`, { remedy })
  }
}
