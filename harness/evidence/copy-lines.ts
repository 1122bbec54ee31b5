/**
 * QEMU's trace lines about Copy commands, put to disks.
 *
 * `pci_nvme_copy` names command and namespace; `pci_nvme_copy_source_range` and `pci_nvme_copy_out` carry an LBA and
 * a length and nothing else. QEMU (7.2 and 10.0, hw/nvme/ctrl.c) emits the first source range of a command together with its
 * `pci_nvme_copy`, `copy_out` when a range was read and its write is submitted, and the next source range when it was
 * written. So a `copy_out` tells where the device writes, not that it has: whether the bytes arrived is for the host to
 * say. With several commands in flight nothing tells which one a line is of, so ranges are put to the disk alone, and to
 * the command only where it is the only one. A command whose last `copy_out` was seen counts as ended: its write may still
 * be in flight, but no more lines come of it.
 *
 * The disk of a line is the one that QEMU's block layer names behind it, where the caller has found that. Without it, it is
 * guessed from what adjoins; that is not good enough for a command of format 2 or 3, whose sources may be anywhere.
 */
import type { CopyCommand, CopySource, TracedDisk } from './device-trace.ts'
import type { Range } from './ranges.ts'

type Placed = Range & { disk: string }

/** Ranges that no line has told of yet, in both directions: those of a disk's commands that read there, or of all others. */
interface Owed {
  disk: string
  blockSize: number
  sources: number
  outs: number
  /** The commands read from other namespaces. */
  crossing: boolean
}

export class CopyLines {
  readonly copies: CopyCommand[] = []
  readonly sources: CopySource[] = []
  readonly destinations: Placed[] = []
  readonly #owed = new Map<string, Owed>()
  #justAnnounced: Owed | undefined
  /** Undefined when several commands have been in flight since the last time that there was none. */
  #alone: CopyCommand | undefined

  announce(command: Omit<CopyCommand, 'bytes'>, blockSize: number): void {
    const busy = [...this.#owed.values()].some(({ outs }) => outs)
    if (this.#alone && busy) this.#alone.bytes = undefined
    const copy: CopyCommand = { ...command, bytes: busy ? undefined : 0 }
    this.#alone = busy ? undefined : copy
    this.copies.push(copy)

    const { disk, ranges } = command
    // NVM Command Set Specification 1.0, Copy: formats 2 and 3 carry a source namespace.
    const crossing = command.format >= 2
    const key = `${disk} ${crossing}`
    const owed = this.#owed.get(key) ?? { disk, blockSize, sources: 0, outs: 0, crossing }
    owed.sources += ranges
    owed.outs += ranges
    this.#owed.set(key, owed)
    this.#justAnnounced = owed
  }

  /** A range is read, from `where` if that is known. False when no command can be doing it. */
  source(lba: number, blocks: number, where?: TracedDisk): boolean {
    const owed = this.#justAnnounced ?? this.#whose('sources', this.sources, lba, where)
    this.#justAnnounced = undefined
    if (!owed) return false
    if (owed.crossing && !where)
      throw new Error(`the device trace does not tell the namespace of source ${lba} of ${owed.disk}`)
    owed.sources -= 1
    const range = rangeOf(where ?? { name: owed.disk, blockSize: owed.blockSize }, lba, blocks)
    this.sources.push(range.disk === owed.disk ? range : { ...range, by: owed.disk })
    if (this.#alone?.bytes !== undefined) this.#alone.bytes += range.bytes
    return true
  }

  /** The write of a range is submitted, to `where` if that is known. False when no command can be doing it. */
  destination(lba: number, blocks: number, where?: TracedDisk): boolean {
    this.#justAnnounced = undefined
    const owed = this.#whose('outs', this.destinations, lba, where)
    if (!owed) return false
    owed.outs -= 1
    this.destinations.push(rangeOf({ name: owed.disk, blockSize: owed.blockSize }, lba, blocks))
    return true
  }

  /** Whose line it is: of the disk itself, of commands that read elsewhere, or of what adjoins. */
  #whose(
    direction: 'sources' | 'outs',
    before: readonly (Placed & { by?: string })[],
    lba: number,
    where: TracedDisk | undefined,
  ): Owed | undefined {
    const candidates = [...this.#owed.values()].filter((owed) => owed[direction] > 0)
    if (where && direction === 'outs') return candidates.find(({ disk }) => disk === where.name)
    const fits = ({ disk, crossing }: Owed) => crossing !== (disk === where?.name)
    const possible = where ? candidates.filter(fits) : candidates
    if (possible.length < 2) return possible[0]
    const adjoins = ({ disk, blockSize }: Owed) =>
      before.some(
        (range) =>
          (range.by ?? range.disk) === disk &&
          range.offset + range.bytes === lba * (where?.blockSize ?? blockSize),
      )
    return possible.find(adjoins) ?? possible[0]
  }
}

function rangeOf(disk: { name: string; blockSize: number }, lba: number, blocks: number): Placed {
  return { disk: disk.name, offset: lba * disk.blockSize, bytes: blocks * disk.blockSize }
}
