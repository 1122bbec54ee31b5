// The rules of the page cache hold for every call that copies.
import { kernelCase } from '../fixtures/case.ts'
import { dirty, NO_FALLBACK, readsBack } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import { type SourceRange, scatter } from '../fixtures/ranges.ts'
import { error } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'cache/012',
  'dirty pages of all the ranges of BLKCOPYV are copied',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const pages = [MiB(2), 0, MiB(1)].map((offset) => ({ offset, content: pattern(KiB(32)) }))
    // They begin and end inside of pages.
    const ranges = pages.map(({ offset }): [number, number] => [offset + 512, KiB(16)])
    const data = Buffer.concat(pages.map(({ content }) => content.part(512, KiB(16)).data))
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) },
      {
        before: pages.map(({ offset, content }) => dirty(ns.at(offset), content)),
        after: pages.map(({ content }, index) =>
          readsBack(ns.at(MiB(8) + index * KiB(16)), content.part(512, KiB(16))),
        ),
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof
      .host(ns)
      .changedOnlyIn([...pages.map(({ offset, content }): Change => [offset, content]), [MiB(8), data]])
  },
)

kernelCase(
  'cache/013',
  'dirty pages of the destination do not overwrite what BLKCOPYV has gathered',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const [data, around] = [pattern(KiB(32)), pattern(KiB(64))]
    const ranges: SourceRange[] = [
      [MiB(1), KiB(16)],
      [0, KiB(16)],
    ]
    await scatter(ns, ranges, data)
    const to = ns.at(MiB(8) + KiB(8) + 512)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns, ranges, to },
      { before: [dirty(ns.at(MiB(8)), around)], after: [readsBack(to, data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(8), around],
      [to.offset, data],
    ])
  },
)

kernelCase(
  'cache/014',
  'copy_file_range copies dirty pages of the source',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(2))
    const copied = data.part(512, MiB(1))
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(512), to: ns.at(MiB(8)), bytes: MiB(1) },
      {
        by: 'copy_file_range',
        direct: true,
        before: [dirty(ns.at(0), data)],
        after: [readsBack(ns.at(MiB(8)), copied)],
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [0, data],
      [MiB(8), copied],
    ])
  },
)

kernelCase(
  'cache/015',
  'copy_file_range keeps dirty neighbours of the destination and drops what it replaces',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const [data, around] = [pattern(KiB(32)), pattern(KiB(64))]
    await ns.write(0, data)
    const to = ns.at(MiB(8) + KiB(8) + 512)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to, bytes: KiB(32) },
      {
        by: 'copy_file_range',
        direct: true,
        before: [dirty(ns.at(MiB(8)), around)],
        after: [readsBack(to, data)],
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(8), around],
      [to.offset, data],
    ])
  },
)

kernelCase(
  'cache/016',
  'clean pages of the destination are not served after copy_file_range that was read and written',
  { needs: ['copy_file_range'] },
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('scsi0')]
    const [data, old] = [pattern(MiB(1)), pattern(MiB(1))]
    await from.write(0, data)
    await to.write(MiB(4), old)
    const call = await copy(
      { path: 'never', from: from.at(0), to: to.at(MiB(4)), bytes: MiB(1) },
      {
        by: 'copy_file_range',
        direct: true,
        before: [readsBack(to.at(MiB(4)), old)],
        after: [readsBack(to.at(MiB(4)), data)],
      },
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(4), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'cache/017',
  'dirty pages of a partition, on both sides',
  {},
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('large')
    const first = await session.partition(ns, MiB(1), MiB(4))
    const second = await session.partition(ns, MiB(8) + 512, MiB(4))
    const [data, around] = [pattern(KiB(128)), pattern(KiB(128))]
    const copied = data.part(512, KiB(64))
    const to = second.at(MiB(1) + KiB(16) + 512)
    const call = await copy(
      { path: 'nvme-same-namespace', from: first.at(512), to, bytes: KiB(64) },
      {
        before: [dirty(first.at(0), data), dirty(second.at(MiB(1)), around)],
        after: [readsBack(to, copied)],
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(1), data],
      [MiB(8) + 512 + MiB(1), around],
      [MiB(8) + 512 + to.offset, copied],
    ])
  },
)

kernelCase(
  'cache/018',
  'what a copy that fails halfway has left is what the page cache serves',
  { needs: ['CONFIG_BLK_DEV_NULL_BLK'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await session.nullBlk({ maxCopySectors: 128 })
    const [data, old] = [pattern(KiB(64)), pattern(KiB(128))]
    await nb.write(0, data)
    await nb.write(MiB(4), old)
    await nb.setBadblocks([[KiB(64), 512]])
    const to = nb.at(MiB(4))
    const call = await copy(
      { path: 'null-blk', from: nb.at(0), to, bytes: KiB(128) },
      {
        before: [readsBack(to, old)],
        after: [readsBack(to, data), readsBack(nb.at(MiB(4) + KiB(64)), old.part(KiB(64), KiB(64)))],
      },
    )
    proof.guest(call).stopped('EIO', KiB(64), 'profile')
    proof.device(call).stopped(KiB(64), 'profile', { failed: session.offloads('null-blk') ? 2 : 1 })
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'cache/019',
  'a copy that must not fall back is refused before dirty pages are written back',
  { needs: ['CONFIG_BLK_DEV_DM'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    // EIO if any of them were
    const bad = await dm.table([error(MiB(1))])
    const call = await copy(
      { path: 'never', from: ns.at(0), to: bad.at(0), bytes: KiB(64) },
      { flags: NO_FALLBACK, before: [dirty(bad.at(0), pattern(KiB(64)))] },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)
