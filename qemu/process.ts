import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { Failure } from '../harness/failure.ts'

/** A running QEMU. */
export interface QemuProcess {
  readonly pid: number
  /** The monitor's and the agent's ends of socket pairs; see `channelBackends`. */
  readonly channels: readonly Duplex[]
  /** QEMU's own messages. */
  readonly log: string
  readonly running: boolean
  /** How it ended, in words: `exit status 1`, `signal SIGKILL`. */
  readonly exited: Promise<string>
  /** SIGKILL; settled when the process is gone. */
  kill(): Promise<void>
}

/** `-chardev` backends of the channels that `startQemu` passes on: socket pairs, so that no socket file is left over. */
export const channelBackends = ['socket,fd=3', 'socket,fd=4'] as const

/**
 * Ends unless its parent is still the process named in $0, then becomes the rest of its arguments. It closes the
 * gap in which copylab dies after the fork and before setpriv has asked for the signal.
 */
const guard = '[ "$PPID" = "$0" ] || exit 1; exec "$@"'

/**
 * Starts QEMU so that it dies with copylab, however that dies: the kernel sends it SIGKILL (PR_SET_PDEATHSIG through
 * setpriv of util-linux). The kernel does so when the thread that started QEMU ends: a worker thread that calls this
 * has to outlive its guest. QEMU gets a session of its own, so that ^C reaches copylab alone, which then ends it.
 *
 * This is node's own spawn and not execa, which does not hand out a socket pair for both directions.
 * Throws an infra Failure when QEMU cannot be started.
 */
export async function startQemu(
  qemu: string,
  argv: readonly string[],
  directory: string,
): Promise<QemuProcess> {
  const log = join(directory, 'qemu.log')
  const output = openSync(log, 'w', 0o600)
  const wrapper = ['--pdeathsig', 'KILL', '--', 'sh', '-c', guard, String(process.pid)]
  let child: ChildProcess
  try {
    child = spawn('setpriv', [...wrapper, qemu, ...argv], {
      stdio: ['ignore', output, output, ...channelBackends.map(() => 'pipe' as const)],
      detached: true,
    })
  } finally {
    closeSync(output)
  }
  let running = true
  const exited = new Promise<string>((resolve) => {
    child.on('exit', (status, signal) => {
      running = false
      resolve(signal ? `signal ${signal}` : `exit status ${status}`)
    })
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (cause) =>
      reject(
        new Failure('infra', `cannot start QEMU: ${cause.message}`, { remedy: 'install util-linux', cause }),
      ),
    )
  })
  return {
    pid: child.pid as number,
    channels: child.stdio.slice(3) as unknown as Duplex[],
    log,
    get running() {
      return running
    },
    exited,
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Processor time that a process has used, in ms; undefined when it is gone. */
export function processorTime(pid: number): number | undefined {
  try {
    // proc(5): utime and stime are fields 14 and 15 in ticks, of which Linux shows 100 a second; field 2 may have spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return undefined
  }
}

/** How long the thread that waited most for a processor has been ready to run and was not let, in ms; undefined: who knows. */
export function waitedForProcessor(pid: number): number | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    // Documentation/scheduler/sched-stats.rst: the second field of schedstat, in nanoseconds.
    const waits = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[1]),
    )
    return Math.max(...waits) / 1e6
  } catch {
    return undefined
  }
}
