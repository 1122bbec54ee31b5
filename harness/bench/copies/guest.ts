/** What a bench of copies asks of the guest: our two programs, and what the devices have traced meanwhile. */
import { stat } from 'node:fs/promises'
import type { Guest } from '../../../qemu/guest.ts'
import { quoted } from '../../../qemu/lost.ts'
import { type DeviceActivity, parseDeviceTrace, type TracedDisk } from '../../evidence/device-trace.ts'
import { readFrom } from '../../evidence/trace-log.ts'
import { Failure } from '../../failure.ts'

/** Copies and whatever else is done in the guest (tests/guest). */
export const blkcopy = '/bin/blkcopy'

/** A command that takes longer is a hung guest. */
const timeoutMs = 300_000

export type MeasuredGuest = Pick<Guest, 'disks' | 'traceLog' | 'exec'>

export class CopyGuest {
  readonly #guest: MeasuredGuest
  readonly #signal: AbortSignal
  readonly #traced: TracedDisk[]

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

  /** Runs a command and gives its standard output. @throws Failure('infra') when it fails */
  async run(argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.#guest.exec(argv, { timeoutMs, signal: this.#signal })
    if (status === 0) return stdout.toString()
    throw new Failure('infra', `in the guest: ${stderr.toString().trim()} (exit status ${status})`, {
      command: quoted([...argv]),
    })
  }

  /** Runs a command, and gives what the devices did meanwhile. */
  async traced(argv: readonly string[]): Promise<{ output: string; activity: DeviceActivity }> {
    const position = (await stat(this.#guest.traceLog)).size
    const output = await this.run(argv)
    const trace = await readFrom(this.#guest.traceLog, position)
    return { output, activity: parseDeviceTrace(trace, this.#traced) }
  }
}
