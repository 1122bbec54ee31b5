/** What a bench of copies asks of the guest: our two programs, and what the devices have traced meanwhile. */
import { stat } from 'node:fs/promises'
import type { Guest } from '../../../qemu/guest.ts'
import { quoted } from '../../../qemu/lost.ts'
import {
  type Backends,
  type DeviceActivity,
  learnBackends,
  parseDeviceTrace,
  type TracedDisk,
} from '../../evidence/device-trace.ts'
import { readFrom } from '../../evidence/trace-log.ts'
import { Failure } from '../../failure.ts'

/** Copies and whatever else is done in the guest (tests/guest). */
export const blkcopy = '/bin/blkcopy'

/** What to do when copies are not what they ought to be. */
export const casesFirst = {
  command: 'copylab run nvme dm scsi',
  remedy: 'timing a series makes sense when its cases pass',
}

/** A command that takes longer is a hung guest. */
const timeoutMs = 300_000

export type MeasuredGuest = Pick<Guest, 'disks' | 'traceLog' | 'exec' | 'trouble' | 'consoleTail'>

export class CopyGuest {
  readonly #guest: MeasuredGuest
  readonly #signal: AbortSignal
  readonly #traced: TracedDisk[]
  #backends: Backends | undefined

  constructor(guest: MeasuredGuest, signal: AbortSignal) {
    this.#guest = guest
    this.#signal = signal
    this.#traced = [...guest.disks.values()].map(({ name, blockSize, nsid }): TracedDisk => {
      if (nsid === undefined) throw new Error(`${name} is no namespace`)
      return { name, blockSize, kind: 'nvme', nsid }
    })
  }

  /** The path in /dev of a disk of the topology. */
  device(name: string): string {
    const disk = this.#guest.disks.get(name)
    if (!disk) throw new Error(`the topology has no disk '${name}'`)
    return disk.device
  }

  /** A disk of the topology is behind a multipath node. */
  isMultipath(name: string): boolean {
    return this.#guest.disks.get(name)?.multipath ?? false
  }

  /** Runs a command and gives its standard output. @throws Failure('infra') when it fails */
  async run(argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.#guest.exec(argv, { timeoutMs, signal: this.#signal })
    if (status === 0) return stdout.toString()
    throw new Failure('infra', `in the guest: ${stderr.toString().trim()} (exit status ${status})`, {
      command: quoted([...argv]),
    })
  }

  /**
   * What files in the guest hold, a number each: limits of queues, counters.
   * @throws when one of them holds anything else
   */
  async numbers(files: readonly string[]): Promise<number[]> {
    const output = await this.run([blkcopy, 'get', ...files])
    const lines = output.trimEnd().split('\n')
    if (lines.length === files.length && lines.every((line) => /^\d+$/.test(line))) return lines.map(Number)
    throw new Error(`in the guest ${files.join(', ')} are not a number each: ${output}`)
  }

  /** Writes a number into each of these files. */
  async set(numbers: ReadonlyMap<string, number>): Promise<void> {
    const words = [...numbers].flatMap(([file, value]) => [',', 'set', file, String(value)])
    await this.run([blkcopy, ...words.slice(1)])
  }

  /** @throws Failure('infra') when the kernel has complained: what was timed until then is no measure of a sound one */
  async requireSound(): Promise<void> {
    const trouble = await this.#guest.trouble()
    if (trouble === undefined) return
    const tail = await this.#guest.consoleTail(40)
    throw new Failure('infra', `while copies were timed: ${trouble}\n${tail}`, casesFirst)
  }

  /** Runs a command, and gives what the devices did meanwhile. */
  async traced(argv: readonly string[]): Promise<{ output: string; activity: DeviceActivity }> {
    const log = this.#guest.traceLog
    this.#backends ??= learnBackends(await readFrom(log, 0), this.#traced)
    const position = (await stat(log)).size
    const output = await this.run(argv)
    return { output, activity: parseDeviceTrace(await readFrom(log, position), this.#traced, this.#backends) }
  }
}
