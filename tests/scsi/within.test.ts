// Copies inside of a unit that takes EXTENDED COPY.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyRequest, dirty, readsBack } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import { linear, zero } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'scsi/006',
  'a unit copies inside of itself',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(512, data)
    const call = await copy({
      path: 'scsi-same-unit',
      from: unit.at(512),
      to: unit.at(MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    expect(proof.device(call).moved().copies).toHaveLength(1)
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/007',
  'a unit in a file',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'), { backstore: 'fileio' })
    const data = pattern(MiB(1))
    await unit.write(0, data)
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/008',
  'a unit of 4096-byte blocks',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('4k'))
    const data = pattern(KiB(68))
    await unit.write(KiB(4), data)
    const call = await copy({
      path: 'scsi-same-unit',
      from: unit.at(KiB(4)),
      to: unit.at(MiB(8)),
      bytes: KiB(68),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/009',
  'blocks of 4096 bytes in a file on blocks of 512',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const disk512 = await disk('large')
    const unit = await (await session.target()).unit(disk512, { backstore: 'fileio', blockSize: 4096 })
    expect(await session.getQueue(unit, 'logical_block_size')).toBe('4096')
    const data = pattern(KiB(132))
    await unit.write(KiB(4), data)
    const call = await copy({
      path: 'scsi-same-unit',
      from: unit.at(KiB(4)),
      to: unit.at(MiB(8)),
      bytes: KiB(132),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/010',
  'one block more than a segment can have',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('wide'))
    const data = pattern(65536 * 512)
    await unit.write(0, data)
    const call = await copy({
      path: 'scsi-same-unit',
      from: unit.at(0),
      to: unit.at(MiB(32)),
      bytes: MiB(32),
    })
    proof.guest(call).moved()
    const { copyDestinations } = proof.device(call).moved()
    expect(copyDestinations.map(({ bytes }) => bytes)).toEqual([65535 * 512, 512])
    await proof.host(unit).changedOnly(MiB(32), data)
  },
)

kernelCase(
  'scsi/011',
  'the first block to the last, and back',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const [first, last] = [pattern(512), pattern(512)]
    const end = unit.bytes - 512
    await unit.write(0, first)
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(end), bytes: 512 })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(end, first)
    await unit.write(end, last)
    const back = await copy({ path: 'scsi-same-unit', from: unit.at(end), to: unit.at(0), bytes: 512 })
    proof.guest(back).moved()
    proof.device(back).moved()
    await proof.host(unit).changedOnly(0, last)
  },
)

kernelCase(
  'scsi/012',
  'several source ranges are as many commands',
  { offloads: 'scsi-same-unit', needs: ['BLKCOPYV'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(1))
    await unit.write(0, data)
    // The target takes one segment in a command.
    const ranges: [number, number][] = [
      [KiB(512), KiB(64)],
      [0, 512],
      [KiB(64), KiB(128)],
    ]
    const call = await copy({ path: 'scsi-same-unit', from: unit, ranges, to: unit.at(MiB(8)) })
    proof.guest(call).moved()
    expect(proof.device(call).moved().copies).toHaveLength(3)
    const parts = ranges.map(([offset, bytes]) => data.part(offset, bytes).data)
    await proof.host(unit).changedOnly(MiB(8), Buffer.concat(parts))
  },
)

kernelCase(
  'scsi/013',
  'copy_file_range',
  { offloads: 'scsi-same-unit', needs: ['copy_file_range'] },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const data = pattern(MiB(2))
    await unit.write(0, data)
    const call = await copy(
      { path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(2) },
      { by: 'copy_file_range', direct: true },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/014',
  'what the page cache has dirty of the source is copied, and what it has of the destination is dropped',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const [dirtied, stale] = [pattern(KiB(64)), pattern(KiB(64))]
    await unit.write(MiB(8), stale)
    const call = await copy(
      { path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: KiB(64) },
      {
        before: [readsBack(unit.at(MiB(8)), stale), dirty(unit.at(0), dirtied)],
        after: [readsBack(unit.at(MiB(8)), dirtied)],
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnlyIn([
      [0, dirtied],
      [MiB(8), dirtied],
    ])
  },
)

kernelCase(
  'scsi/015',
  'eight copies at once, and a queue of one command',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    await session.set(`${unit.scsiDevice}/queue_depth`, '1')
    const data = pattern(MiB(2))
    await unit.write(0, data)
    const pieces = Array.from({ length: 8 }, (_, index) => index * KiB(256))
    const call = await copy(
      pieces.map((at): CopyRequest => {
        return { path: 'scsi-same-unit', from: unit.at(at), to: unit.at(MiB(16) - at), bytes: KiB(256) }
      }),
    )
    proof.guest(call).moved()
    expect(proof.device(call).moved().copies).toHaveLength(8)
    await proof.host(unit).changedOnlyIn(pieces.map((at): Change => [MiB(16) - at, data.part(at, KiB(256))]))
  },
)

kernelCase(
  'scsi/016',
  'between partitions of a unit',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    const from = await session.partition(unit, MiB(1) + 512, MiB(4))
    const to = await session.partition(unit, MiB(16), MiB(2))
    const data = pattern(KiB(256))
    await from.write(KiB(8), data)
    const end = MiB(2) - KiB(256)
    const call = await copy({
      path: 'scsi-same-unit',
      from: from.at(KiB(8)),
      to: to.at(end),
      bytes: KiB(256),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(end, data)
  },
)

kernelCase(
  'scsi/017',
  'with none as scheduler',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, pattern, proof }) => {
    const unit = await (await session.target()).unit(await disk('large'))
    await session.setQueue(unit, 'scheduler', 'none')
    const data = pattern(MiB(1))
    await unit.write(0, data)
    const call = await copy({ path: 'scsi-same-unit', from: unit.at(0), to: unit.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'scsi/071',
  'behind the first 2^32 blocks',
  { offloads: 'scsi-same-unit' },
  async ({ session, disk, copy, dm, pattern, proof }) => {
    const large = await disk('large')
    const before = 2 ** 32 * 512
    const volume = await dm.table([zero(before), linear(large, 0, large.bytes)])
    const unit = await (await session.target()).unit(large, { through: { volume, before } })
    const data = pattern(MiB(1))
    await unit.write(before, data)
    const call = await copy({
      path: 'scsi-same-unit',
      from: unit.at(before),
      to: unit.at(before + MiB(8)),
      bytes: MiB(1),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(unit).changedOnly(before + MiB(8), data)
  },
)
