/** A guest that can no longer be used. `boot-timeout`: its agent never spoke; `agent`: it spoke nonsense. */
export class GuestLost extends Error {
  readonly reason: 'panic' | 'hung' | 'exited' | 'boot-timeout' | 'agent'
  readonly consoleTail: string
  /** The command line that boots the same guest by hand. */
  readonly command: string
  /** QEMU's own messages, when there are any. */
  readonly qemuLog: string

  constructor(
    reason: GuestLost['reason'],
    message: string,
    details: { consoleTail: string; command: string; qemuLog: string },
  ) {
    super(message)
    this.name = 'GuestLost'
    this.reason = reason
    this.consoleTail = details.consoleTail
    this.command = details.command
    this.qemuLog = details.qemuLog
  }
}

/** A command line that can be pasted into a shell. */
export function quoted(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}
