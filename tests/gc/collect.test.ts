// Garbage collection as a log-structured filesystem would have the block layer do it: many scattered sources, one destination.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import {
  type Collected,
  type Collection,
  collect,
  contentsOfVictims,
  rangesOf,
  scattered,
} from '../fixtures/collect.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import type { Way } from '../fixtures/moves.ts'
import { linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Moves all blocks, of which the device has copied those that it must. */
async function moves(
  { proof, session }: CaseTools,
  collection: Collection,
  way: Way = 'profile',
): Promise<Collected> {
  const data = contentsOfVictims(collection)
  const { call, collected } = await collect(session, collection)
  proof.guest(call).moved(way)
  const { copyDestinations } = proof.device(call).moved(way)
  const offloaded = copyDestinations.reduce((sum, { bytes }) => sum + bytes, 0)
  const blocks = data.length / (collection.blockBytes ?? 4096)
  expect(collected).toMatchObject({
    error: 0,
    blocks,
    moved: blocks,
    copied: data.length,
    offloaded,
    wrong: 0,
  })
  const { from, to } = collection
  await proof.host(to.target).changedOnly(to.offset, data)
  if (from !== to.target) await proof.host(from).unchanged()
  return collected
}

kernelCase(
  'gc/001',
  'the valid blocks of a section are moved by the device, in one call',
  { offloads: 'nvme-same-namespace', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async (tools) => {
    const ns = await tools.disk('large')
    const victims = [{ offset: MiB(2), valid: scattered(512, 50) }]
    const { calls } = await moves(tools, {
      path: 'nvme-same-namespace',
      ...{ from: ns, victims, to: ns.at(MiB(16)) },
    })
    expect(calls).toBe(1)
  },
)

kernelCase(
  'gc/002',
  'a section in which all is valid is one range',
  { offloads: 'nvme-same-namespace', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async (tools) => {
    const ns = await tools.disk('large')
    const victims = [{ offset: MiB(2), valid: scattered(512, 100) }]
    const { ranges } = await moves(tools, {
      path: 'nvme-same-namespace',
      ...{ from: ns, victims, to: ns.at(MiB(16)) },
    })
    expect(ranges).toBe(1)
  },
)

kernelCase(
  'gc/003',
  'several victims fill a zone, with four calls in flight',
  { offloads: 'nvme-same-namespace', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async (tools) => {
    const ns = await tools.disk('wide')
    const victims = [0, 1, 2, 3].map((index) => ({
      ...{ offset: MiB(8) * index, valid: scattered(2048, 25, index + 1) },
    }))
    await moves(tools, {
      path: 'nvme-same-namespace',
      ...{ from: ns, victims, to: ns.at(MiB(40)), callBlocks: 512, depth: 4 },
    })
  },
)

kernelCase(
  'gc/004',
  'eight thousand ranges in one call',
  { offloads: 'nvme-same-namespace', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async (tools) => {
    const ns = await tools.disk('large')
    const valid = Array.from({ length: MiB(8) / 512 }, (_, index) => index % 2 === 0)
    const { ranges } = await moves(tools, {
      path: 'nvme-same-namespace',
      ...{ from: ns, victims: [{ offset: 0, valid }], to: ns.at(MiB(20)), blockBytes: 512 },
    })
    expect(ranges).toBe(8192)
  },
)

kernelCase(
  'gc/005',
  'between two namespaces',
  { offloads: 'nvme-cross-namespace', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async (tools) => {
    const [from, to] = [await tools.disk('large'), await tools.disk('wide')]
    const victims = [{ offset: MiB(2), valid: scattered(512, 50) }]
    await moves(tools, {
      path: 'nvme-cross-namespace',
      from,
      victims,
      to: to.at(MiB(1)),
      callBlocks: 100,
      depth: 2,
    })
  },
)

kernelCase(
  'gc/006',
  'to another controller all is read and written',
  { needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async (tools) => {
    const [from, to] = [await tools.disk('large'), await tools.disk('4k')]
    const victims = [{ offset: MiB(2), valid: scattered(512, 50) }]
    const { offloaded } = await moves(
      tools,
      { path: 'never', from, victims, to: to.at(MiB(1)), callBlocks: 100, depth: 3 },
      'fallback',
    )
    expect(offloaded).toBe(0)
  },
)

kernelCase(
  'gc/007',
  'blocks of a disk that may not copy are read and written',
  { offloads: 'nvme-same-namespace', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints', 'limits'] },
  async (tools) => {
    const { disk, session } = tools
    const ns = await disk('large')
    await session.setQueue(ns, session.profile.sysfs.limit, '0')
    const victims = [{ offset: 0, valid: scattered(256, 50) }]
    await moves(tools, { path: 'nvme-same-namespace', from: ns, victims, to: ns.at(MiB(16)) }, 'fallback')
  },
)

kernelCase(
  'gc/008',
  'without fallback to another controller nothing is moved, and no further call is made',
  { needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async ({ disk, proof, session }) => {
    const [from, to] = [await disk('large'), await disk('4k')]
    const victims = [{ offset: 0, valid: scattered(512, 50) }]
    const { call, collected } = await collect(session, {
      path: 'never',
      ...{ from, victims, to: to.at(0), callBlocks: 64, flags: NO_FALLBACK },
    })
    const EOPNOTSUPP = 95
    expect(collected).toMatchObject({
      error: -EOPNOTSUPP,
      calls: 1,
      moved: 0,
      copied: 0,
      offloaded: 0,
      wrong: 0,
    })
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(to).unchanged()
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'gc/009',
  'from dm-linear to dm-linear, over the borders of their tables',
  {
    offloads: ['dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'],
  },
  async (tools) => {
    const { disk, dm } = tools
    const ns = await disk('large')
    const from = await dm.table([linear(ns, MiB(3), KiB(700)), linear(ns, 0, MiB(2))])
    const to = await dm.table([linear(ns, MiB(20), KiB(333)), linear(ns, MiB(16), MiB(2))])
    const victims = [
      { offset: KiB(4), valid: scattered(256, 60) },
      { offset: MiB(1) + KiB(512), valid: scattered(256, 40) },
    ]
    await moves(tools, { path: 'dm-linear', from, victims, to: to.at(KiB(8)), callBlocks: 96, depth: 3 })
  },
)

kernelCase(
  'gc/010',
  'on dm-crypt all is read and written, and the ciphertext is right',
  { needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'CONFIG_DM_CRYPT', 'tracepoints'] },
  async (tools) => {
    const { disk, dm, pattern, proof, session } = tools
    const volume = await dm.crypt(await disk('large'))
    const plain = pattern(MiB(2))
    await volume.write(0, plain)
    const victims = [{ offset: 0, valid: scattered(512, 50) }]
    const { call, collected } = await collect(session, {
      ...{ path: 'dm-crypt', from: volume, victims, to: volume.at(MiB(16)), callBlocks: 64, depth: 2 },
    })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    // What the disk holds is the ciphertext.
    const whole = rangesOf(victims, KiB(4)).map(([offset, bytes]) => plain.part(offset, bytes).data)
    const data = Buffer.concat(whole)
    expect(collected).toMatchObject({ error: 0, copied: data.length, offloaded: 0, wrong: 0 })
    await proof.host(volume).changedOnly(MiB(16), data)
  },
)

kernelCase(
  'gc/011',
  'eight calls are in flight at once, and end in any order',
  { offloads: 'null-blk', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async (tools) => {
    // Long enough for a slow guest to make eight calls.
    const nb = await tools.session.nullBlk({
      ...{ bytes: MiB(2), maxCopySectors: 1024, maxCopyRanges: 32 },
      ...{ completionNs: 400_000_000, hwQueueDepth: 16 },
    })
    const victims = [{ offset: 0, valid: scattered(256, 50) }]
    const { depth } = await moves(tools, {
      path: 'null-blk',
      ...{ from: nb, victims, to: nb.at(MiB(1)), callBlocks: 8, depth: 8 },
    })
    expect(depth).toBe(8)
  },
)

kernelCase(
  'gc/012',
  'a block that cannot be read: what is before it has been moved, and no further call is made',
  { offloads: 'null-blk', needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'tracepoints'] },
  async ({ proof, session }) => {
    // Every other block is valid, and the 20th of these is bad: the fourth of the third call.
    const nb = await session.nullBlk({
      ...{ bytes: MiB(16), maxCopySectors: 1024, maxCopyRanges: 4 },
      badblocks: [[KiB(4) * 2 * 19, 512]],
    })
    const valid = Array.from({ length: 128 }, (_, index) => index % 2 === 0)
    const collection = {
      path: 'null-blk',
      from: nb,
      victims: [{ offset: 0, valid }],
      to: nb.at(MiB(8)),
    } as const
    const data = contentsOfVictims(collection)
    const { call, collected } = await collect(session, { ...collection, callBlocks: 8 })
    const EIO = 5
    expect(collected).toMatchObject({ error: -EIO, calls: 3, moved: 19, copied: KiB(4) * 19, wrong: 0 })
    proof.guest(call).stopped('EIO', KiB(4) * 19, 'traced')
    proof.device(call).reached(KiB(4) * 19, 'traced', { failed: 'some' })
    await proof.host(nb).changedUpTo(MiB(8), data, KiB(4) * 19)
  },
)

kernelCase(
  'gc/013',
  'a bio that fails: all blocks arrive, one way or the other',
  {
    offloads: 'nvme-same-namespace',
    needs: ['in_kernel', 'CONFIG_BLK_COPY_TEST', 'CONFIG_FAIL_MAKE_REQUEST', 'tracepoints'],
  },
  async (tools) => {
    const { disk, session, proof } = tools
    const ns = await disk('large')
    const victims = [{ offset: 0, valid: scattered(512, 50) }]
    const collection = { path: 'nvme-same-namespace', from: ns, victims, to: ns.at(MiB(16)) } as const
    const data = contentsOfVictims(collection)
    await session.failBios(ns, 1)
    const { call, collected } = await collect(session, { ...collection, callBlocks: 64, depth: 2 })
    await session.restore()
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    expect(collected).toMatchObject({ error: 0, copied: data.length, wrong: 0 })
    expect(collected.offloaded).toBeGreaterThan(0)
    expect(collected.offloaded).toBeLessThan(data.length)
    await proof.host(ns).changedOnly(MiB(16), data)
  },
)
