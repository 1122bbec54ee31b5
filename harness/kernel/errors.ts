import { Failure, type FailureDetails } from '../failure.ts'

/** The compiler, the linker or kbuild has refused the sources: it would do so on any machine with that compiler. */
export class BuildRefused extends Failure {
  /** The first error, as `firstErrorIn` finds it. */
  readonly error: string

  constructor(error: string, message: string, details: FailureDetails) {
    super('infra', message, details)
    this.error = error
  }
}

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
export function firstErrorIn(text: string): string {
  for (const pattern of patterns) {
    const [line] = pattern.exec(text) ?? []
    if (line) return line
  }
  return text.trimEnd().split('\n').at(-1) || 'make said nothing'
}

/**
 * What ends a build whatever the sources are: no room or memory, programs that are missing or were killed. The compiler quotes
 * sources in lines that begin with a space.
 */
const troubles = [
  /^\S.*: '?(?:No space left on device|Disk quota exceeded|Read-only file system|Permission denied|Too many open files)'?\.?$/m,
  /^\S.*: (?:Cannot allocate memory|memory exhausted|Resource temporarily unavailable)$/m,
  /^\S*cc1: out of memory /m,
  // Of a compiler, of a recipe, and of a recipe's shell: 128 and the signal.
  /: fatal error: (?:Killed|Terminated) signal terminated program /,
  /^make(?:\[\d+\])?: \*\*\* .*\] (?:Killed|Terminated|Hangup|Bus error|Error 1(?:29|35|37|43))$/m,
  // gcc, when the same sources compile at the second try.
  /^The bug is not reproducible, so it is likely a hardware or OS problem/m,
  /^\S*sh: .*: not found$|^\S.*: command not found$/m,
  /^ccache: error: /m,
  // A header of the machine's, which a package has, for a program that the build itself needs.
  /^(?:\S*\/)?(?:scripts|tools|certs|usr)\/\S+:\d+:\d+: fatal error: .*: No such file or directory\n\s*\d+ \| #\s*include\s*</m,
]

/** Whether the log of a build that has failed says that the machine is at fault, so that nothing is known of the sources. */
export function isMachinesFault(log: string): boolean {
  return troubles.some((pattern) => pattern.test(log))
}
