// Controllers are reset, and namespaces looked at anew, while copies are under way: none hangs, and what arrives is right.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { controllersOf, identify, rescan, reset } from '../fixtures/controllers.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { whileCopying } from './under-way.ts'

const path = 'nvme-same-namespace'

/** As long as a Copy command of disk `slow` can be: two ranges, each of them read and written at 2 MiB/s, about 3 s. */
const commandBytes = MiB(4)

kernelCase(
  'nvme/060',
  'a reset while the device is busy with a Copy command: what it has not done is read and written',
  { offloads: 'nvme-same-namespace', needs: ['tracepoints'] },
  async ({ disk, pattern, proof, session }) => {
    const ns = await disk('slow')
    const data = pattern(commandBytes)
    await ns.write(0, data)
    const controllers = await controllersOf(session, ns)
    const copying = await session.begin({ path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes })
    await reset(session, controllers, copying)
    const call = await copying.done()
    proof.guest(call).moved('traced')
    proof.device(call).reached(data.bytes, 'traced', { reset: true })
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'nvme/061',
  'a reset while the device is busy with a Copy command, and no fallback: EIO, or the command was done',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, pattern, proof, session }) => {
    const ns = await disk('slow')
    const data = pattern(commandBytes)
    await ns.write(0, data)
    const controllers = await controllersOf(session, ns)
    const copying = await session.begin(
      { path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    await reset(session, controllers, copying)
    const call = await copying.done()
    // QEMU 7.2 lets a command that it has begun come to its end before it resets.
    const done = call.results[0]?.error === '0'
    const { copied, offloaded } = proof.guest(call).cutShort(done ? '0' : 'EIO')
    expect(copied).toBe(done ? data.bytes : 0)
    expect(offloaded).toBe(copied)
    proof.device(call).reached(copied, 'offload', { reset: true })
    await proof.host(ns).changedUpTo(MiB(8), data, copied)
  },
)

kernelCase(
  'nvme/062',
  'three resets in a row while copies are under way',
  { offloads: 'nvme-same-namespace', needs: ['tracepoints', 'limits'] },
  async (tools) => {
    const { disk, proof, session } = tools
    const ns = await disk('slow')
    const { call, changes, bytes } = await whileCopying(tools, ns, async (copying, controllers) => {
      for (let times = 0; times < 3; times++) await reset(session, controllers, copying)
    })
    proof.guest(call).moved('traced')
    proof.device(call).reached(changes.length * bytes, 'traced', { reset: true })
    await proof.host(ns).changedOnlyIn(changes)
  },
)

kernelCase(
  'nvme/063',
  'a reset while a copy between two controllers is read and written',
  {},
  async ({ disk, pattern, proof, session }) => {
    const [from, to] = [await disk('slow'), await disk('large')]
    // 4 s of reads.
    const data = pattern(MiB(8))
    await from.write(0, data)
    const controllers = [...(await controllersOf(session, from)), ...(await controllersOf(session, to))]
    const copying = await session.begin({
      path: 'never',
      from: from.at(0),
      to: to.at(MiB(8)),
      bytes: data.bytes,
    })
    await reset(session, controllers, copying)
    const call = await copying.done()
    proof.guest(call).fellBack()
    const { copies } = proof.device(call).reached(data.bytes, 'fallback', { reset: true })
    expect(copies).toEqual([])
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/064',
  'namespaces are looked at anew while copies are under way: what meets a frozen queue is read and written',
  { offloads: 'nvme-same-namespace', needs: ['tracepoints', 'limits'] },
  async (tools) => {
    const { disk, copy, proof, session } = tools
    const ns = await disk('slow')
    const times = 3
    const { call, changes, bytes } = await whileCopying(tools, ns, async (copying, [controller = '']) => {
      await rescan(session, controller, { times, copying })
    })
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced', { failed: times })
    await proof.host(ns).changedOnlyIn(changes)

    const data = ns.backing.expectedAt(0, bytes)
    const second = await copy({ path, from: ns.at(0), to: ns.at(MiB(12)), bytes }, { flags: NO_FALLBACK })
    proof.guest(second).moved()
    proof.device(second).moved()
    await proof.host(ns).changedOnly(MiB(12), data)
  },
)

kernelCase(
  'nvme/065',
  'what was written to copy_max_bytes outlives a reset and a new look at the namespaces',
  { offloads: 'nvme-same-namespace', needs: ['limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const ns = await disk('large')
    const { limit, hardwareLimit } = session.profile.sysfs
    const hardware = await session.getQueue(ns, hardwareLimit)
    const data = pattern(KiB(64))
    await ns.write(0, data)
    for (const [index, most] of [KiB(16), 0].entries()) {
      await session.setQueue(ns, limit, String(most))
      // The namespaces are looked at after a reset.
      await reset(session, await controllersOf(session, ns))
      const to = ns.at(MiB(8 + index))
      const call = await copy({ path, from: ns.at(0), to, bytes: data.bytes })
      proof.guest(call).moved(most ? 'offload' : 'fallback')
      const { copies } = proof.device(call).moved(most ? 'offload' : 'fallback')
      expect(copies).toHaveLength(most && data.bytes / most)
      await proof.host(ns).changedOnly(to.offset, data)
      expect(await session.getQueue(ns, limit)).toBe(String(most))
      expect(await session.getQueue(ns, hardwareLimit)).toBe(hardware)
    }
  },
)

kernelCase(
  'nvme/066',
  'after a reset the controller again takes source ranges of other namespaces',
  { offloads: 'nvme-cross-namespace' },
  async ({ disk, copy, pattern, proof, session }) => {
    const [from, to] = [await disk('large'), await disk('wide')]
    await reset(session, await controllersOf(session, from))
    expect(((await identify(session, from)).cdfe ?? 0) & 4).toBe(4)
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy(
      { path: 'nvme-cross-namespace', from: from.at(0), to: to.at(MiB(8)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)
