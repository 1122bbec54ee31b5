import { closeSync, openSync, readSync, statSync } from 'node:fs'

/**
 * What blktests looks for in the kernel's log (common/rc, _check_dmesg) plus the line of a panic. A panic by itself
 * prints none of the others.
 */
const splats = [
  'kernel BUG at',
  'WARNING:',
  'BUG:',
  'Oops:',
  'possible recursive locking detected',
  'Internal error',
  'INFO: suspicious RCU usage',
  'INFO: possible circular locking dependency detected',
  'general protection fault:',
  'Kernel panic',
  // Beyond blktests' list: hung tasks and RCU stalls.
  'blocked for more than',
  'detected stalls',
  'self-detected stall',
]

/** The first line of `text` that reports a bug in the kernel. */
export function findSplat(text: string): string | undefined {
  return text
    .split('\n')
    .find((line) => splats.some((splat) => line.includes(splat)))
    ?.trim()
}

/**
 * The guest's console as QEMU writes it to a file. Positions are bytes. Reading is synchronous: it is a local file in
 * the page cache, and who reads it when a guest dies must get it before anything else happens.
 */
export class ConsoleLog {
  readonly path: string
  #searched = 0
  #splat: string | undefined

  constructor(path: string) {
    this.path = path
  }

  /** Where the log ends now; for `since`. */
  position(): number {
    return statSync(this.path, { throwIfNoEntry: false })?.size ?? 0
  }

  /** All that was printed since a position, at most the last `limit` bytes of it. */
  since(position: number, limit = 16 * 1024 * 1024): string {
    const end = this.position()
    const start = Math.max(position, end - limit)
    if (end <= start) return ''
    const buffer = Buffer.alloc(end - start)
    const file = openSync(this.path, 'r')
    try {
      // The serial console ends lines with CR LF.
      return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, start)).replaceAll('\r', '')
    } finally {
      closeSync(file)
    }
  }

  tail(lines = 40): string {
    return this.since(0, 65536).trimEnd().split('\n').slice(-lines).join('\n')
  }

  /** The first splat since the boot. Looks only at whole lines that it has not seen yet. */
  splat(): string | undefined {
    if (this.#splat !== undefined) return this.#splat
    const text = this.since(this.#searched)
    this.#splat = findSplat(text)
    if (this.#splat === undefined)
      this.#searched = this.position() - (text.length - text.lastIndexOf('\n') - 1)
    return this.#splat
  }
}
