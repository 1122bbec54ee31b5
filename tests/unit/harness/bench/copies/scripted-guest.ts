/** A guest that copies as told, and a device that traces it: a Copy command for offload, a read and a write for all else. */
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MeasuredGuest } from '../../../../../harness/bench/copies/guest.ts'
import type { GuestDisk } from '../../../../../qemu/guest.ts'

const MiB = 1024 * 1024

export interface Script {
  /** What NO_FALLBACK copies end with. */
  asked?: string
  /** Of an offloaded copy, bytes that the kernel says were. */
  offloaded?: (bytes: number) => number
}

export async function scriptedGuest(
  directory: string,
  { asked = '0', offloaded = (bytes) => bytes }: Script = {},
) {
  const traceLog = join(directory, 'trace')
  await writeFile(traceLog, 'pci_nvme_read cid 1 nsid 2 nlb 1 count 512 lba 0x0\n')
  const disk = (name: string, nsid: number): [string, GuestDisk] => [
    name,
    { name, device: `/dev/nvme0n${nsid}`, backing: '', bytes: 32 * MiB, blockSize: 512, kind: 'nvme', nsid },
  ]
  const commands: string[] = []
  const limits = new Map<string, string>()
  const copy = async (words: string[]) => {
    const option = (name: string) => words.find((word) => word.startsWith(`--${name}=`))?.split('=')[1]
    const bytes = Number(words.at(-1))
    const blocks = bytes / 512
    if (option('flags') === '1') return `result error=${asked} copied=${bytes} offloaded=${bytes}\n`
    const offload = option('call') === undefined && ![...limits.values()].includes('0')
    const once = offload
      ? `pci_nvme_copy cid 1 nsid 1 nr 1 format 0x0\npci_nvme_copy_source_range slba 0x0 nlb ${blocks}\npci_nvme_copy_out slba 0x4000 nlb ${blocks}\n`
      : `pci_nvme_read cid 1 nsid 1 nlb ${blocks} count ${bytes} lba 0x0\npci_nvme_write cid 1 opname 'W' nsid 1 nlb ${blocks} count ${bytes} lba 0x4000\n`
    const repeat = Number(option('repeat') ?? 1)
    await appendFile(traceLog, once.repeat(repeat))
    const ns = repeat * (offload ? 1_000_000 : 4_000_000)
    return `result error=0 copied=${bytes} offloaded=${offload ? offloaded(bytes) : 0} ns=${ns} busy_ms=1000\n`
  }
  const run = async (words: string[]): Promise<string> => {
    if (words[0] === 'get')
      return words
        .slice(1)
        .map(() => '4194304\n')
        .join('')
    if (words[0] === 'set') limits.set(words[1] as string, words[2] as string)
    if (words[0] === 'copy') return copy(words)
    if (words[0] === 'scsi-disk') return 'scsi-disk device=/dev/sda number=8:0 address=1:0:1:0\n'
    if (words[0] === 'create') return 'dmtable device=/dev/dm-0 number=252:0\n'
    if (words[0] === 'time') return 'dmtable ns=9000000 busy_ms=20\n'
    return ''
  }
  const exec: MeasuredGuest['exec'] = async (argv) => {
    commands.push(argv.join(' '))
    let stdout = ''
    for (const text of argv.slice(1).join('\0').split('\0,\0')) stdout += await run(text.split('\0'))
    return { status: 0, stdout: Buffer.from(stdout), stderr: Buffer.alloc(0) }
  }
  const guest: MeasuredGuest = { disks: new Map([disk('near', 1), disk('far', 2)]), traceLog, exec }
  return { guest, commands }
}
