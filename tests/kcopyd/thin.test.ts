// dm-thin: a block that two devices share, or that is still that of an external origin, is copied before it is written to.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { blank } from '../fixtures/device-mapper.ts'
import { crypt, target } from '../fixtures/rows.ts'
import { contentsOf, type Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import type { Volume } from '../fixtures/volume.ts'
import { fillBy } from './watching.ts'

const block = KiB(64)

interface Pool {
  pool: Volume
  metadata: Target
}

/** A pool over all of `data`, whose metadata may be anywhere on `metadata`. */
async function makePool({ dm }: CaseTools, metadata: Target, data: Target): Promise<Pool> {
  await blank(metadata)
  for (const { medium, offset, bytes } of metadata.map(0, metadata.bytes))
    medium?.backing.ignore(offset, bytes)
  const words = ['thin-pool', metadata, data, block / 512, 0, 1, 'skip_block_zeroing']
  const pool = await dm.table([{ bytes: data.bytes, words, kept: { on: data, start: 0 } }])
  return { pool, metadata }
}

/**
 * Writes a part of each of the first blocks of a thin device that has a snapshot: the block is copied to one that is free, and then
 * written to.
 */
async function breakSharing(tools: CaseTools, data: Target, blocks: number, way: 'offload' | 'fallback') {
  const { dm, pattern, proof, session, disk } = tools
  const { pool, metadata } = await makePool(tools, await disk('nocopy'), data)
  await pool.message(0, 'create_thin 0')
  const shared = pattern(blocks * block)
  const thin = await dm.holding([target('thin', MiB(4), pool, 0)], Buffer.alloc(MiB(4)))
  await fillBy(session, thin, [0, shared])
  thin.backing.expect(0, shared.data)
  await thin.suspend()
  await pool.message(0, 'create_snap 1 0')
  await thin.resume()
  const whole = Buffer.concat([shared.data, shared.data])
  const request = { from: pool.at(0), to: pool.at(shared.bytes), bytes: shared.bytes }
  const small = Array.from({ length: blocks }, () => pattern(KiB(4)))
  const call = await session.watch({ path: 'dm-kcopyd', ...request }, async () => {
    await fillBy(session, thin, ...small.map((one, index) => [index * block + KiB(8), one] as const))
  })
  const places = small.map((_, index) => shared.bytes + index * block + KiB(8))
  proof.guest(call).moved(way)
  proof.device(call).moved(way, {
    besides: [...metadata.map(0, metadata.bytes), ...places.flatMap((place) => pool.map(place, KiB(4)))],
  })
  for (const [index, one] of small.entries()) {
    one.data.copy(whole, places[index])
    thin.backing.expect(index * block + KiB(8), one.data)
  }
  await proof.host(pool).changedOnly(0, whole)
  await proof.host(thin).unchanged()
  const frozen = Buffer.alloc(MiB(4))
  shared.data.copy(frozen)
  const snapshot = await dm.holding([target('thin', MiB(4), pool, 1)], frozen)
  await proof.host(snapshot).unchanged()
  // Each commits its metadata when it goes, for which there is more time here than in the teardown.
  await dm.remove(snapshot)
  await dm.remove(thin)
}

kernelCase(
  'kcopyd/040',
  'a block that is shared is copied by the device before it is written to',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_THIN_PROVISIONING', 'tracepoints'],
  },
  async (tools) => {
    await breakSharing(tools, await tools.dm.linear(await tools.disk('large'), MiB(8), MiB(8)), 1, 'offload')
  },
)

kernelCase(
  'kcopyd/041',
  'shared blocks one after the other',
  {
    offloads: ['dm-kcopyd', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_THIN_PROVISIONING', 'tracepoints'],
  },
  async (tools) => {
    await breakSharing(tools, await tools.disk('small'), 6, 'offload')
  },
)

kernelCase(
  'kcopyd/042',
  'in a pool on dm-crypt shared blocks are read and written',
  {
    offloads: 'dm-kcopyd',
    needs: ['in_kernel', 'CONFIG_DM_THIN_PROVISIONING', 'CONFIG_DM_CRYPT', 'tracepoints'],
  },
  async (tools) => {
    const { dm, disk, pattern } = tools
    const data = await dm.table([crypt(await disk('large'), MiB(8), MiB(8), pattern(64).data)])
    await breakSharing(tools, data, 2, 'fallback')
  },
)

kernelCase(
  'kcopyd/043',
  'in a pool whose disk may not copy shared blocks are read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_THIN_PROVISIONING', 'tracepoints', 'limits'] },
  async (tools) => {
    const ns = await tools.disk('large')
    await tools.session.setQueue(ns, tools.session.profile.sysfs.limit, '0')
    await breakSharing(tools, ns, 2, 'fallback')
  },
)

/** Writes a part of a block that is still that of a device outside of the pool. */
async function fromOrigin(
  tools: CaseTools,
  { data, origin, way }: { data: Target; origin: Target; way: 'offload' | 'fallback' },
) {
  const { dm, pattern, proof, session, disk } = tools
  const { pool, metadata } = await makePool(tools, await disk('nocopy'), data)
  await pool.message(0, 'create_thin 0')
  const held = contentsOf(origin)
  const thin = await dm.holding([target('thin', origin.bytes, pool, 0, origin)], held)
  const small = pattern(KiB(4))
  const from = origin.at(MiB(1))
  const call = await session.watch({ path: 'dm-kcopyd', from, to: pool.at(0), bytes: block }, () =>
    fillBy(session, thin, [MiB(1) + KiB(8), small]),
  )
  proof.guest(call).moved(way)
  proof.device(call).moved(way, {
    besides: [...metadata.map(0, metadata.bytes), ...pool.map(KiB(8), KiB(4))],
  })
  const whole = contentsOf(origin).subarray(MiB(1), MiB(1) + block)
  small.data.copy(whole, KiB(8))
  await proof.host(pool).changedOnly(0, whole)
  await proof.host(thin).changedOnly(MiB(1) + KiB(8), small)
  await proof.host(origin).unchanged()
  await dm.remove(thin)
}

kernelCase(
  'kcopyd/044',
  'a block of an external origin is copied by the device',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_THIN_PROVISIONING', 'tracepoints'],
  },
  async (tools) => {
    const ns = await tools.disk('large')
    const [data, origin] = [await tools.dm.linear(ns, 0, MiB(8)), await tools.dm.linear(ns, MiB(16), MiB(8))]
    await fromOrigin(tools, { data, origin, way: 'offload' })
  },
)

kernelCase(
  'kcopyd/045',
  'a block of an external origin on another controller is read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_THIN_PROVISIONING', 'tracepoints'] },
  async (tools) => {
    const [data, origin] = [await tools.disk('4k'), await tools.disk('large')]
    await fromOrigin(tools, { data, origin, way: 'fallback' })
  },
)
