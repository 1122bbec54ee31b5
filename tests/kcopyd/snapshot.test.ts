// dm-snapshot: what is overwritten in the origin is first copied to the snapshot, and a merge copies the other way.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { blank } from '../fixtures/device-mapper.ts'
import { crypt, target } from '../fixtures/rows.ts'
import { contentsOf, type Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import type { OpaqueVolume } from '../fixtures/volume.ts'
import { fillBy, mustHold, offloadedBytes, readsBegin } from './watching.ts'

const chunk = KiB(64)

/** A snapshot whose store is gone with it: the nth chunk that is copied lies in the nth chunk of `cow`. */
function snapshot({ dm }: CaseTools, of: Target, cow: Target): Promise<OpaqueVolume> {
  return dm.holding([target('snapshot', of.bytes, of, cow, 'N', chunk / 512)], contentsOf(of))
}

/** Overwrites some chunks of an origin, in order, from the byte `at` on; they must be saved in `cow` by then. */
async function overwrite(
  tools: CaseTools,
  o: { of: Target; cow: Target; at: number; bytes: number; way: 'offload' | 'fallback' },
): Promise<void> {
  const { pattern, proof, dm, session } = tools
  const { of, cow, at, bytes, way } = o
  const saved = Math.ceil((at + bytes) / chunk) * chunk - Math.floor(at / chunk) * chunk
  const from = of.at(Math.floor(at / chunk) * chunk)
  const old = contentsOf(of).subarray(from.offset, from.offset + saved)
  const frozen = await snapshot(tools, of, cow)
  const origin = await dm.origin(of)
  const data = pattern(bytes)
  const call = await session.watch({ path: 'dm-kcopyd', from, to: cow.at(0), bytes: saved }, () =>
    fillBy(session, origin, [at, data]),
  )
  proof.guest(call).moved(way)
  proof.device(call).moved(way, { besides: of.map(at, bytes) })
  mustHold(of, at, data)
  await proof.host(cow).changedOnly(0, old)
  await proof.host(of).unchanged()
  await proof.host(frozen).unchanged()
}

kernelCase(
  'kcopyd/020',
  'the device saves a chunk of the origin that is overwritten',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'],
  },
  async (tools) => {
    const ns = await tools.disk('large')
    const [of, cow] = [await tools.dm.linear(ns, 0, MiB(8)), await tools.dm.linear(ns, MiB(16), MiB(8))]
    await overwrite(tools, { of, cow, at: MiB(1), bytes: chunk, way: 'offload' })
  },
)

kernelCase(
  'kcopyd/021',
  'many chunks, the first and the last overwritten in part',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'],
  },
  async (tools) => {
    const ns = await tools.disk('large')
    const [of, cow] = [await tools.dm.linear(ns, 512, MiB(8)), await tools.dm.linear(ns, MiB(16), MiB(8))]
    await overwrite(tools, { of, cow, at: MiB(1) - KiB(4), bytes: chunk * 12 + KiB(8), way: 'offload' })
  },
)

kernelCase(
  'kcopyd/022',
  'what is saved on another controller is read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'] },
  async (tools) => {
    const [of, cow] = [await tools.disk('large'), await tools.disk('4k')]
    await overwrite(tools, { of, cow, at: MiB(1), bytes: chunk * 4, way: 'fallback' })
  },
)

kernelCase(
  'kcopyd/023',
  'saved in another namespace',
  {
    offloads: ['dm-kcopyd', 'nvme-cross-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'],
  },
  async (tools) => {
    const [of, cow] = [await tools.disk('small'), await tools.disk('large')]
    await overwrite(tools, { of, cow, at: MiB(1), bytes: chunk * 4, way: 'offload' })
  },
)

kernelCase(
  'kcopyd/024',
  'with a store on dm-crypt it is read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'CONFIG_DM_CRYPT', 'tracepoints'] },
  async (tools) => {
    const { disk, dm, pattern } = tools
    const ns = await disk('large')
    const of = await dm.linear(ns, 0, MiB(8))
    const cow = await dm.table([crypt(ns, MiB(16), MiB(8), pattern(64).data)])
    await overwrite(tools, { of, cow, at: MiB(1), bytes: chunk * 4, way: 'fallback' })
  },
)

kernelCase(
  'kcopyd/025',
  'a part of a chunk is written to the snapshot: the device copies the rest of it before',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'],
  },
  async (tools) => {
    const { disk, dm, pattern, proof, session } = tools
    const ns = await disk('large')
    const [of, cow] = [await dm.linear(ns, 0, MiB(8)), await dm.linear(ns, MiB(16), MiB(8))]
    const volume = await snapshot(tools, of, cow)
    const data = pattern(KiB(4))
    const call = await session.watch(
      { path: ['dm-kcopyd', 'dm-linear'], from: of.at(MiB(2)), to: cow.at(0), bytes: chunk },
      () => fillBy(session, volume, [MiB(2) + KiB(8), data]),
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload', { besides: cow.map(KiB(8), data.bytes) })
    const whole = contentsOf(of).subarray(MiB(2), MiB(2) + chunk)
    data.data.copy(whole, KiB(8))
    await proof.host(cow).changedOnly(0, whole)
    await proof.host(volume).changedOnly(MiB(2) + KiB(8), data)
  },
)

