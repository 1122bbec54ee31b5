import { basename } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { ReadStream, WriteStream } from 'node:tty'
import { Failure } from '../harness/failure.ts'
import type { Guest } from './guest.ts'

/** Host programs worth having at a prompt; those that the host lacks are left out. */
export const shellTools = [
  ...[
    'dmsetup',
    'cryptsetup',
    'nvme',
    'blkdiscard',
    'blockdev',
    'lsblk',
    'losetup',
    'fio',
    'blktrace',
    'strace',
  ],
  ...[
    'sg_inq',
    'sg_vpd',
    'sg_xcopy',
    'sg_copy_results',
    'sg_dd',
    'sg_raw',
    'sg_readcap',
    'sg_logs',
    'sg_luns',
  ],
]

/** Where files from the host are put; commands start there. */
const putDirectory = '/put'

/**
 * For `provideInitrd`: host files at their place in the guest, under their own names.
 * @throws Failure('usage') when two of them have the same name
 */
export function putFiles(paths: readonly string[]): { host: string; guest: string }[] {
  const seen = new Map<string, string>()
  for (const path of paths) {
    const other = seen.get(basename(path))
    if (other !== undefined) {
      throw new Failure(
        'usage',
        `--put: ${other} and ${path} would both be ${putDirectory}/${basename(path)}`,
        {
          remedy: 'rename one of them',
        },
      )
    }
    seen.set(basename(path), path)
  }
  return paths.map((host) => ({ host, guest: `${putDirectory}/${basename(host)}` }))
}

/** argv that runs argv where the files are, and finds them by name alone too. */
export function inPutDirectory(argv: readonly string[]): string[] {
  const script = `mkdir -p ${putDirectory} && cd ${putDirectory} && PATH=${putDirectory}:$PATH && exec "$@"`
  return ['sh', '-c', script, 'sh', ...argv]
}

export interface Streams {
  /** Left alone when it is a terminal: a command gets no input then. */
  stdin: Readable & { isTTY?: boolean }
  stdout: Writable
  stderr: Writable
}

const [SIGKILL, SIGPIPE] = [9, 13]

/**
 * Runs one command, its output streamed while it runs, and returns its exit status (128 + signal as in sh). A closed
 * standard output ends it as SIGPIPE would. Rejects with GuestLost, or with the signal's reason after killing it.
 */
export async function runCommand(
  guest: Guest,
  argv: readonly string[],
  { stdin, stdout, stderr }: Streams,
  signal?: AbortSignal,
): Promise<number> {
  signal?.throwIfAborted()
  const command = await guest.start(argv, {
    onStdout: (chunk) => written(stdout, chunk),
    onStderr: (chunk) => written(stderr, chunk),
  })
  const broken = () => command.kill(SIGPIPE)
  const feed = (chunk: Buffer) => {
    stdin.pause()
    command.write(chunk).then(() => stdin.resume())
  }
  const end = () => command.end()
  stdout.on('error', broken)
  stderr.on('error', broken)
  if (stdin.isTTY) command.end()
  else stdin.on('data', feed).on('end', end)
  try {
    return await aborting(command.exited, signal, () => command.kill(SIGKILL))
  } finally {
    stdin.off('data', feed).off('end', end).pause()
    stdout.off('error', broken)
    stderr.off('error', broken)
  }
}

/**
 * A prompt in the guest on the user's terminal: raw, so that ^C and ^Z go to the shell in the guest, and with its size.
 * Returns the shell's exit status. The terminal is restored however this ends, SIGKILL apart.
 */
export async function runShell(
  guest: Guest,
  { stdin, stdout }: { stdin: ReadStream; stdout: WriteStream },
  signal?: AbortSignal,
): Promise<number> {
  signal?.throwIfAborted()
  const size = () => ({ rows: stdout.rows || 24, columns: stdout.columns || 80 })
  const environment = [`TERM=${process.env.TERM ?? 'vt100'}`, 'PS1=\\w # ']
  const command = await guest.start(['env', ...environment, ...inPutDirectory(['sh', '-i'])], {
    terminal: size(),
    onStdout: (chunk) => written(stdout, chunk),
  })
  const restore = () => void stdin.setRawMode(false)
  const resize = () => command.resize(size().rows, size().columns)
  const feed = (chunk: Buffer) => void command.write(chunk)
  // The terminal is gone: the shell gets what a hang-up would bring it.
  const hangUp = () => command.kill(1)
  process.once('exit', restore)
  stdin.setRawMode(true)
  stdin.on('data', feed).on('end', hangUp)
  stdout.on('resize', resize)
  try {
    return await aborting(command.exited, signal, () => command.kill(SIGKILL))
  } finally {
    stdin.off('data', feed).off('end', hangUp).pause()
    stdout.off('resize', resize)
    process.off('exit', restore)
    restore()
  }
}

/** Writes and, when the stream is full, waits until it has room or is gone. */
function written(stream: Writable, chunk: Buffer): Promise<void> | undefined {
  if (stream.destroyed || stream.write(chunk)) return undefined
  return new Promise((resolve) => {
    const events = ['drain', 'error', 'close'] as const
    const done = () => {
      for (const event of events) stream.off(event, done)
      resolve()
    }
    for (const event of events) stream.on(event, done)
  })
}

async function aborting<T>(work: Promise<T>, signal: AbortSignal | undefined, kill: () => void): Promise<T> {
  if (!signal) return work
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      kill()
      reject(signal.reason)
    }
  })
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', abort))
}
