import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { NvmeNamespace, Topology, Zones } from './topology.ts'

/** The QEMU binary and the machine that it is to emulate. */
export interface Machine {
  qemu: string
  qemuVersion: string
  accel: 'kvm' | 'tcg'
  cpus: number
  memoryMiB: number
}

export interface ArgvOptions {
  kernel: string
  initrd: string
  topology: Topology
  machine: Machine
  /** Holds the disk images and the logs. */
  directory: string
  /** Character-device backends, as `-chardev` takes them without an id. */
  channels: { console: string; qmp: string; agent: string }
  append?: readonly string[]
  traceEvents?: readonly string[]
}

/** The kernel's command line. What an option saves was counted in guest instructions of a boot (`-icount`). */
const kernelArguments = [
  'console=ttyS0',
  // `quiet` and then a level that still prints warnings: WARN() is one, and it must not pass unseen.
  'quiet',
  'loglevel=5',
  // A panic resets the machine at once, and `-no-reboot` turns that into the end of QEMU.
  'panic=-1',
  // The clock is the host's; no comparing it with timers that a loaded host delays.
  'tsc=reliable',
  'no_timer_check',
  // 512 terminals of a kind that nothing uses any more: 9 %.
  'pty.legacy_count=0',
  // virtio-scsi looks for 255 targets; it does so beside the rest of the boot, which still waits for it: 4 %.
  'scsi_mod.scan=async',
  // No unit before one is asked for.
  'scsi_debug.add_host=0',
]

/** Where the raw image of a disk is. */
export function imagePath(directory: string, disk: string): string {
  return join(directory, `${disk}.raw`)
}

export function traceLogPath(directory: string): string {
  return join(directory, 'qemu-trace.log')
}

/** QEMU's arguments, without the binary. Pure: the same options give the same arguments. */
export function qemuArgv(options: ArgvOptions): string[] {
  return [
    ...bareMachineArgv(options),
    ...['-kernel', options.kernel],
    ...['-initrd', options.initrd],
    ...['-append', [...kernelArguments, ...(options.append ?? [])].join(' ')],
    ...traceArguments(options.traceEvents ?? [], options.directory),
  ]
}

