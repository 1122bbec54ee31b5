// Copies between the units of one target.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyRequest, dirty, readsBack } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'scsi/018',
  'from a unit to another one of the target',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const from = await target.unit(await disk('large'))
    const to = await target.unit(await disk('small'))
    const data = pattern(MiB(3) + 512)
    await from.write(512, data)
    const call = await copy({
      path: 'scsi-cross-unit',
      from: from.at(512),
      to: to.at(MiB(8)),
      bytes: MiB(3) + 512,
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/019',
  'from a block device to a file',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const from = await target.unit(await disk('large'))
    const to = await target.unit(await disk('small'), { backstore: 'fileio' })
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/020',
  'from a file to a block device',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const from = await target.unit(await disk('large'), { backstore: 'fileio' })
    const to = await target.unit(await disk('small'))
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/021',
  'units of 4096-byte blocks',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const from = await target.unit(await disk('4k'))
    const to = await target.unit(await disk('large4k'))
    const data = pattern(KiB(132))
    await from.write(KiB(4), data)
    const call = await copy({
      path: 'scsi-cross-unit',
      from: from.at(KiB(4)),
      to: to.at(MiB(8)),
      bytes: KiB(132),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/022',
  'from a file with 4096-byte blocks to a block device with them',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const from = await target.unit(await disk('large'), { backstore: 'fileio', blockSize: 4096 })
    const to = await target.unit(await disk('4k'))
    const data = pattern(KiB(132))
    await from.write(KiB(4), data)
    const call = await copy({
      path: 'scsi-cross-unit',
      from: from.at(KiB(4)),
      to: to.at(MiB(8)),
      bytes: KiB(132),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/023',
  'two units copy to each other at once',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [a, b] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const [one, two] = [pattern(MiB(1)), pattern(MiB(1))]
    await a.write(0, one)
    await b.write(0, two)
    for (const unit of [a, b]) await session.set(`${unit.scsiDevice}/queue_depth`, '1')
    // Who held a command of one unit while waiting for the other would never end.
    const pieces = Array.from({ length: 4 }, (_, index) => index * KiB(256))
    const call = await copy(
      pieces.flatMap((at): CopyRequest[] => [
        { path: 'scsi-cross-unit', from: a.at(at), to: b.at(MiB(4) + at), bytes: KiB(256) },
        { path: 'scsi-cross-unit', from: b.at(at), to: a.at(MiB(4) + at), bytes: KiB(256) },
      ]),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(b).changedOnly(MiB(4), one)
    await proof.host(a).changedOnly(MiB(4), two)
  },
)

kernelCase(
  'scsi/024',
  'several source ranges of another unit',
  { offloads: 'scsi-cross-unit', needs: ['BLKCOPYV'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const data = pattern(MiB(1))
    await from.write(0, data)
    const ranges: [number, number][] = [
      [KiB(512), KiB(64)],
      [512, 512],
      [0, KiB(128)],
    ]
    const call = await copy({ path: 'scsi-cross-unit', from, ranges, to: to.at(512) })
    proof.guest(call).moved()
    expect(proof.device(call).moved().copies).toHaveLength(3)
    const parts = ranges.map(([offset, bytes]) => data.part(offset, bytes).data)
    await proof.host(to).changedOnly(512, Buffer.concat(parts))
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/025',
  'copy_file_range between units',
  { offloads: 'scsi-cross-unit', needs: ['copy_file_range'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const data = pattern(MiB(2))
    await from.write(0, data)
    const call = await copy(
      { path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: MiB(2) },
      { by: 'copy_file_range', direct: true },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(8), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/026',
  'from the partition of a unit to that of another',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const from = await session.partition(await target.unit(await disk('large')), MiB(1) + 512, MiB(4))
    const to = await session.partition(await target.unit(await disk('small')), MiB(3), MiB(2))
    const data = pattern(KiB(256))
    await from.write(KiB(8), data)
    const call = await copy({ path: 'scsi-cross-unit', from: from.at(KiB(8)), to: to.at(0), bytes: KiB(256) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(0, data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'scsi/027',
  'from a unit whose page cache is dirty to one that has stale pages',
  { offloads: 'scsi-cross-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const target = await session.target()
    const [from, to] = [await target.unit(await disk('large')), await target.unit(await disk('small'))]
    const [dirtied, stale] = [pattern(KiB(64)), pattern(KiB(64))]
    await to.write(MiB(8), stale)
    const call = await copy(
      { path: 'scsi-cross-unit', from: from.at(0), to: to.at(MiB(8)), bytes: KiB(64) },
      {
        before: [readsBack(to.at(MiB(8)), stale), dirty(from.at(0), dirtied)],
        after: [readsBack(to.at(MiB(8)), dirtied)],
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(from).changedOnly(0, dirtied)
    await proof.host(to).changedOnly(MiB(8), dirtied)
  },
)
