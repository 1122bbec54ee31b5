/** Whether the copies of a sample went the way that is timed: what the guest says of them, and the devices' trace. */
import type { DeviceActivity, Transfer } from '../../evidence/device-trace.ts'
import { totalBytes } from '../../evidence/ranges.ts'
import type { Way } from './sample.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** What units of a target in the guest have been sent, and have moved, since they were made. */
export interface Counters {
  commands: number
  mebibytes: number
  /** How many counters `mebibytes` is the sum of; each leaves out what is no whole MiB. */
  rounded: number
}

export interface Sampled {
  way: Way
  /** What the program in the guest has said. */
  output: string
  /** By all copies of the sample, bytes. */
  copied: number
  /** Of the disks of the topology. */
  activity: DeviceActivity
  /** Of units, by how much they grew; undefined: the copies were the disks' own. */
  counted: Counters | undefined
}

/** In a sentence; undefined: nothing contradicts. */
export function contradiction(sampled: Sampled): string | undefined {
  return whatGuestSays(sampled) ?? whatDisksSay(sampled) ?? whatUnitsSay(sampled)
}

/** blkcopy adds up what each copy has said. A mirror's legs are the same when its only region is, and both are alive. */
function whatGuestSays({ way, output, copied }: Sampled): string | undefined {
  if (way === 'kcopyd') {
    if (/^0 \d+ mirror 2 \S+ \S+ 1\/1 1 AA /m.test(output)) return undefined
    return `the mirror is not in sync: ${output.trim()}`
  }
  const offloaded = way === 'offload' ? copied : 0
  if (output.startsWith(`result error=0 copied=${copied} offloaded=${offloaded} `)) return undefined
  return `of ${copied} bytes: ${output.trim()}`
}

/** What LIO does for a unit, it reads and writes by itself, so that its disks never get a Copy command. */
function whatDisksSay({ way, copied, activity, counted }: Sampled): string | undefined {
  const { copies, copySources, copyDestinations, reads, writes } = activity
  const bytes = (transfers: Transfer[]) => totalBytes(transfers.filter(({ carriesData }) => carriesData))
  const inside = way === 'offload' && !counted
  const [read, written] = [bytes(reads), bytes(writes)]
  const [from, to] = [totalBytes(copySources), totalBytes(copyDestinations)]
  const right = inside
    ? read === 0 && written === 0 && from === copied && to === copied
    : read === copied && written === copied && copies.length === 0
  if (right) return undefined
  return (
    `of ${copied} bytes the disks were read ${read} and written ${written}, ` +
    `and ${copies.length} Copy commands have read ${from} and written ${to}`
  )
}

/** LIO takes no list of parameters that is longer (target_core_xcopy.c). */
const longestList = KiB

/** Whole MiB are enough to tell data that crosses the link twice from data that does not. */
function whatUnitsSay({ way, copied, counted }: Sampled): string | undefined {
  if (!counted) return undefined
  const { commands, mebibytes, rounded } = counted
  const right =
    way === 'offload'
      ? (mebibytes - rounded) * MiB < commands * longestList
      : (mebibytes + rounded) * MiB > 2 * copied
  return right
    ? undefined
    : `of ${copied} bytes the units' counters have ${mebibytes} MiB in ${commands} commands`
}
