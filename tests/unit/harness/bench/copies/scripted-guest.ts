/** A guest that copies as told, and a device that traces it: a Copy command for offload, a read and a write for all else. */
import { appendFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { MeasuredGuest } from '../../../../../harness/bench/copies/guest.ts'
import type { GuestDisk } from '../../../../../qemu/guest.ts'

const MiB = 1024 * 1024

export interface Script {
  /** What NO_FALLBACK copies end with. */
  asked?: string
  /** OCFS of the controllers. */
  ocfs?: number
  /** Of all offloaded copies of a sample, bytes that the kernel says were. */
  offloaded?: (bytes: number) => number
  /** What dmtable says of a mirror. */
  mirrored?: string
  /** What blkcopy says instead of times. */
  times?: string
  /** What a counter of a unit says instead of a number. */
  counter?: string
  /** What the kernel complains of. */
  trouble?: string
  /** The command that begins so fails. */
  fails?: string
}

/** Units are read and written whatever is asked of them: LIO copies by itself. */
export async function scriptedGuest(directory: string, script: Script = {}) {
  const { asked = '0', ocfs = 3, offloaded = (bytes) => bytes, mirrored = '1/1 1 AA 1 core' } = script
  const traceLog = join(directory, 'trace')
  await writeFile(traceLog, 'pci_nvme_read cid 1 nsid 2 nlb 1 count 512 lba 0x0\n')
  const disk = (name: string, nsid: number): [string, GuestDisk] => [
    name,
    { name, device: `/dev/nvme0n${nsid}`, backing: '', bytes: 32 * MiB, blockSize: 512, kind: 'nvme', nsid },
  ]
  const commands: string[] = []
  const limits = new Map<string, string>()
  const counters = { num_cmds: 0, read_mbytes: 0, write_mbytes: 0 }
  const moved = async (device: string, bytes: number, repeat: number, offload: boolean) => {
    const unit = device.startsWith('/dev/sd')
    const blocks = bytes / 512
    const once =
      offload && !unit
        ? `pci_nvme_copy cid 1 nsid 1 nr 1 format 0x0\npci_nvme_copy_source_range slba 0x0 nlb ${blocks}\npci_nvme_copy_out slba 0x4000 nlb ${blocks}\n`
        : `pci_nvme_read cid 1 nsid 1 nlb ${blocks} count ${bytes} lba 0x0\npci_nvme_write cid 1 opname 'W' nsid 1 nlb ${blocks} count ${bytes} lba 0x4000\n`
    await appendFile(traceLog, once.repeat(repeat))
    if (unit) {
      counters.num_cmds += offload ? repeat : 2 * repeat
      counters.read_mbytes += offload ? 0 : (bytes * repeat) / MiB
      counters.write_mbytes += offload ? 0 : (bytes * repeat) / MiB
    }
  }
  const copy = async (words: string[]) => {
    const option = (name: string) => words.find((word) => word.startsWith(`--${name}=`))?.split('=')[1]
    const bytes = Number(words.at(-1))
    if (option('flags') === '1')
      return `result error=${asked} copied=${asked === '0' ? bytes : 0} offloaded=${asked === '0' ? bytes : 0}\n`
    const offload = option('call') === undefined && ![...limits.values()].includes('0')
    const repeat = Number(option('repeat') ?? 1)
    await moved(words.at(-5) as string, bytes, repeat, offload)
    const ns = repeat * (offload ? 1_000_000 : 4_000_000)
    const all = bytes * repeat
    const times = script.times ?? `ns=${ns} busy_ms=1000`
    return `result error=0 copied=${all} offloaded=${offload ? offloaded(all) : 0} ${times}\n`
  }
  const resync = async (line: string) => {
    const [, sectors, , , , , , first = ''] = line.split(' ')
    await moved(first, Number(sectors) * 512, 1, false)
    return `0 ${sectors} mirror 2 259:0 259:0 ${mirrored}\ndmtable ns=9000000 busy_ms=20\n`
  }
  const get = (file: string) => {
    const value = counters[basename(file) as keyof typeof counters]
    if (value === undefined) return '4194304'
    return script.counter ?? String(Math.floor(value))
  }
  const run = async (words: string[]): Promise<string> => {
    if (words[0] === 'get')
      return words
        .slice(1)
        .map((file) => `${get(file)}\n`)
        .join('')
    if (words[0] === 'set') limits.set(words[1] as string, words[2] as string)
    if (words[0] === 'copy') return copy(words)
    if (words[0] === 'identify') return `identify oncs=256 ocfs=${ocfs}\n`
    if (words[0] === 'scsi-disk') return 'scsi-disk device=/dev/sda number=8:0 address=1:0:1:0\n'
    if (words[0] === 'create') return 'dmtable device=/dev/dm-0 number=252:0\n'
    if (words[0] === 'time') return resync(words[2] as string)
    return ''
  }
  const exec: MeasuredGuest['exec'] = async (argv) => {
    const command = argv.join(' ')
    commands.push(command)
    if (script.fails && command.startsWith(script.fails))
      return { status: 2, stdout: Buffer.alloc(0), stderr: Buffer.from('no such luck') }
    let stdout = ''
    for (const text of argv.slice(1).join('\0').split('\0,\0')) stdout += await run(text.split('\0'))
    return { status: 0, stdout: Buffer.from(stdout), stderr: Buffer.alloc(0) }
  }
  const guest: MeasuredGuest = {
    disks: new Map([disk('near', 1), disk('far', 2)]),
    ...{ traceLog, exec },
    trouble: async () => script.trouble,
    consoleTail: async () => `its console: ${script.trouble}`,
  }
  return { guest, commands }
}
