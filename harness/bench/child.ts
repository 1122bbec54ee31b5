/** Starts copylab as a user would, to be measured from outside. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { quoted } from '../../qemu/lost.ts'
import { Failure } from '../failure.ts'
import { processTree } from './processes.ts'

export interface ChildOptions {
  cwd: string
  environment: NodeJS.ProcessEnv
  /** Where its output goes. */
  log: string
  /** Shows standard error, with its progress, to the user instead. */
  showErrors?: boolean
  /** Ends it as Ctrl-C would. */
  signal: AbortSignal
}

export interface Child {
  readonly pid: number
  /** performance.now() just before it was started. */
  readonly started: number
  readonly running: boolean
  /** Exit status, null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** Asks copylab to end, and waits until it has, with all that it had started. */
  end(): Promise<void>
  /** An infra Failure with the end of its output. */
  failure(message: string): Failure
}

/** Time for copylab to end its machine and remove its files. */
const graceMs = 10_000

/**
 * Starts a command line that runs copylab, by npm or directly, in a session of its own: Ctrl-C must reach it once
 * only, from us, because a second one makes copylab leave at once without tidying up. It ends when we are killed.
 */
export async function startChild(argv: readonly string[], options: ChildOptions): Promise<Child> {
  const { cwd, environment, log, showErrors, signal } = options
  signal.throwIfAborted()
  const output = openSync(log, 'w', 0o600)
  const started = performance.now()
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...argv], {
    cwd,
    env: environment,
    detached: true,
    stdio: ['ignore', output, showErrors ? 'inherit' : output],
  })
  closeSync(output)
  const exited = once(child, 'exit').then(([status]) => status as number | null)
  exited.catch(() => {})
  await once(child, 'spawn')
  const pid = child.pid as number
  const running = () => child.exitCode === null && child.signalCode === null

  const endOnce = async () => {
    if (!running()) return
    const seen = processTree(pid)
    // npm and its shell stand before copylab; they end when it does. What it has just forked still has its argv.
    const target = seen.find(({ argv }) => argv.some((word) => word.endsWith('harness/copylab.mjs')))
    kill(target?.pid ?? pid, 'SIGTERM')
    const timer = setTimeout(() => kill(-pid, 'SIGKILL'), graceMs)
    await exited
    clearTimeout(timer)
  }
  let ending: Promise<void> | undefined
  const end = () => {
    ending ??= endOnce()
    return ending
  }
  const abort = () => void end()
  signal.addEventListener('abort', abort, { once: true })
  exited.finally(() => signal.removeEventListener('abort', abort))
  return {
    pid,
    started,
    get running() {
      return running()
    },
    exited,
    end,
    failure: (message) =>
      new Failure('infra', [message, ...tail(log).map((line) => `  | ${line}`)].join('\n'), {
        command: quoted(argv),
      }),
  }
}

/** Milliseconds from start to exit, and the exit status. Rejects with the signal's reason when it was aborted. */
export async function runChild(
  argv: readonly string[],
  options: ChildOptions,
): Promise<{ ms: number; status: number | null; child: Child }> {
  const child = await startChild(argv, options)
  const status = await child.exited
  const ms = performance.now() - child.started
  options.signal.throwIfAborted()
  return { ms, status, child }
}

/** Between two looks, milliseconds: a moment is seen this much too late at the most. */
const lookMs = 5

/**
 * Milliseconds from the start of a copylab to the moment that its first QEMU with a kernel runs, seen from outside:
 * /proc is looked at every 5 ms for a descendant that executes `qemu`, so the figure is up to 5 ms too high and
 * nothing of what is measured was changed. The copylab is then ended.
 * @param qemu absolute path of the emulator
 */
export async function timeToQemu(
  argv: readonly string[],
  qemu: string,
  options: ChildOptions,
): Promise<number> {
  const child = await startChild(argv, options)
  // An emulator that is a script has its path behind the interpreter's; what wraps QEMU has it further behind.
  const isMachine = (words: readonly string[]) =>
    words.slice(0, 2).includes(qemu) && words.includes('-kernel')
  try {
    while (child.running) {
      if (processTree(child.pid).some((one) => isMachine(one.argv))) return performance.now() - child.started
      await delay(lookMs)
    }
    options.signal.throwIfAborted()
    throw child.failure(`copylab ended with status ${await child.exited} before it had started a machine`)
  } finally {
    await child.end()
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}

function tail(log: string): string[] {
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-12)
}
