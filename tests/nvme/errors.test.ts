// Copy commands that the device fails: read and written instead, or the error of that.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyCall, NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-same-namespace'
// Of disk `bad`, see qemu/topology.ts.
const unreadable = MiB(4)
const unwritable = MiB(12)

/** So often the driver sends a command that fails: nvme_core.max_retries, 5, and the first time. A copy is not sent again. */
const tries = 6

/** QEMU traces two errors of each command: of the read or write inside, and of the command. */
const errors = (commands: number) => ({ failed: 2 * commands })

/** NVM Express Base Specification, Status Code: what QEMU 7.2 and 10.0 say when a Copy command fails, and the kernel's errno. */
const errnos: Record<string, string> = { '0x6': 'EIO', '0x280': 'ENODATA', '0x281': 'ENODATA' }

/** The errno for the status of the Copy command (opcode 19h) that the device has failed. */
function errnoOf({ activity }: CopyCall): string | undefined {
  const [, status = ''] =
    /^req_status .* status (0x\w+) opc 0x19$/m.exec(activity?.errors.join('\n') ?? '') ?? []
  return errnos[`0x${(Number(status) & 0x7ff).toString(16)}`]
}

kernelCase(
  'nvme/070',
  'a block that cannot be read: ENODATA, and what is in front of it is copied',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('bad')
    const data = pattern(MiB(3))
    const from = unreadable - MiB(2)
    await ns.write(from, data)
    const call = await copy({ path, from: ns.at(from), to: ns.at(MiB(8)), bytes: data.bytes })
    const { copied, offloaded } = proof.guest(call).cutShort('ENODATA')
    expect(copied).toBeGreaterThanOrEqual(MiB(1))
    expect(copied).toBeLessThanOrEqual(MiB(2))
    expect(offloaded).toBe(0)
    const { copies } = proof.device(call).reached(copied, 'fallback', errors(1 + tries))
    expect(copies).toHaveLength(1)
    await proof.host(ns).changedOnly(MiB(8), data.part(0, copied))
  },
)

kernelCase(
  'nvme/071',
  'a block that cannot be written: ENODATA, and what is in front of it is copied',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('bad')
    const data = pattern(MiB(3))
    await ns.write(0, data)
    const to = unwritable - MiB(2)
    const call = await copy({ path, from: ns.at(0), to: ns.at(to), bytes: data.bytes })
    const { copied, offloaded } = proof.guest(call).cutShort('ENODATA')
    expect(copied).toBeGreaterThanOrEqual(MiB(1))
    expect(copied).toBeLessThanOrEqual(MiB(2))
    expect(offloaded).toBe(0)
    const { copies } = proof.device(call).reached(copied, 'fallback', errors(1 + tries))
    expect(copies).toHaveLength(1)
    await proof.host(ns).changedUpTo(to, data, copied)
  },
)

kernelCase(
  'nvme/072',
  'a block that cannot be read, and no fallback: the status of the Copy command, nothing is written',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, proof }) => {
    const ns = await disk('bad')
    const call = await copy(
      { path, from: ns.at(unreadable - KiB(64)), to: ns.at(MiB(8)), bytes: KiB(128) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused(errnoOf(call) ?? 'a known errno')
    const { copies } = proof.device(call).reached(0, 'offload', errors(1))
    expect(copies).toHaveLength(1)
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'nvme/073',
  'the second of two ranges cannot be read: what was copied is told',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('bad')
    const data = pattern(KiB(128))
    await ns.write(KiB(128), data.part(0, KiB(64)))
    await ns.write(unreadable - KiB(32), data.part(KiB(64), KiB(64)))
    const ranges: [number, number][] = [
      [KiB(128), KiB(64)],
      [unreadable - KiB(32), KiB(64)],
    ]
    const call = await copy({ path, from: ns, ranges, to: ns.at(MiB(8)) })
    const { copied } = proof.guest(call).cutShort('ENODATA')
    expect(copied).toBeGreaterThanOrEqual(KiB(64))
    expect(copied).toBeLessThanOrEqual(KiB(96))
    const { copies } = proof.device(call).reached(copied, 'fallback', errors(1 + tries))
    expect(copies).toHaveLength(1)
    await proof.host(ns).changedUpTo(MiB(8), data, copied)
  },
)

kernelCase(
  'nvme/074',
  'right up to a block that cannot be read, right behind it, and after it has failed',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('bad')
    const data = pattern(KiB(64))
    const failing = await copy(
      { path, from: ns.at(unreadable), to: ns.at(MiB(8)), bytes: 512 },
      { flags: NO_FALLBACK },
    )
    proof.guest(failing).refused(errnoOf(failing) ?? 'a known errno')
    proof.device(failing).reached(0, 'offload', errors(1))
    await proof.host(ns).unchanged()
    for (const [index, from] of [unreadable - data.bytes, unreadable + 512].entries()) {
      await ns.write(from, data)
      const to = MiB(8 + index)
      const call = await copy({ path, from: ns.at(from), to: ns.at(to), bytes: data.bytes })
      proof.guest(call).moved()
      proof.device(call).moved()
      await proof.host(ns).changedOnly(to, data)
    }
  },
)

kernelCase(
  'nvme/075',
  'a block of another namespace that cannot be read',
  {},
  async ({ disk, copy, pattern, proof, session }) => {
    const [from, to] = [await disk('bad'), await disk('slow')]
    const cross = 'nvme-cross-namespace'
    const data = pattern(KiB(128))
    await from.write(unreadable - KiB(64), data)
    const call = await copy({
      path: cross,
      from: from.at(unreadable - KiB(64)),
      to: to.at(0),
      bytes: data.bytes,
    })
    const { copied } = proof.guest(call).cutShort('ENODATA')
    expect(copied).toBeLessThanOrEqual(KiB(64))
    const { copies } = proof
      .device(call)
      .reached(copied, 'fallback', errors(session.offloads(cross) ? 1 + tries : tries))
    expect(copies).toHaveLength(session.offloads(cross) ? 1 : 0)
    await proof.host(to).changedOnly(0, data.part(0, copied))
    await proof.host(from).unchanged()
  },
)
