import { readFile } from 'node:fs/promises'

/** What ends a build, most telling first: the compiler, the assembler and the linker, kconfig and shell, make. */
const patterns = [
  /^\S+?:\d+(?::\d+)?: (?:fatal )?error: .*/m,
  /^\S+?:\d+: Error: .*/m,
  /^(?:\S*ld: )?\S+: undefined reference to .*/m,
  /^(?:\S*\/)?(?:ld|as|gcc|cc1|objtool|ccache)(?:\.bfd)?: (?!warning).*/m,
  /^.*: (?:not found|No space left on device|Disk quota exceeded|Permission denied|Cannot allocate memory)$/m,
  /^(?:\*\*\* |error: |Error: ).*/m,
  /^make(?:\[\d+\])?: \*\*\* .*/m,
]

/** The first error in a build log that names a cause, or the log's last line. */
export async function firstError(log: string): Promise<string> {
  return firstErrorIn(await readFile(log, 'utf8'))
}

export function firstErrorIn(text: string): string {
  for (const pattern of patterns) {
    const [line] = pattern.exec(text) ?? []
    if (line) return line
  }
  return text.trimEnd().split('\n').at(-1) || 'make said nothing'
}
