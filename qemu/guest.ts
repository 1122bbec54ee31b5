import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Emit } from '../harness/events.ts'
import { Failure } from '../harness/failure.ts'
import { AgentChannel, type Command, type CommandOptions } from './agent.ts'
import { type Machine, qemuArgv, traceLogPath } from './argv.ts'
import { findProgram } from './cc.ts'
import { ConsoleLog } from './console.ts'
import { createImages, DisksMissing, diskAttributes, type GuestDisk, matchDisks } from './disks.ts'
import { GuestLost, quoted } from './lost.ts'
import { channelBackends, processorTime, type QemuProcess, startQemu, waitedForProcessor } from './process.ts'
import { QmpClient } from './qmp.ts'
import { describeTaint } from './taint.ts'
import { checkTopology, type Topology } from './topology.ts'
import { Watchdog } from './watchdog.ts'

export type { Machine } from './argv.ts'
export type { GuestDisk } from './disks.ts'
export { GuestLost } from './lost.ts'

export interface GuestOptions {
  /** An ELF vmlinux with a PVH entry, or a bzImage. */
  kernel: string
  initrd: string
  topology: Topology
  machine: Machine
  /** A private directory that exists and has no other guest in it: disk images, console.log, qemu.log, qemu-trace.log. */
  directory: string
  /** Further words of the kernel's command line. */
  append?: string[]
  /** QEMU trace events, by name or pattern, to be written to `traceLog`. */
  traceEvents?: string[]
  /** From the start of QEMU to the first word of the agent. Default 180 s: a debug kernel under TCG takes 35. */
  bootTimeoutMs?: number
  /** Until all disks are there, counted from the first word of the agent. Default 10 s. */
  diskTimeoutMs?: number
  signal?: AbortSignal
  emit?: Emit
}

export interface ExecOptions {
  input?: Uint8Array | string
  /** A command that takes longer is taken for a hung guest, which is ended. */
  timeoutMs?: number
  /** Kills the command; the guest stays usable. */
  signal?: AbortSignal
  /** Called as output arrives, besides collecting it. */
  onStdout?: CommandOptions['onStdout']
  onStderr?: CommandOptions['onStderr']
}

export interface ExecResult {
  /** Exit status, 128 + signal as in sh, 127 not found, 126 not executable. */
  status: number
  stdout: Buffer
  stderr: Buffer
}

/** Output beyond this kills the command, in bytes: it would be kept in memory. */
const maxOutput = 256 * 1024 * 1024

/** Files of sysfs and procfs are read at once; a guest that takes longer hangs, even when its agent still answers. */
const readTimeoutMs = 60_000

/** How long after its end QEMU's last words may take to arrive. */
const lastWordsMs = 1000

const SIGKILL = 9

