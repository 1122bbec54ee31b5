// Copies into sequential zones of ZNS namespaces, each from the write pointer on.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-zoned'

kernelCase(
  'zoned/001',
  'a copy into an empty zone is offloaded and moves its write pointer',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(256))
    await session.zones.append(ns, 0, data)
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(4)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(4), data)
    await session.zones.are(ns, {
      0: ['implicitly-open', data.bytes],
      2: ['implicitly-open', data.bytes],
    })
  },
)

kernelCase(
  'zoned/002',
  'writes and copies take turns in a zone',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const [data, one, two] = [pattern(KiB(128)), pattern(KiB(64)), pattern(KiB(32))]
    await session.zones.append(ns, 0, data)
    const zone = MiB(6)
    await session.zones.append(ns, zone, one)
    const first = await copy({ path, from: ns.at(0), to: ns.at(zone + KiB(64)), bytes: data.bytes })
    session.zones.expect(ns, zone + KiB(64), data.data)
    await session.zones.append(ns, zone + KiB(192), two)
    const second = await copy({ path, from: ns.at(zone), to: ns.at(zone + KiB(224)), bytes: one.bytes })
    for (const call of [first, second]) {
      proof.guest(call).moved()
      proof.device(call).moved()
    }
    await proof.host(ns).changedOnly(zone + KiB(224), one)
    await session.zones.are(ns, {
      0: ['implicitly-open', KiB(128)],
      3: ['implicitly-open', KiB(288)],
    })
  },
)

kernelCase(
  'zoned/003',
  'a copy of several commands stays in order and is all offloaded',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    // A command takes 1 MiB, and 256 KiB a range.
    const data = pattern(MiB(1) + KiB(300) + 512)
    await session.zones.append(ns, MiB(2), data)
    const call = await copy({ path, from: ns.at(MiB(2)), to: ns.at(0), bytes: data.bytes })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads(path)) expect(copies).toHaveLength(2)
    await proof.host(ns).changedOnly(0, data)
    await session.zones.are(ns, {
      0: ['implicitly-open', data.bytes],
      1: ['implicitly-open', data.bytes],
    })
  },
)

kernelCase(
  'zoned/004',
  'in a namespace of 4096-byte blocks',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns4k')
    const data = pattern(KiB(4) * 333)
    await session.zones.append(ns, MiB(8), data)
    const call = await copy({ path, from: ns.at(MiB(8)), to: ns.at(MiB(4)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(4), data)
    await session.zones.are(ns, {
      1: ['implicitly-open', data.bytes],
      2: ['implicitly-open', data.bytes],
    })
  },
)

kernelCase(
  'zoned/005',
  'a copy of all of a zone that can be written makes it full',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(MiB(1.5))
    await session.zones.append(ns, 0, data)
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(14)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(14), data)
    await session.zones.are(ns, { 0: 'full', 7: 'full' })
  },
)

kernelCase(
  'zoned/006',
  'within one zone, from before the write pointer to it',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(100))
    await session.zones.append(ns, MiB(2), data)
    const call = await copy({ path, from: ns.at(MiB(2)), to: ns.at(MiB(2) + KiB(100)), bytes: data.bytes })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(2) + KiB(100), data)
    await session.zones.are(ns, { 1: ['implicitly-open', KiB(200)] })
  },
)

kernelCase(
  'zoned/007',
  'ranges of several zones are gathered in one command',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'BLKCOPYV'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(96))
    // The limits allow three zones to be open, the device closes one by itself.
    for (const [index, zone] of [MiB(2), MiB(6), MiB(10)].entries())
      await session.zones.append(ns, zone, data.part(index * KiB(32), KiB(32)))
    const call = await copy({
      path,
      from: ns,
      ranges: [
        [MiB(2), KiB(32)],
        [MiB(6), KiB(32)],
        [MiB(10), KiB(32)],
      ],
      to: ns.at(0),
    })
    proof.guest(call).moved()
    const { copies } = proof.device(call).moved()
    if (session.offloads(path)) expect(copies.map(({ ranges }) => ranges)).toEqual([3])
    await proof.host(ns).changedOnly(0, data)
  },
)

