import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { quoted } from '../../qemu/lost.ts'
import { storageRemedy } from '../cache/room.ts'
import { Failure } from '../failure.ts'
import { requirePrograms } from '../programs.ts'
import { BuildRefused, firstErrorIn, isMachinesFault } from './errors.ts'

export interface MakeOptions {
  /** Everything after `make`. */
  args: string[]
  environment: NodeJS.ProcessEnv
  /** File that make's output is appended to. */
  log: string
  /** Descriptor of the lock that make and its children keep hold of. */
  lock: number
  signal?: AbortSignal | undefined
  /** Called with every line of output. */
  onLine?: (line: string) => void
}

/** What every kernel build starts; make would say of one after the other that it is not there. */
const programs = ['make', 'setpriv', 'gcc', 'ld', 'strip', 'flex', 'bison', 'bc']

/** Time for make and the compilers to remove half-written files once they are told to end. */
const graceMs = 2000

/**
 * Runs make in a process group of its own, which ends as a whole when the signal is aborted.
 * @throws Failure('infra') with the first error of the build, the log and the command; BuildRefused when the sources are at fault.
 */
export async function runMake(options: MakeOptions): Promise<void> {
  const { args, environment, log, lock, signal, onLine } = options
  signal?.throwIfAborted()
  requirePrograms(programs)
  // If copylab is killed, make hears of it and ends its children; they keep the lock until the last has ended.
  // With one descriptor for both, a compiler's warning comes behind the line that names its object: of two pipes nobody knows.
  const together = ['sh', '-c', 'exec "$@" 2>&1', 'sh']
  const command = ['setpriv', '--pdeathsig', 'TERM', ...together, 'make', ...args]
  const child = spawn(command[0] as string, command.slice(1), {
    detached: true,
    env: environment,
    stdio: ['ignore', 'pipe', 'ignore', lock],
  })
  const closed = once(child, 'close') as Promise<[number | null]>
  const kill = (name: NodeJS.Signals) => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, name)
    } catch {
      // The group has ended.
    }
  }
  let timer: NodeJS.Timeout | undefined
  const abort = () => {
    kill('SIGTERM')
    timer = setTimeout(() => kill('SIGKILL'), graceMs)
  }
  signal?.addEventListener('abort', abort, { once: true })

  const output = new PassThrough()
  const file = createWriteStream(log, { flags: 'a' })
  // Looked at when make has ended: a full disk ends make, too.
  const written = finished(output.pipe(file)).then(
    () => undefined,
    (error: Error) => error,
  )
  createInterface({ input: output }).on('line', (line) => onLine?.(line))
  child.stdout?.on('data', (data) => output.write(data))
  try {
    const [status] = await closed
    output.end()
    const unwritten = await written
    signal?.throwIfAborted()
    const command = quoted(['make', ...args])
    if (unwritten) {
      const message = `cannot write make's output to ${log}: ${unwritten.message}`
      throw new Failure('infra', message, { command, ...storageRemedy(unwritten.message), cause: unwritten })
    }
    if (status === 0) return
    const text = await readFile(log, 'utf8')
    const why = firstErrorIn(text)
    const message = `the kernel does not build: ${why}`
    const details = { log, command, ...storageRemedy(why) }
    // Without a status, make itself was killed.
    if (status === null || isMachinesFault(text)) throw new Failure('infra', message, details)
    throw new BuildRefused(why, message, details)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    kill('SIGKILL')
  }
}