/** The machine and its devices, with nothing to run on it. */
export function bareMachineArgv({
  topology,
  machine,
  directory,
  channels,
}: Pick<ArgvOptions, 'topology' | 'machine' | 'directory' | 'channels'>): string[] {
  return [
    '-nodefaults',
    '-no-user-config',
    '-no-reboot',
    ...['-display', 'none'],
    // A PS/2 controller only costs a search for mice.
    ...['-machine', 'q35,smm=off,i8042=off'],
    // The firmware that comes with QEMU for starting a kernel and nothing else: 0.3 to 0.5 s less than SeaBIOS under TCG.
    ...['-bios', 'qboot.rom'],
    ...['-accel', machine.accel === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    ...['-cpu', machine.accel === 'tcg' ? 'max' : 'host'],
    ...['-smp', String(machine.cpus)],
    ...['-m', `${machine.memoryMiB}M`],
    ...['-chardev', withId(channels.console, 'console'), '-serial', 'chardev:console'],
    ...['-chardev', withId(channels.qmp, 'qmp'), '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', withId(channels.agent, 'agent')],
    ...['-device', 'virtio-serial-pci,id=serial,max_ports=2'],
    ...['-device', 'virtserialport,bus=serial.0,chardev=agent,name=copylab.agent'],
    ...diskArguments(topology, directory),
  ]
}

/** The default stops the machine when the host's disk is full; an error in the guest is what the test can see. */
const onError = 'werror=report,rerror=report'

/** EIO, as QEMU's blkdebug driver takes it. */
const errnoIo = 5

function diskArguments(topology: Topology, directory: string): string[] {
  const argv: string[] = []
  topology.nvme.forEach(({ serial, paths = 1, namespaces }, index) => {
    const subsystem = paths > 1 ? `,subsys=subsystem${index}` : ''
    if (subsystem) argv.push('-device', `nvme-subsys,id=subsystem${index},nqn=${escaped(serial)}`)
    for (let path = 0; path < paths; path++) {
      const id = path ? `nvme${index}-${path}` : `nvme${index}`
      argv.push('-device', `nvme,id=${id},serial=${escaped(serial)}${subsystem}`)
    }
    for (const namespace of namespaces) {
      const { name, nsid, blockSize, copy, metadata, onlyOn, zoned } = namespace
      // Only nvme-ns has the copy limits; the namespace of `-device nvme,drive=` takes no Copy command.
      const limits = copy ?? { mssrl: 0, mcl: 0, msrc: 0 }
      argv.push(
        ...blockdev(name, directory, namespace),
        '-device',
        [
          `nvme-ns,bus=nvme${index}${onlyOn ? `-${onlyOn}` : ''},nsid=${nsid},drive=${nodeName(name)}`,
          blockSizes(blockSize),
          `mssrl=${limits.mssrl},mcl=${limits.mcl},msrc=${limits.msrc}`,
          `shared=${subsystem && onlyOn === undefined ? 'on' : 'off'}`,
          ...(metadata ? [`ms=8,mset=0,pi=${metadata === 'pi' ? 1 : 0}`] : []),
          ...(zoned ? [zones(zoned)] : []),
          `uuid=${deterministicUuid(`${serial}/${nsid}`)}`,
        ].join(','),
      )
    }
  })
  if (topology.scsi.length) argv.push('-device', 'virtio-scsi-pci,id=scsi')
  topology.scsi.forEach(({ name, serial, blockSize }, index) => {
    argv.push(
      ...blockdev(name, directory),
      '-device',
      `scsi-hd,bus=scsi.0,lun=${index},drive=${nodeName(name)},serial=${escaped(serial)},${blockSizes(blockSize)},${onError}`,
    )
  })
  return argv
}

/** 0 open or active zones are any number. */
function zones({
  zoneBytes,
  capacityBytes = zoneBytes,
  maxOpen = 0,
  maxActive = 0,
  crossRead,
}: Zones): string {
  const options = {
    zone_size: zoneBytes,
    zone_capacity: capacityBytes,
    max_open: maxOpen,
    max_active: maxActive,
    cross_read: crossRead ? 'on' : 'off',
  }
  return ['zoned=on', ...Object.entries(options).map(([name, value]) => `zoned.${name}=${value}`)].join(',')
}

/**
 * Raw and through the host's page cache, so that the host reads what the guest has written as soon as the write is
 * complete, and the guest what the host has written. QEMU's lock on the file is advisory: it holds off a second QEMU,
 * not the host's reads and writes.
 */
function blockdev(
  name: string,
  directory: string,
  { bad, bytesPerSecond }: Pick<NvmeNamespace, 'bad' | 'bytesPerSecond'> = {},
): string[] {
  const file = escaped(imagePath(directory, name))
  const raw = (prefix: string) =>
    `${prefix}driver=raw,${prefix}discard=unmap,${prefix}file.driver=file,${prefix}file.filename=${file},${prefix}file.discard=unmap`
  const node = `node-name=${nodeName(name)}`
  if (bad) {
    const errors = [...Object.entries(bad)].map(([iotype, offset], index) => {
      const rule = { event: 'none', iotype, sector: offset / 512, errno: errnoIo }
      return Object.entries(rule).map(([key, value]) => `inject-error.${index}.${key}=${value}`)
    })
    return ['-blockdev', ['driver=blkdebug', node, ...errors.flat(), raw('image.')].join(',')]
  }
  if (bytesPerSecond) {
    const group = `limit-${name}`
    return [
      // `limits` is a struct, which only the JSON form takes.
      ...[
        '-object',
        JSON.stringify({ 'qom-type': 'throttle-group', id: group, limits: { 'bps-total': bytesPerSecond } }),
      ],
      ...['-blockdev', `driver=throttle,${node},throttle-group=${group},${raw('file.')}`],
    ]
  }
  return ['-blockdev', `${node},${raw('')}`]
}

function traceArguments(events: readonly string[], directory: string): string[] {
  if (!events.length) return []
  return [...events.flatMap((event) => ['-trace', `enable=${event}`]), '-D', traceLogPath(directory)]
}

function nodeName(disk: string): string {
  return `disk-${disk}`
}

function blockSizes(bytes: number): string {
  return `logical_block_size=${bytes},physical_block_size=${bytes}`
}

function withId(backend: string, id: string): string {
  const [driver, ...rest] = backend.split(',')
  return [driver, `id=${id}`, ...rest].join(',')
}

/** A value inside a comma-separated QEMU option: a comma is written twice. */
export function escaped(value: string): string {
  return value.replaceAll(',', ',,')
}

function deterministicUuid(seed: string): string {
  const hex = createHash('sha256').update(seed).digest('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
