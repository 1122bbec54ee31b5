/** Reads what make, the compiler and sparse say. */
import { relative, resolve } from 'node:path'

/** What one run of make has told. Objects and files are named as in the tree: `block/bio.o`, `block/bio.c`. */
export interface MakeOutput {
  /** Objects that were compiled, those that failed included. */
  compiled: Set<string>
  /** Messages of the compiler and of sparse, as `file:line: warning: …`, a list for each object that was compiled. */
  warnings: Map<string, string[]>
  /** What stopped each object that was not made. */
  failed: Map<string, string>
  /** What else stopped make: kbuild, the linker, a missing file. */
  errors: string[]
}

const message = /^(\S+?):(\d+)(?::\d+)?: (warning|(?:fatal )?error|Error): (.*)$/

/**
 * @param lines make's output, grouped by recipe (`--output-sync=target`)
 * @param source the tree's root; paths of the compiler are relative to `directory`, where it was started
 */
export function readOutput(lines: readonly string[], source: string, directory: string): MakeOutput {
  const output: MakeOutput = { compiled: new Set(), warnings: new Map(), failed: new Map(), errors: [] }
  const inTree = (path: string) => {
    const inside = relative(source, resolve(directory, path))
    return inside.startsWith('..') ? path : inside
  }
  let object = ''
  let error = ''
  for (const line of lines) {
    const compiled = /^ {2}(?:CC|AS|CHECK)(?: \[M\])? +(\S+)$/.exec(line)?.[1]
    if (compiled !== undefined) {
      object = inTree(compiled).replace(/\.[cS]$/, '.o')
      error = ''
      output.compiled.add(object)
      if (!output.warnings.has(object)) output.warnings.set(object, [])
      continue
    }
    if (/^ {2}[A-Z]+[A-Z_]*(?: \[M\])? +\S/.test(line)) object = ''
    const said = message.exec(line)
    if (said) {
      const [, path = '', number, kind, text] = said
      const words = `${inTree(path)}:${number}: ${kind}: ${text}`
      if (kind === 'warning') output.warnings.get(object)?.push(words)
      else error ||= words
      continue
    }
    const stopped = /^make(?:\[\d+\])?: \*\*\* \[(?:\S+: )?(\S+)\] Error/.exec(line)?.[1]
    if (stopped !== undefined && /\.o$/.test(stopped) && stopped !== 'vmlinux.o') {
      output.failed.set(inTree(stopped), error || line)
      error = ''
    } else if (isOther(line)) output.errors.push(line)
  }
  return output
}

/** An error that is none of an object's. */
function isOther(line: string): boolean {
  return (
    /undefined reference to|multiple definition of|^(\S*\/)?ld(\.bfd)?: (?!warning)/.test(line) ||
    /^make(\[\d+\])?: \*\*\* (No rule|.*missing separator)/.test(line) ||
    /^(\S+:\d+: )(syntax error|unknown statement|invalid )/.test(line)
  )
}

/** A message without what moves when a line is put in above it. */
export function withoutLine(text: string): string {
  return text.replace(/^(\S+?):\d+: /, '$1: ')
}

/** The messages of `after` that `before` has not, however the lines moved; each as often as it is new. */
export function newMessages(before: readonly string[], after: readonly string[]): string[] {
  const known = before.map(withoutLine)
  return after.filter((text) => {
    const index = known.indexOf(withoutLine(text))
    if (index >= 0) known.splice(index, 1)
    return index < 0
  })
}
