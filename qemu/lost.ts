export const lostReasons = ['panic', 'hung', 'exited', 'boot-timeout', 'agent'] as const

/**
 * A guest that can no longer be used. `panic`: also a machine that the kernel has reset without a word, as a triple
 * fault does. `boot-timeout`: its agent never spoke, and the host hardly let QEMU run; `agent`: it spoke nonsense.
 */
export class GuestLost extends Error {
  readonly reason: (typeof lostReasons)[number]
  readonly consoleTail: string
  /** The first complaint of the kernel since the boot, as in `findSplat`. */
  readonly splat: string | undefined
  /** The command line that boots the same guest by hand. */
  readonly command: string
  /** QEMU's own messages, when there are any. */
  readonly qemuLog: string

  constructor(
    reason: GuestLost['reason'],
    message: string,
    details: { consoleTail: string; splat?: string | undefined; command: string; qemuLog: string },
  ) {
    super(message)
    this.name = 'GuestLost'
    this.reason = reason
    this.consoleTail = details.consoleTail
    this.splat = details.splat
    this.command = details.command
    this.qemuLog = details.qemuLog
  }
}

/**
 * Whether a lost guest tells something about its kernel. One that hangs, hangs in the kernel: the agent is known to
 * work. One that was ended from outside does not. A GuestLost that has come through a channel will do.
 */
export function isKernelsFault(lost: Error): boolean {
  const { reason, splat } = lost as Error & { reason?: string; splat?: string }
  return splat !== undefined || reason === 'panic' || reason === 'hung'
}

/** A command line that can be pasted into a shell. */
export function quoted(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}
