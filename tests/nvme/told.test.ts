// What the kernel tells of Copy commands: in its log and in its trace; and one that finds no memory for its ranges.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { tool } from '../fixtures/lab.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-same-namespace'

/** The name of a namespace, or of the path to one, in the log. */
const ofNamespace = /nvme\d+(c\d+)?n\d+/

kernelCase(
  'nvme/100',
  'a Copy command that fails is not in the log, and a read that fails is',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, proof, session }) => {
    // At 4 MiB it cannot be read, see qemu/topology.ts.
    const ns = await disk('bad')
    const request = { path, from: ns.at(MiB(4)), to: ns.at(MiB(8)), bytes: 512 } as const
    const offload = await copy(request, { flags: NO_FALLBACK })
    expect(offload.results[0]?.error).not.toBe('0')
    proof.guest(offload).refused(offload.results[0]?.error ?? '')
    proof.device(offload).reached(0, 'offload', { failed: 2 })
    expect((await session.messages()).dmesg).not.toMatch(ofNamespace)
    const both = await copy(request)
    proof.guest(both).refused('ENODATA')
    proof.device(both).reached(0, 'fallback', { failed: 14 })
    expect((await session.messages()).dmesg).toMatch(new RegExp(`${ofNamespace.source}.*READ`))
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'nvme/101',
  'the trace of NVMe commands tells the destination, the number of ranges and the format of a Copy command',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV', 'tracepoints'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const data = pattern(KiB(24))
    const ranges = [0, 1, 2].map((index): [number, number] => [index * KiB(64), KiB(8)])
    for (const [index, [offset, bytes]] of ranges.entries())
      await ns.write(offset, data.part(index * KiB(8), bytes))
    const event = '/sys/kernel/tracing/events/nvme/nvme_setup_cmd/enable'
    await session.must([tool, 'set', event, '1'])
    const call = await copy({ path, from: ns, ranges, to: ns.at(MiB(8)) })
    await session.must([tool, 'set', event, '0'])
    const trace = await session.must([tool, 'get', '/sys/kernel/tracing/trace'])
    expect(trace.match(/nvme_cmd_copy .*(?=\))/g)).toEqual([
      `nvme_cmd_copy sdlba=${MiB(8) / 512}, nr=2, format=0`,
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'nvme/102',
  'a Copy command that finds no memory for its ranges is sent all the same',
  { offloads: 'nvme-same-namespace', needs: ['limits', 'CONFIG_FAILSLAB'] },
  async ({ disk, pattern, proof, session }) => {
    const ns = await disk('slow')
    const data = pattern(MiB(4))
    await ns.write(0, data)
    // Two seconds of commands: those after the first ones find no memory.
    await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(64)))
    // The default of ignore-gfp-wait spares what may sleep, such as all that the guest's programs need.
    const faults = 1_000_000
    const failslab = '/sys/kernel/debug/failslab'
    const left = async () => Number(await session.must([tool, 'get', `${failslab}/times`]))
    await session.set(`${failslab}/verbose`, '0')
    await session.set(`${failslab}/times`, String(faults))
    const copying = await session.begin({ path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes })
    await session.set(`${failslab}/probability`, '100')
    while ((await left()) === faults) await copying.underWay()
    const call = await copying.done()
    await session.restore()
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)