kernelCase(
  'zoned/008',
  'copy_file_range from one zone to another',
  { needs: ['CONFIG_BLK_DEV_ZONED', 'copy_file_range'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(500))
    await session.zones.append(ns, 0, data)
    const call = await copy(
      { path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes },
      { by: 'copy_file_range', direct: true },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
    await session.zones.are(ns, { 0: ['implicitly-open', KiB(500)], 4: ['implicitly-open', KiB(500)] })
  },
)

kernelCase(
  'zoned/009',
  'between namespaces: from one without zones, and to one',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const [plain, zoned] = [await disk('large'), await disk('zns')]
    const [one, two] = [pattern(KiB(600)), pattern(KiB(200))]
    await plain.write(KiB(4), one)
    await session.zones.append(zoned, MiB(2), two)
    const between = ['nvme-cross-namespace', path] as const
    const call = await copy([
      { path: between, from: plain.at(KiB(4)), to: zoned.at(0), bytes: one.bytes },
      { path: between, from: zoned.at(MiB(2)), to: plain.at(MiB(8)), bytes: two.bytes },
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(zoned).changedOnly(0, one)
    await proof.host(plain).changedOnly(MiB(8), two)
    await session.zones.are(zoned, {
      0: ['implicitly-open', one.bytes],
      1: ['implicitly-open', two.bytes],
    })
  },
)

kernelCase(
  'zoned/010',
  'from SCSI into a zone, in order, by reading and writing',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const [from, to] = [await disk('scsi0'), await disk('zns')]
    const data = pattern(MiB(1.5))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(2)), bytes: data.bytes })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(2), data)
    await proof.host(from).unchanged()
    await session.zones.are(to, { 1: 'full' })
  },
)

kernelCase(
  'zoned/011',
  'a source behind the write pointer: what the device has there is copied',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(64))
    await session.zones.append(ns, 0, data)
    // QEMU has what is in the image.
    const behind = pattern(KiB(64))
    await ns.write(KiB(64), behind)
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(2)), bytes: KiB(128) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(2), data],
      [MiB(2) + KiB(64), behind],
    ])
    await session.zones.are(ns, { 0: ['implicitly-open', KiB(64)], 1: ['implicitly-open', KiB(128)] })
  },
)

kernelCase(
  'zoned/012',
  'a zone that was reset takes a copy at its start again',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(64))
    await session.zones.append(ns, 0, data)
    const calls = []
    for (const zone of [MiB(2), MiB(4)]) {
      calls.push(await copy({ path, from: ns.at(0), to: ns.at(zone), bytes: data.bytes }))
      // QEMU fills what is reset with zeroes.
      await session.zones.must('reset', ns, zone, MiB(2))
      session.zones.expect(ns, zone, Buffer.alloc(MiB(2)))
      calls.push(await copy({ path, from: ns.at(0), to: ns.at(zone), bytes: data.bytes }))
      session.zones.expect(ns, zone, data.data)
    }
    for (const call of calls) {
      proof.guest(call).moved()
      proof.device(call).moved()
    }
    await proof.host(ns).unchanged()
    const state = ['implicitly-open', data.bytes] as const
    await session.zones.are(ns, { 0: state, 1: state, 2: state })
  },
)

kernelCase(
  'zoned/013',
  'a zone that was opened, and one that was closed and is opened again by the copy',
  { needs: ['CONFIG_BLK_DEV_ZONED'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('zns')
    const data = pattern(KiB(64))
    await session.zones.append(ns, 0, data)
    await session.zones.must('open', ns, MiB(2), MiB(2))
    const opened = await copy({ path, from: ns.at(0), to: ns.at(MiB(2)), bytes: data.bytes })
    session.zones.expect(ns, MiB(2), data.data)
    await session.zones.must('close', ns, 0, MiB(2))
    const closed = await copy({ path, from: ns.at(MiB(2)), to: ns.at(KiB(64)), bytes: data.bytes })
    for (const call of [opened, closed]) {
      proof.guest(call).moved()
      proof.device(call).moved()
    }
    await proof.host(ns).changedOnly(KiB(64), data)
    await session.zones.are(ns, { 0: ['implicitly-open', KiB(128)], 1: ['explicitly-open', KiB(64)] })
  },
)