/**
 * Boots a guest and waits until its agent answers and all its disks are there. Throws GuestLost when the guest does
 * not get that far, a Failure when QEMU cannot be run or a disk does not appear, and the signal's reason when aborted.
 * Nothing is left running when it throws.
 */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  const {
    machine,
    topology,
    directory,
    signal,
    emit,
    bootTimeoutMs = 180_000,
    diskTimeoutMs = 10_000,
  } = options
  signal?.throwIfAborted()
  checkTopology(topology)
  const qemu = await findProgram(machine.qemu)
  if (!qemu) {
    throw new Failure('infra', `cannot boot a guest: there is no ${machine.qemu}`, {
      remedy: 'install qemu-system-x86, or name the binary with --qemu',
    })
  }
  emit?.({ type: 'step-started', step: 'boot', detail: `${topology.name}, ${machine.accel}` })
  await createImages(topology, directory)
  const console = new ConsoleLog(`${directory}/console.log`)
  const [qmp, agent] = channelBackends
  const argv = qemuArgv({ ...options, channels: { console: `file,path=${console.path}`, qmp, agent } })
  const byHand = { console: 'stdio,signal=off', qmp: 'null', agent: 'null' }
  const command = [qemu, ...qemuArgv({ ...options, channels: byHand })]

  const started = performance.now()
  const process = await startQemu(qemu, argv, directory)
  const guest = new Guest({ process, command, console, traceLog: traceLogPath(directory) })
  const abort = () => void guest.kill()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await guest.waitForAgent(bootTimeoutMs)
    const bootMs = performance.now() - started
    await guest.findDisks(topology, directory, diskTimeoutMs)
    guest.bootMs = bootMs
    emit?.({ type: 'step-finished', step: 'boot', cached: false, ms: bootMs, detail: guest.release })
    return guest
  } catch (error) {
    await guest.kill()
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** A booted machine whose agent answers. */
export class Guest {
  /** `uname -r`, as the agent says it. */
  release = ''
  /** From the start of QEMU to the first word of the agent. */
  bootMs = 0
  /** The command line that boots the same machine by hand, its console on the terminal. */
  readonly argv: readonly string[]
  readonly console: ConsoleLog
  readonly traceLog: string
  disks: ReadonlyMap<string, GuestDisk> = new Map()

  readonly #process: QemuProcess
  readonly #qmp: QmpClient
  readonly #agent: AgentChannel
  readonly #watchdog: Watchdog
  /** QEMU is gone and why is known. */
  readonly #ended: Promise<void>
  #lost: GuestLost | undefined
  #ending: Promise<void> | undefined
  #lose: (error: GuestLost) => void = () => {}
  readonly #gone: Promise<never>
  #taintAtBoot = 0
  #ioError: string | undefined
  #shutdownReason: string | undefined

  /** Use `bootGuest`. */
  constructor(parts: { process: QemuProcess; command: string[]; console: ConsoleLog; traceLog: string }) {
    const { process } = parts
    this.argv = parts.command
    this.console = parts.console
    this.traceLog = parts.traceLog
    this.#process = process
    const [monitor, port] = process.channels
    if (!monitor || !port) throw new Error('QEMU was started without its channels')
    this.#gone = new Promise((_, reject) => {
      this.#lose = reject
    })
    this.#gone.catch(() => {})
    this.#qmp = new QmpClient(monitor)
    this.#qmp.onEvent(({ event, data }) => {
      if (event === 'SHUTDOWN') this.#shutdownReason = String(data?.reason)
      if (event === 'BLOCK_IO_ERROR' && data?.nospace)
        this.#ioError = 'the host has no space left for a disk image'
    })
    this.#agent = new AgentChannel(port)
    this.#watchdog = new Watchdog({
      heard: () => this.#agent.received,
      ping: () => this.#agent.ping(),
      processorTime: () => processorTime(process.pid),
      onHung: (why) => this.#giveUp('hung', `the guest hangs: ${why}`),
    })
    this.#ended = process.exited.then((how) => this.#exited(how))
    // When QEMU ends, its end of the channel closes too, and how it ended says more.
    this.#agent.closed.then(async (error) => {
      await Promise.race([process.exited, delay(1000, undefined, { ref: false })])
      if (!process.running) await this.#ended
      this.#giveUp('agent', `the guest's agent is lost: ${error.message}`)
    })
  }

  /** QEMU's process. */
  get pid(): number {
    return this.#process.pid
  }

  get consoleLog(): string {
    return this.console.path
  }

  get alive(): boolean {
    return !this.#lost && !this.#ending && this.#process.running
  }

  /** Why the guest can no longer be used, when it was lost. */
  get lost(): GuestLost | undefined {
    return this.#lost
  }

  /** The host could not keep what the guest wrote to a disk. */
  get ioError(): string | undefined {
    return this.#ioError
  }

  /** Runs a command in the guest and collects its output. Rejects with GuestLost when the guest does not survive it. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { input, timeoutMs, signal } = options
    signal?.throwIfAborted()
    let fail: (error: unknown) => void = () => {}
    const failed = new Promise<never>((_, reject) => {
      fail = reject
    })
    failed.catch(() => {})
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    let bytes = 0
    const collect = (kind: 'stdout' | 'stderr', chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= maxOutput) output[kind].push(chunk)
      else fail(new Failure('infra', `'${quoted(argv)}' in the guest printed over ${maxOutput} bytes`))
      return (kind === 'stdout' ? options.onStdout : options.onStderr)?.(chunk)
    }
    const command = await this.start(argv, {
      onStdout: (chunk) => collect('stdout', chunk),
      onStderr: (chunk) => collect('stderr', chunk),
    })
    const onAbort = () => fail(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () =>
              this.#giveUp('hung', `'${quoted(argv)}' was still running in the guest after ${timeoutMs} ms`),
            timeoutMs,
          )
    try {
      if (input !== undefined) void command.write(Buffer.from(input as Uint8Array))
      command.end()
      const status = await Promise.race([command.exited, failed])
      return { status, stdout: Buffer.concat(output.stdout), stderr: Buffer.concat(output.stderr) }
    } catch (error) {
      command.kill(SIGKILL)
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Starts a command whose input and output the caller handles. `exited` rejects with GuestLost. */
  async start(argv: readonly string[], options: CommandOptions = {}): Promise<Command> {
    if (this.#lost) throw this.#lost
    if (this.#ending) throw new Error('the guest was shut down')
    const command = await Promise.race([this.#agent.start(argv, options), this.#gone])
    const exited = this.#watchdog.during(this.#orGone(command.exited))
    exited.catch(() => {})
    return { ...command, exited }
  }

  async consoleTail(lines?: number): Promise<string> {
    return this.console.tail(lines)
  }

  /** Files in the guest that match the patterns, up to 4096 bytes of each. */
  async readFiles(patterns: readonly string[]): Promise<Map<string, Buffer>> {
    const { stdout } = await this.exec(['/init', '--read', ...patterns], { timeoutMs: readTimeoutMs })
    const files = new Map<string, Buffer>()
    for (let at = 0; at < stdout.length; ) {
      const nul = stdout.indexOf(0, at)
      const start = nul + 5
      const end = start + stdout.readUInt32LE(nul + 1)
      files.set(stdout.toString('utf8', at, nul), stdout.subarray(start, end))
      at = end
    }
    return files
  }

  /** Why this guest must be replaced, in one line; undefined when it is sound. */
  async trouble(): Promise<string | undefined> {
    const seen = () => this.#lost?.message ?? this.console.splat() ?? this.#ioError
    if (seen() || !this.alive) return seen() ?? 'the guest was shut down'
    try {
      const taint = await this.#readTaint()
      const added = taint & ~this.#taintAtBoot
      return seen() ?? (added ? `the kernel became tainted: ${describeTaint(added)}` : undefined)
    } catch (error) {
      return (error as Error).message
    }
  }

  /** Ends the guest in order: the guest syncs and powers off; else QEMU is told to quit; else it is killed. */
  shutdown(): Promise<void> {
    this.#ending ??= this.#lost ? this.kill() : this.#shutdown()
    return this.#ending
  }

  /** Ends the guest at once. */
  async kill(): Promise<void> {
    this.#ending ??= this.#process.exited.then(() => {})
    this.#watchdog.stop()
    await this.#process.kill()
    // Who called may remove the logs now.
    await this.#ended
  }

  /**
   * For `bootGuest`. On a loaded host the wall clock says little: a guest that still runs when the time is over gets as
   * much processor time.
   */
  async waitForAgent(timeoutMs: number): Promise<void> {
    const started = performance.now()
    const intervalMs = timeoutMs / 10
    let usedBefore = 0
    const timer = setInterval(() => {
      const usedMs = processorTime(this.#process.pid) ?? 0
      const running = usedMs - usedBefore > intervalMs / 10
      usedBefore = usedMs
      const waitedMs = performance.now() - started
      if (waitedMs < timeoutMs || (running && usedMs < timeoutMs)) return
      clearInterval(timer)
      void this.#neverSpoke(waitedMs, usedMs, timeoutMs)
    }, intervalMs)
    try {
      this.release = await this.#orGone(this.#agent.hello)
    } finally {
      clearInterval(timer)
    }
  }

  async #neverSpoke(waitedMs: number, usedMs: number, timeoutMs: number): Promise<void> {
    // What QEMU itself takes to start is less. A kernel that was let run and did not come up hangs.
    const ran = usedMs > Math.min(2000, timeoutMs / 10) || (await this.#sleeps(waitedMs))
    // It has spoken in the last moment.
    if (this.release) return
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
    const message = `the guest's agent did not answer within ${seconds(waitedMs)}; QEMU ran for ${seconds(usedMs)} of it`
    this.#giveUp(ran ? 'hung' : 'boot-timeout', message)
  }

  /** Whether QEMU is well, has not had to wait for a processor, and still its kernel does nothing: it sleeps, or has halted. */
  async #sleeps(lifetimeMs: number): Promise<boolean> {
    const starvedMs = waitedForProcessor(this.#process.pid) ?? lifetimeMs
    if (starvedMs > lifetimeMs / 2) return false
    const status = this.#qmp.execute('query-status').catch(() => undefined)
    const answer = await Promise.race([status, delay(lastWordsMs, undefined, { ref: false })])
    return (answer as { running?: boolean } | undefined)?.running === true
  }

  /** For `bootGuest`. A driver may scan its bus after the first process has started, hence the wait. */
  async findDisks(topology: Topology, directory: string, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const attributes = await this.readFiles([...diskAttributes, taintFile])
      const { disks, missing } = matchDisks(topology, directory, attributes)
      if (!missing.length) {
        this.#taintAtBoot = Number(attributes.get(taintFile)?.toString())
        this.disks = disks
        return
      }
      if (performance.now() > deadline) {
        throw new DisksMissing(missing, attributes, {
          log: this.consoleLog,
          command: quoted(this.argv),
          remedy: 'look in the console log for the driver; kconfigs/ has to enable it',
        })
      }
      await delay(20)
    }
  }

  async #readTaint(): Promise<number> {
    const files = await this.readFiles([taintFile])
    return Number(files.get(taintFile)?.toString())
  }

  async #shutdown(): Promise<void> {
    const within = (ms: number) => Promise.race([this.#process.exited, delay(ms, undefined, { ref: false })])
    this.#watchdog.stop()
    this.#agent.start(['/init', '--poweroff']).catch(() => {})
    await within(5000)
    if (this.#process.running) {
      this.#qmp.execute('quit').catch(() => {})
      await within(1000)
    }
    await this.kill()
  }

  /** Prefers how QEMU ended to the closed channel that is seen first. */
  async #orGone<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work.catch(() => this.#gone), this.#gone])
  }

  async #exited(how: string): Promise<void> {
    if (this.#lost) return
    // The monitor says why, and its words may be read after the process is gone.
    if (!this.#ending) await Promise.race([this.#qmp.closed, delay(lastWordsMs, undefined, { ref: false })])
    const panic = this.console
      .tail(400)
      .split('\n')
      .find((line) => line.includes('Kernel panic'))
    const reason = this.#shutdownReason
    if (panic) this.#giveUp('panic', `the guest's kernel panicked: ${panic.replace(/^\[.*?\] /, '')}`)
    else if (reason === 'guest-reset' || reason === 'guest-panic') {
      const what = 'has reset the machine without a message, as a triple fault does'
      this.#giveUp('panic', `the guest's kernel ${what} (${reason})`)
    } else {
      const last = this.#qemuLog().trim().split('\n').at(-1)
      const why = reason ? `, ${reason}` : ''
      this.#giveUp('exited', `QEMU ended (${how}${why})${last ? `: ${last}` : ''}`)
    }
  }

  #giveUp(reason: GuestLost['reason'], message: string): void {
    if (this.#lost) return
    const details = {
      consoleTail: this.console.tail(),
      splat: this.console.splat(),
      command: quoted(this.argv),
      qemuLog: this.#qemuLog(),
    }
    this.#lost = new GuestLost(reason, this.#ending ? 'the guest was shut down' : message, details)
    this.#watchdog.stop()
    this.#lose(this.#lost)
    void this.#process.kill()
  }

  #qemuLog(): string {
    return readFileSync(this.#process.log, 'utf8').slice(-4096)
  }
}

const taintFile = '/proc/sys/kernel/tainted'
