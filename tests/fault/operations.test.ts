// Errors that are injected for one operation (Documentation/block/error-injection.rst): just what they hit is read and
// written, and a copy that is offloaded does not read or write.

import { expect } from 'vitest'
import { outside } from '../../harness/evidence/ranges.ts'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyOptions, NO_FALLBACK } from '../fixtures/copy.ts'
import type { InjectedError } from '../fixtures/knobs.ts'
import { type SourceRange, scatter } from '../fixtures/ranges.ts'
import { linear } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Copies 256 KiB, 32 KiB at a time, inside of a null_blk device with errors injected. */
async function withErrors(tools: CaseTools, errors: readonly InjectedError[], options: CopyOptions = {}) {
  const { session, copy, pattern } = tools
  const nb = await session.nullBlk({ maxCopySectors: 64 })
  const data = pattern(KiB(256))
  await nb.write(0, data)
  for (const one of errors) await session.injectErrors(nb, one)
  const call = await copy({ path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: data.bytes }, options)
  await session.restore()
  return { nb, data, call }
}

kernelCase(
  'fault/027',
  'every source of a copy fails: read and written',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_ERROR_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const { nb, data, call } = await withErrors(tools, [{ op: 'COPY_SRC', status: 'IOERR' }])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'fault/028',
  'every destination of a copy fails: read and written',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_ERROR_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const { nb, data, call } = await withErrors(tools, [{ op: 'COPY_DST', status: 'TARGET' }])
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'fault/029',
  'reads and writes fail, and a copy that is offloaded needs none',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_ERROR_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const { nb, data, call } = await withErrors(tools, [
      { op: 'READ', status: 'IOERR' },
      { op: 'WRITE', status: 'IOERR' },
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'fault/030',
  'a piece in the middle of a copy is refused: the first one stays offloaded, that one is read and written',
  { offloads: 'null-blk', needs: ['tracepoints', 'CONFIG_BLK_ERROR_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const second = { start: MiB(4) + KiB(32), bytes: KiB(32) }
    const { nb, data, call } = await withErrors(tools, [{ op: 'COPY_DST', status: 'NOTSUPP', ...second }])
    proof.guest(call).moved('traced')
    const { copyDestinations, writes } = proof.device(call).moved('traced')
    expect(outside([{ offset: MiB(4), bytes: KiB(32) }], copyDestinations)).toEqual([])
    // What follows may be offloaded again, or not.
    expect(outside([{ offset: second.start, bytes: second.bytes }], writes)).toEqual([])
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'fault/031',
  'the status of a copy reaches who wants no fallback',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_ERROR_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const { nb, call } = await withErrors(tools, [{ op: 'COPY_DST', status: 'MEDIUM' }], {
      flags: NO_FALLBACK,
    })
    proof.guest(call).refused('ENODATA')
    proof.device(call).untouched()
    await proof.host(nb).unchanged()
  },
)

kernelCase(
  'fault/032',
  'a status of the fallback reaches the caller, and not that of the offload before it',
  { offloads: 'null-blk', needs: ['CONFIG_BLK_ERROR_INJECTION'] },
  async (tools) => {
    const { proof } = tools
    const { nb, call } = await withErrors(tools, [
      { op: 'COPY_SRC', status: 'IOERR' },
      { op: 'READ', status: 'MEDIUM' },
    ])
    proof.guest(call).refused('ENODATA')
    proof.device(call).untouched()
    await proof.host(nb).unchanged()
  },
)

kernelCase(
  'fault/033',
  'every other destination fails while eight copies are under way: each is whole',
  { offloads: 'nvme-same-namespace', needs: ['tracepoints', 'CONFIG_BLK_ERROR_INJECTION'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('small')
    const data = pattern(KiB(256))
    await ns.write(0, data)
    await session.injectErrors(ns, { op: 'COPY_DST', status: 'RESOURCE', chance: 2 })
    const places = Array.from({ length: 8 }, (_, index) => MiB(8) + index * MiB(1))
    const call = await copy(
      places.map((to) => ({
        path: 'nvme-same-namespace' as const,
        from: ns.at(0),
        to: ns.at(to),
        bytes: data.bytes,
      })),
    )
    await session.restore()
    proof.guest(call).moved('traced')
    const { writes } = proof.device(call).moved('traced')
    expect(writes).not.toEqual([])
    await proof.host(ns).changedOnlyIn(places.map((to) => [to, data]))
  },
)

kernelCase(
  'fault/034',
  'one of four sources of a copy fails: the ranges are read and written',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV', 'CONFIG_BLK_ERROR_INJECTION'] },
  async ({ disk, session, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(KiB(64))
    const ranges = [3, 1, 2, 0].map((index): SourceRange => [index * MiB(1), KiB(16)])
    await scatter(ns, ranges, data)
    await session.injectErrors(ns, { op: 'COPY_SRC', status: 'IOERR', start: MiB(2), bytes: KiB(4) })
    const call = await copy({ path: 'nvme-same-namespace', from: ns, ranges, to: ns.at(MiB(8)) })
    await session.restore()
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'fault/038',
  'without fallback, the status of a piece that failed is told, though one in front of it still has a way to go',
  {
    offloads: ['dm-linear', 'null-blk'],
    needs: ['tracepoints', 'CONFIG_BLK_DEV_DM', 'CONFIG_BLK_ERROR_INJECTION'],
  },
  async ({ session, copy, pattern, proof, dm }) => {
    const slow = { maxCopySectors: 128, completionNs: 5_000_000 }
    const [from, to] = [await session.nullBlk(slow), await session.nullBlk(slow)]
    // Sixteen boundaries in the second 64 KiB; the third fail at once.
    const small = Array.from({ length: 16 }, (_, index) => linear(to, KiB(64 + 4 * index), KiB(4)))
    const volume = await dm.table([linear(to, 0, KiB(64)), ...small, linear(to, KiB(128), MiB(2))])
    const data = pattern(KiB(256))
    await from.write(0, data)
    await session.injectErrors(to, { op: 'COPY_DST', status: 'MEDIUM', start: KiB(128), bytes: KiB(64) })
    const call = await copy(
      { path: ['dm-linear', 'null-blk'], from: from.at(0), to: volume.at(0), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    await session.restore()
    const { copied } = proof.guest(call).cutShort('ENODATA')
    expect(copied).toBe(KiB(128))
    proof.device(call).reached(copied, 'traced')
    await proof.host(volume).changedUpTo(0, data, copied)
    await proof.host(from).unchanged()
  },
)
