import { expect, test } from 'vitest'
import { type ArgvOptions, qemuArgv } from '../../../qemu/argv.ts'
import { defaultTopology, disksOf } from '../../../qemu/topology.ts'

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
  const namespace = (name: string) => namespaces.find((value) => value.includes(`drive=disk-${name},`))
  expect(namespaces).toHaveLength(disksOf(defaultTopology).filter(({ kind }) => kind === 'nvme').length)
  expect(namespace('small')).toMatch(/^nvme-ns,bus=nvme0,nsid=1,drive=disk-small,.*mssrl=16,mcl=64,msrc=7,/)
  expect(namespace('4k')).toMatch(/bus=nvme1,nsid=3,.*logical_block_size=4096,physical_block_size=4096/)
  expect(namespace('nocopy')).toMatch(/nsid=4,.*mssrl=0,mcl=0,msrc=0,shared=off,uuid=/)
  expect(namespace('meta')).toMatch(/,ms=8,mset=0,pi=0,/)
  expect(namespace('pi')).toMatch(/,ms=8,mset=0,pi=1,/)
  expect(namespace('zns')).toContain(
    ',zoned=on,zoned.zone_size=2097152,zoned.zone_capacity=1572864,zoned.max_open=3,zoned.max_active=4,zoned.cross_read=off,',
  )
  expect(namespace('zns4k')).toMatch(/,zoned.zone_capacity=4194304,.*,zoned.cross_read=on,/)
  expect(namespace('large')).not.toContain('zoned')
  const controllers = device(argv, 'nvme,')
  expect(controllers.join()).not.toContain('drive=')
})

test('two controllers of one subsystem share a namespace', () => {
  const argv = qemuArgv(options)
  expect(device(argv, 'nvme-subsys,')).toEqual(['nvme-subsys,id=subsystem2,nqn=copylab-nvme-m'])
  expect(device(argv, 'nvme,')).toEqual([
    'nvme,id=nvme0,serial=copylab-nvme-a',
    'nvme,id=nvme1,serial=copylab-nvme-b',
    'nvme,id=nvme2,serial=copylab-nvme-m,subsys=subsystem2',
    'nvme,id=nvme2-1,serial=copylab-nvme-m,subsys=subsystem2',
  ])
  const shared = device(argv, 'nvme-ns,').find((value) => value.includes('drive=disk-shared,'))
  expect(shared).toMatch(/^nvme-ns,bus=nvme2,nsid=7,.*,shared=on,/)
})

test('a namespace can be private to one of the controllers that share the others', () => {
  const namespaces = device(qemuArgv(options), 'nvme-ns,')
  const bus = (name: string) => namespaces.find((value) => value.includes(`drive=disk-${name},`))
  expect(bus('left')).toMatch(/^nvme-ns,bus=nvme2,.*,shared=off,/)
  expect(bus('right')).toMatch(/^nvme-ns,bus=nvme2-1,.*,shared=off,/)
})

test('a disk can have bad places, in sectors, and a speed', () => {
  const argv = qemuArgv(options)
  const drive = (name: string) =>
    values(argv, '-blockdev').find((value) => value.includes(`node-name=disk-${name},`))
  expect(drive('bad')).toBe(
    'driver=blkdebug,node-name=disk-bad,' +
      'inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=8192,inject-error.0.errno=5,' +
      'inject-error.1.event=none,inject-error.1.iotype=write,inject-error.1.sector=24576,inject-error.1.errno=5,' +
      'image.driver=raw,image.discard=unmap,image.file.driver=file,image.file.filename=/run/a,,b/bad.raw,image.file.discard=unmap',
  )
  expect(drive('slow')).toMatch(
    /^driver=throttle,node-name=disk-slow,throttle-group=limit-slow,file.driver=raw,/,
  )
  const limits = values(argv, '-object').map((value) => JSON.parse(value))
  expect(limits).toContainEqual({
    ...{ 'qom-type': 'throttle-group', id: 'limit-slow' },
    limits: { 'bps-total': 2097152 },
  })
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
