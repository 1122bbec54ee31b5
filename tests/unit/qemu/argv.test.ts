import { expect, test } from 'vitest'
import { type ArgvOptions, qemuArgv } from '../../../qemu/argv.ts'
import { defaultTopology } from '../../../qemu/topology.ts'

const options: ArgvOptions = {
  kernel: '/k/vmlinux',
  initrd: '/k/initrd',
  topology: defaultTopology,
  machine: { qemu: 'qemu', qemuVersion: '7.2', accel: 'tcg', cpus: 2, memoryMiB: 512 },
  directory: '/run/a,b',
  channels: { console: 'file,path=/c', qmp: 'socket,fd=3', agent: 'socket,fd=4' },
}

/** The values of an option that may be given several times. */
const values = (argv: string[], option: string) => argv.filter((_, index) => argv[index - 1] === option)
const device = (argv: string[], start: string) =>
  values(argv, '-device').filter((value) => value.startsWith(start))

test('copy limits and block sizes are given to the namespaces, which alone have a drive', () => {
  const argv = qemuArgv(options)
  const namespaces = device(argv, 'nvme-ns,')
  expect(namespaces).toHaveLength(4)
  expect(namespaces[0]).toMatch(/^nvme-ns,bus=nvme0,nsid=1,drive=disk-small,.*mssrl=16,mcl=64,msrc=7,/)
  expect(namespaces[2]).toMatch(
    /bus=nvme1,nsid=3,drive=disk-4k,logical_block_size=4096,physical_block_size=4096/,
  )
  expect(namespaces[3]).toMatch(/nsid=4,.*mssrl=0,mcl=0,msrc=0/)
  const controllers = device(argv, 'nvme,')
  expect(controllers).toHaveLength(2)
  expect(controllers.join()).not.toContain('drive=')
})

test('a SCSI disk carries its serial and reports write errors instead of stopping the machine', () => {
  const [first] = device(qemuArgv(options), 'scsi-hd,')
  expect(first).toContain('serial=copylab-scsi0')
  expect(first).toContain('werror=report')
})

test('a comma in a path is doubled', () => {
  expect(values(qemuArgv(options), '-blockdev')[0]).toContain('file.filename=/run/a,,b/small.raw,')
})

test('channels get the ids that the devices name', () => {
  const argv = qemuArgv(options)
  expect(values(argv, '-chardev')).toEqual([
    'file,id=console,path=/c',
    'socket,id=qmp,fd=3',
    'socket,id=agent,fd=4',
  ])
  expect(device(argv, 'virtserialport')[0]).toContain('chardev=agent,name=copylab.agent')
})

test('trace events go to the trace log, and without events there is none', () => {
  const argv = qemuArgv({ ...options, traceEvents: ['pci_nvme_copy', 'pci_nvme_err*'] })
  expect(values(argv, '-trace')).toEqual(['enable=pci_nvme_copy', 'enable=pci_nvme_err*'])
  expect(values(argv, '-D')).toEqual(['/run/a,b/qemu-trace.log'])
  expect(qemuArgv(options)).not.toContain('-D')
})

test('accelerator and kernel arguments follow the options', () => {
  const kvm = qemuArgv({ ...options, machine: { ...options.machine, accel: 'kvm' }, append: ['x=1', 'y'] })
  expect(values(kvm, '-accel')).toEqual(['kvm'])
  expect(values(kvm, '-cpu')).toEqual(['host'])
  expect(values(kvm, '-append')[0]).toMatch(/^console=ttyS0 .* x=1 y$/)
  expect(values(qemuArgv(options), '-accel')).toEqual(['tcg,thread=multi'])
})

test('the console has warnings, which are of level 4', () => {
  const words = values(qemuArgv(options), '-append')[0]?.split(' ') ?? []
  const level = words.find((word) => word.startsWith('loglevel='))?.split('=')[1]
  expect(Number(level)).toBeGreaterThan(4)
  // The later word counts.
  expect(words.indexOf(`loglevel=${level}`)).toBeGreaterThan(words.indexOf('quiet'))
})

test('the same options give the same arguments', () => {
  expect(qemuArgv(options)).toEqual(qemuArgv(structuredClone(options)))
})
