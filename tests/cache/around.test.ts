// What shares a page with the copy's range, and who reads and writes beside it.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { Cgroup } from '../fixtures/cgroup.ts'
import { dirty, NO_FALLBACK, readsBack } from '../fixtures/copy.ts'
import { stepWords } from '../fixtures/copy-command.ts'
import { tool } from '../fixtures/lab.ts'
import { beginLong, longBytes, slowDisk } from '../fixtures/long-copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'cache/006',
  'the dirty neighbours of a single block survive, and it is the copied one',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const [block, page] = [pattern(512), pattern(KiB(4))]
    await ns.write(0, block)
    // The third block of a page
    const to = ns.at(MiB(8) + 1024)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to, bytes: 512 },
      {
        before: [dirty(ns.at(MiB(8)), page)],
        after: [
          readsBack(ns.at(MiB(8)), page.part(0, 1024)),
          readsBack(to, block),
          readsBack(ns.at(MiB(8) + 1536), page.part(1536, KiB(4) - 1536)),
        ],
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(8), page],
      [to.offset, block],
    ])
  },
)

kernelCase(
  'cache/007',
  'the first and the last page of the destination, cached and clean, are read anew',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const [data, old] = [pattern(KiB(16)), pattern(KiB(32))]
    await ns.write(0, data)
    await ns.write(MiB(8), old)
    // Neither end is at the end of a page.
    const to = ns.at(MiB(8) + KiB(4) + 512)
    const end = KiB(4) + 512 + KiB(16)
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(0), to, bytes: KiB(16) },
      {
        before: [readsBack(ns.at(MiB(8)), old)],
        after: [
          readsBack(ns.at(MiB(8)), old.part(0, KiB(4) + 512)),
          readsBack(to, data),
          readsBack(ns.at(MiB(8) + end), old.part(end, KiB(32) - end)),
        ],
      },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(to.offset, data)
  },
)

kernelCase(
  'cache/008',
  'source and destination in one dirty page',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const page = pattern(KiB(4))
    const call = await copy(
      { path: 'nvme-same-namespace', from: ns.at(MiB(8)), to: ns.at(MiB(8) + KiB(2)), bytes: 1024 },
      { before: [dirty(ns.at(MiB(8)), page)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(8), page],
      [MiB(8) + KiB(2), page.part(0, 1024)],
    ])
  },
)

kernelCase(
  'cache/009',
  'dirty pages on both sides of a copy that is read and written',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('large'), await disk('scsi0')]
    const [data, around] = [pattern(MiB(2)), pattern(MiB(2))]
    const place = to.at(MiB(8) + 512)
    const copied = data.part(512, MiB(1))
    const call = await copy(
      { path: 'never', from: from.at(512), to: place, bytes: MiB(1) },
      {
        before: [dirty(from.at(0), data), dirty(to.at(MiB(8)), around)],
        after: [
          readsBack(to.at(MiB(8)), around.part(0, 512)),
          readsBack(place, copied),
          readsBack(to.at(place.offset + MiB(1)), around.part(MiB(1) + 512, MiB(1) - 512)),
          readsBack(from.at(0), data),
        ],
      },
    )
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnlyIn([
      [MiB(8), around],
      [place.offset, copied],
    ])
    await proof.host(from).changedOnly(0, data)
  },
)

kernelCase(
  'cache/010',
  'who writes right beside a copy under way loses nothing',
  { offloads: 'null-blk', needs: ['limits'] },
  async ({ session, pattern, proof }) => {
    const nb = await slowDisk(session)
    const [data, before, behind] = [pattern(longBytes), pattern(KiB(8)), pattern(KiB(8))]
    await nb.write(0, data)
    const to = nb.at(MiB(1))
    const [first, last] = [to.offset - KiB(8), to.offset + longBytes]
    const copying = await beginLong(
      session,
      { path: 'null-blk', from: nb.at(0), to, bytes: longBytes },
      { after: [readsBack(to, data)] },
    )
    for (const step of [dirty(nb.at(first), before), dirty(nb.at(last), behind)])
      await session.must([tool, ...stepWords(step)])
    const call = await copying.hurry()
    proof.guest(call).moved()
    // The page cache is written back when the kernel likes.
    const besides = [first, last].map((offset) => ({ disk: nb.name, offset, bytes: KiB(8) }))
    proof.device(call).moved('profile', { besides })
    await proof.host(nb).changedOnlyIn([
      [to.offset, data],
      [first, before],
      [last, behind],
    ])
  },
)

kernelCase(
  'cache/011',
  'who reads the destination while it is copied to leaves nothing stale in the page cache',
  { offloads: 'null-blk', needs: ['limits'] },
  async ({ session, pattern, proof }) => {
    const nb = await slowDisk(session)
    const [old, data] = [pattern(longBytes), pattern(longBytes)]
    await nb.write(0, data)
    await nb.write(MiB(1), old)
    const to = nb.at(MiB(1))
    const copying = await beginLong(
      session,
      { path: 'null-blk', from: nb.at(0), to, bytes: longBytes },
      { after: [readsBack(to, data)] },
    )
    // Old or new, whatever it gets: what stays in the cache is the point.
    await session.must([tool, ...stepWords(readsBack(to, old))])
    const call = await copying.hurry()
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'cache/020',
  'who writes to the destination of a copy that ends before anything was written gets no error of fsync',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_DEV_THROTTLING', 'CONFIG_FAIL_MAKE_REQUEST'] },
  async ({ session, pattern, proof }) => {
    const [from, to] = [
      await session.nullBlk({ maxCopySectors: 128 }),
      await session.nullBlk({ maxCopySectors: 128 }),
    ]
    const cgroup = await Cgroup.make(session, 'caller')
    const page = pattern(KiB(4))
    // The bio of the destination fails at once; that of the source waits for four seconds.
    await cgroup.limit(from, { rbps: KiB(16) })
    await session.failBios(to, 1)
    const copying = await session.begin(
      { path: 'null-blk', from: from.at(0), to: to.at(0), bytes: KiB(64) },
      { cgroup, flags: NO_FALLBACK },
    )
    await copying.meets([tool, ...stepWords(dirty(to.at(0), page)), ',', 'clock'])
    const call = await copying.done()
    proof.guest(call).refused('EIO')
    // The page cache is written back when the kernel likes.
    proof.device(call).stopped(0, 'profile', { besides: [{ disk: to.name, offset: 0, bytes: page.bytes }] })
    expect(call.unflushed).toEqual([])
    await proof.host(to).changedOnly(0, page)
    await proof.host(from).unchanged()
  },
)