kernelCase(
  'kcopyd/026',
  'two snapshots of one origin: the device saves a chunk for each',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'],
  },
  async (tools) => {
    const { disk, dm, pattern, proof, session } = tools
    const ns = await disk('large')
    const of = await dm.linear(ns, 0, MiB(8))
    const cows = [await dm.linear(ns, MiB(16), MiB(4)), await dm.linear(ns, MiB(20), MiB(4))]
    const old = contentsOf(of).subarray(MiB(1), MiB(1) + chunk)
    const frozen = []
    for (const cow of cows) frozen.push(await snapshot(tools, of, cow))
    const origin = await dm.origin(of)
    const data = pattern(chunk)
    const call = await session.watch(
      cows.map((cow) => ({
        path: ['dm-kcopyd', 'dm-linear'],
        ...{ from: of.at(MiB(1)), to: cow.at(0), bytes: chunk },
      })),
      () => fillBy(session, origin, [MiB(1), data]),
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload', { besides: of.map(MiB(1), data.bytes) })
    await proof.host(ns).changedOnlyIn([
      [MiB(1), data],
      [MiB(16), old],
      [MiB(20), old],
    ])
    for (const volume of frozen) await proof.host(volume).unchanged()
  },
)

kernelCase(
  'kcopyd/027',
  'the store is suspended: the chunk is read, written when it is resumed, and only then overwritten',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'],
  },
  async (tools) => {
    const { disk, dm, pattern, proof, session } = tools
    const ns = await disk('large')
    const [of, cow] = [await dm.linear(ns, 0, MiB(8)), await dm.linear(ns, MiB(16), MiB(8))]
    const old = contentsOf(of).subarray(MiB(1), MiB(1) + chunk)
    const frozen = await snapshot(tools, of, cow)
    const origin = await dm.origin(of)
    const data = pattern(chunk)
    await cow.suspend()
    const request = { from: of.at(MiB(1)), to: cow.at(0), bytes: chunk }
    const call = await session.watch({ path: ['dm-kcopyd', 'dm-linear'], ...request }, async () => {
      const begun = await readsBegin(session, ns)
      const filling = fillBy(session, origin, [MiB(1), data])
      await begun()
      await cow.resume()
      await filling
    })
    proof.guest(call).fellBack()
    proof.device(call).fellBack({ besides: of.map(MiB(1), data.bytes) })
    mustHold(of, MiB(1), data)
    await proof.host(cow).changedOnly(0, old)
    await proof.host(frozen).unchanged()
  },
)

/** Of a store that stays there are a header and a table of chunks before the first chunk that is saved. */
const tables = chunk * 2

/** What was written to a snapshot goes to its origin. */
async function merge(
  tools: CaseTools,
  { of, cow, way }: { of: Target; cow: Target; way: 'offload' | 'fallback' },
): Promise<number> {
  const { pattern, proof, dm, session } = tools
  await blank(cow)
  const words = [of, cow, 'P', chunk / 512]
  const before = await dm.holding([target('snapshot', of.bytes, ...words)], contentsOf(of))
  // Whole chunks, which nothing is copied for.
  const data = pattern(chunk * 16)
  await fillBy(session, before, [MiB(1), data])
  await dm.remove(before)
  for (const { medium, offset, bytes } of cow.map(0, tables)) medium?.backing.ignore(offset, bytes)
  mustHold(cow, tables, data)

  const call = await session.watch(
    { path: 'dm-kcopyd', from: cow.at(tables), to: of.at(MiB(1)), bytes: data.bytes },
    async () => {
      const volume = await dm.table([
        { ...target('snapshot-merge', of.bytes, ...words), kept: { on: of, start: 0 } },
      ])
      await volume.becomes(/ snapshot-merge (\d+)\/\d+ \1\n/)
    },
  )
  proof.guest(call).moved(way)
  proof.device(call).moved(way, { besides: cow.map(0, tables) })
  await proof.host(of).changedOnly(MiB(1), data)
  await proof.host(cow).unchanged()
  return offloadedBytes(session, call)
}

kernelCase(
  'kcopyd/028',
  'a snapshot is merged into its origin by the device',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'],
  },
  async (tools) => {
    const ns = await tools.disk('large')
    const [of, cow] = [await tools.dm.linear(ns, 0, MiB(8)), await tools.dm.linear(ns, MiB(16), MiB(8))]
    expect(await merge(tools, { of, cow, way: 'offload' })).toBe(chunk * 16)
  },
)

kernelCase(
  'kcopyd/029',
  'a snapshot is merged from another controller: read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_SNAPSHOT', 'tracepoints'] },
  async (tools) => {
    const [of, cow] = [await tools.disk('large'), await tools.disk('4k')]
    expect(await merge(tools, { of, cow, way: 'fallback' })).toBe(0)
  },
)
