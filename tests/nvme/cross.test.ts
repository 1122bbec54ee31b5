// Copies between two namespaces of one controller: the device does them where it takes source ranges that name one.
import { expect } from 'vitest'
import { offers } from '../../harness/series/resolve.ts'
import { kernelCase } from '../fixtures/case.ts'
import { identify } from '../fixtures/controllers.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import type { Disk } from '../fixtures/disk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-cross-namespace'

kernelCase(
  'nvme/021',
  'no fallback between namespaces: copied where the controller can, else EOPNOTSUPP',
  {},
  async ({ disk, copy, pattern, proof, session }) => {
    const [from, to] = [await disk('large'), await disk('small')]
    const data = pattern(KiB(200))
    await from.write(MiB(1), data)
    const call = await copy(
      { path, from: from.at(MiB(1)), to: to.at(KiB(4)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    if (session.offloads(path)) {
      proof.guest(call).moved()
      proof.device(call).moved()
      await proof.host(to).changedOnly(KiB(4), data)
    } else {
      proof.guest(call).refused('EOPNOTSUPP')
      proof.device(call).untouched()
      await proof.host(to).unchanged()
    }
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/022',
  'blocks of 512 and of 4096 bytes on one controller: read and written in both directions',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const disks = [await disk('large'), await disk('large4k')] as const
    for (const [from, to] of [disks, disks.toReversed() as [Disk, Disk]]) {
      const data = pattern(KiB(260))
      await from.write(KiB(8), data)
      const call = await copy({ path: 'never', from: from.at(KiB(8)), to: to.at(MiB(8)), bytes: data.bytes })
      proof.guest(call).fellBack()
      proof.device(call).fellBack()
      await proof.host(to).changedOnly(MiB(8), data)
      await proof.host(from).unchanged()
    }
  },
)

kernelCase(
  'nvme/023',
  'blocks of 512 and of 4096 bytes on one controller, and no fallback: EOPNOTSUPP',
  {},
  async ({ disk, copy, proof }) => {
    const disks = [await disk('large'), await disk('large4k')] as const
    for (const [from, to] of [disks, disks.toReversed() as [Disk, Disk]]) {
      const call = await copy(
        { path: 'never', from: from.at(0), to: to.at(MiB(8)), bytes: KiB(64) },
        { flags: NO_FALLBACK },
      )
      proof.guest(call).refused('EOPNOTSUPP')
      proof.device(call).untouched()
      await proof.host(to).unchanged()
      await proof.host(from).unchanged()
    }
  },
)

kernelCase(
  'nvme/024',
  'the last block of a namespace to the first of another, and back',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const disks = [await disk('large'), await disk('small')] as const
    for (const [from, to] of [disks, disks.toReversed() as [Disk, Disk]]) {
      const data = pattern(512)
      await from.write(from.bytes - 512, data)
      const call = await copy({ path, from: from.at(from.bytes - 512), to: to.at(0), bytes: 512 })
      proof.guest(call).moved()
      proof.device(call).moved()
      await proof.host(to).changedOnly(0, data)
      await proof.host(from).unchanged()
    }
  },
)

kernelCase(
  'nvme/025',
  'the same blocks of two namespaces do not overlap',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('wide')]
    const data = pattern(MiB(1))
    await from.write(MiB(5), data)
    const call = await copy({ path, from: from.at(MiB(5)), to: to.at(MiB(5)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(5), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/026',
  'several ranges of another namespace are gathered by one Copy command, in their order',
  { offloads: 'nvme-cross-namespace', needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('small'), await disk('large')]
    const data = pattern(KiB(10))
    const ranges = [64, 0, 32, 96, 16].map((at, index): [number, number] => [
      KiB(at),
      index % 2 ? 1024 : 2560,
    ])
    let done = 0
    for (const [offset, bytes] of ranges) {
      await from.write(offset, data.part(done, bytes))
      done += bytes
    }
    const call = await copy({ path, from, ranges, to: to.at(MiB(8)) })
    proof.guest(call).moved()
    const { copies, copySources } = proof.device(call).moved()
    expect(copies).toMatchObject([{ disk: 'large', ranges: ranges.length, format: 2 }])
    expect(copySources.map(({ offset, bytes }) => [offset, bytes])).toEqual(ranges)
    await proof.host(to).changedOnly(MiB(8), data.part(0, done))
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/027',
  'inside of and between three namespaces at once',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const disks = [await disk('small'), await disk('large'), await disk('wide')]
    const data = pattern(MiB(1))
    for (const ns of disks) await ns.write(0, data)
    // Each of its own part of the source, by which a range in the trace is known.
    const part = (to: Disk) => MiB(1 / 4) * disks.indexOf(to)
    const place = (from: Disk) => MiB(8) * (1 + disks.indexOf(from))
    const call = await copy(
      disks.flatMap((from) =>
        disks.map((to) => ({
          path: from === to ? ('nvme-same-namespace' as const) : path,
          from: from.at(part(to)),
          to: to.at(place(from)),
          bytes: KiB(200),
        })),
      ),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    for (const to of disks) {
      const content = data.part(part(to), KiB(200))
      await proof.host(to).changedOnlyIn(disks.map((from) => [place(from), content]))
    }
  },
)

kernelCase(
  'nvme/028',
  'copy_file_range between namespaces is offloaded, too',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('wide')]
    const data = pattern(MiB(1))
    await from.write(MiB(1), data)
    const call = await copy(
      { path, from: from.at(MiB(1)), to: to.at(MiB(40)), bytes: MiB(1) },
      { by: 'copy_file_range', direct: true },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(40), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/030',
  'the host says that it knows format 2 where the controller has it, and nowhere else',
  {},
  async ({ disk, copy, pattern, proof, session }) => {
    const [from, to] = [await disk('large'), await disk('small')]
    const { ocfs, cdfe } = await identify(session, from)
    // NVM Command Set Specification 1.1, Host Behavior Support, CDFE: bit 2 is descriptor format 2.
    const enabled = ((cdfe ?? 0) & 4) !== 0
    expect(enabled).toBe((ocfs & 4) !== 0 && offers(session.profile, path))
    const data = pattern(KiB(4))
    await from.write(0, data)
    const call = await copy({ path, from: from.at(0), to: to.at(0), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(0, data)
    await proof.host(from).unchanged()
  },
)
