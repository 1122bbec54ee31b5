/**
 * QEMU's trace lines about Copy commands, put to disks.
 *
 * `pci_nvme_copy` names command and namespace; `pci_nvme_copy_source_range` and `pci_nvme_copy_out` carry an LBA and
 * a length and nothing else. QEMU (7.2, hw/nvme/ctrl.c) emits the first source range of a command together with its
 * `pci_nvme_copy`, `copy_out` when a range was read and its write is submitted, and the next source range when it was
 * written. So a `copy_out` tells where the device writes, not that it has: whether the bytes arrived is for the host to
 * say. With several commands in flight nothing tells whose a line is, so ranges are put to the disk alone, and to the
 * command only where it is the only one. A command whose last `copy_out` was seen counts as ended: its write may still
 * be in flight, but no more lines come of it.
 */
import type { CopyCommand } from './device-trace.ts'
import type { Range } from './ranges.ts'

type Placed = Range & { disk: string }

/** Ranges of a disk's commands that no line has told of yet, in both directions. */
interface Owed {
  disk: string
  blockSize: number
  sources: number
  outs: number
}

export class CopyLines {
  readonly copies: CopyCommand[] = []
  readonly sources: Placed[] = []
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
    const owed = this.#owed.get(disk) ?? { disk, blockSize, sources: 0, outs: 0 }
    owed.sources += ranges
    owed.outs += ranges
    this.#owed.set(disk, owed)
    this.#justAnnounced = owed
  }

  /** A range is read. False when no command can be doing it. */
  source(lba: number, blocks: number): boolean {
    const owed = this.#justAnnounced ?? this.#whose('sources', this.sources, lba)
    this.#justAnnounced = undefined
    if (!owed) return false
    owed.sources -= 1
    const range = rangeOf(owed, lba, blocks)
    this.sources.push(range)
    if (this.#alone?.bytes !== undefined) this.#alone.bytes += range.bytes
    return true
  }

  /** The write of a range is submitted. False when no command can be doing it. */
  destination(lba: number, blocks: number): boolean {
    this.#justAnnounced = undefined
    const owed = this.#whose('outs', this.destinations, lba)
    if (!owed) return false
    owed.outs -= 1
    this.destinations.push(rangeOf(owed, lba, blocks))
    return true
  }

  /** The disk that a line is of; where several may be, the one with a range that this one adjoins. */
  #whose(direction: 'sources' | 'outs', before: readonly Placed[], lba: number): Owed | undefined {
    const candidates = [...this.#owed.values()].filter((owed) => owed[direction] > 0)
    if (candidates.length < 2) return candidates[0]
    const adjoins = ({ disk, blockSize }: Owed) =>
      before.some((range) => range.disk === disk && range.offset + range.bytes === lba * blockSize)
    return candidates.find(adjoins) ?? candidates[0]
  }
}

function rangeOf({ disk, blockSize }: Owed, lba: number, blocks: number): Placed {
  return { disk, offset: lba * blockSize, bytes: blocks * blockSize }
}
