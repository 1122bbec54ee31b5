// dm-clone: what lies on the source is copied to the destination, in the background and before it is written to.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { blank } from '../fixtures/device-mapper.ts'
import { crypt, linear, target } from '../fixtures/rows.ts'
import { contentsOf, type Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import type { OpaqueVolume } from '../fixtures/volume.ts'
import { fillBy, offloadedBytes } from './watching.ts'

const region = KiB(64)

interface Parts {
  metadata: Target
  destination: Target
  source: Target
  /** What the source holds, where its disk holds something else. */
  held?: Buffer
}

/** A clone that copies when it is told to. */
async function makeClone(
  { dm }: CaseTools,
  { metadata, destination, source, held }: Parts,
): Promise<OpaqueVolume> {
  await blank(metadata)
  for (const { medium, offset, bytes } of metadata.map(0, metadata.bytes))
    medium?.backing.ignore(offset, bytes)
  const words = [metadata, destination, source, region / 512, 1, 'no_hydration', 2, 'hydration_batch_size', 8]
  return dm.holding([target('clone', source.bytes, ...words)], held ?? contentsOf(source))
}

async function hydrate(volume: OpaqueVolume): Promise<void> {
  await volume.message(0, 'hydration_threshold 8')
  await volume.message(0, 'enable_hydration')
  await hydrated(volume)
}

function hydrated(volume: OpaqueVolume): Promise<void> {
  const regions = Math.ceil(volume.bytes / region)
  return volume.becomes(new RegExp(` clone \\S+ \\S+ \\S+ ${regions}/${regions} 0 `))
}

/** Copies all of the source. */
async function cloneAll(tools: CaseTools, parts: Parts, way: 'offload' | 'fallback'): Promise<void> {
  const { proof, session } = tools
  const { metadata, destination, source } = parts
  const volume = await makeClone(tools, parts)
  const request = { from: source.at(0), to: destination.at(0), bytes: source.bytes }
  const call = await session.watch({ path: 'dm-kcopyd', ...request }, () => hydrate(volume))
  proof.guest(call).moved(way)
  proof.device(call).moved(way, { besides: metadata.map(0, metadata.bytes) })
  await proof.host(destination).changedOnly(0, parts.held ?? contentsOf(source))
  await proof.host(source).unchanged()
  await proof.host(volume).unchanged()
}

kernelCase(
  'kcopyd/060',
  'a clone inside a namespace is made by the device',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_CLONE', 'tracepoints'],
  },
  async (tools) => {
    const ns = await tools.disk('large')
    const metadata = await tools.disk('nocopy')
    const destination = await tools.dm.linear(ns, 0, MiB(4))
    // Its last region is short.
    const source = await tools.dm.linear(ns, MiB(16), MiB(4) - KiB(12))
    await cloneAll(tools, { metadata, destination, source }, 'offload')
  },
)

kernelCase(
  'kcopyd/061',
  'a clone from namespace to namespace is made by the device',
  { offloads: ['dm-kcopyd', 'nvme-cross-namespace'], needs: ['in_kernel', 'CONFIG_DM_CLONE', 'tracepoints'] },
  async (tools) => {
    const { disk, dm } = tools
    const metadata = await disk('nocopy')
    const source = await dm.linear(await disk('large'), MiB(1), MiB(4))
    await cloneAll(tools, { metadata, destination: await disk('small'), source }, 'offload')
  },
)

kernelCase(
  'kcopyd/062',
  'a clone of what lies on another controller is read and written',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_CLONE', 'tracepoints'] },
  async (tools) => {
    const { disk, dm } = tools
    const metadata = await disk('nocopy')
    const source = await dm.linear(await disk('scsi0'), MiB(1), MiB(4))
    await cloneAll(tools, { metadata, destination: await disk('small'), source }, 'fallback')
  },
)

kernelCase(
  'kcopyd/063',
  'a clone of what is encrypted is read and written, and so is one that is encrypted',
  { offloads: 'dm-kcopyd', needs: ['in_kernel', 'CONFIG_DM_CLONE', 'CONFIG_DM_CRYPT', 'tracepoints'] },
  async (tools) => {
    const { disk, dm, pattern } = tools
    const [ns, metadata] = [await disk('large'), await disk('nocopy')]
    const secret = await dm.table([crypt(ns, 0, MiB(2), pattern(64).data)])
    const plain = await dm.linear(ns, MiB(8), MiB(2))
    const data = pattern(MiB(2))
    await secret.write(0, data)
    await cloneAll(tools, { metadata, destination: plain, source: secret, held: data.data }, 'fallback')
    const other = await dm.table([crypt(ns, MiB(16), MiB(2), pattern(64).data)])
    await cloneAll(tools, { metadata: await disk('scsi0'), destination: other, source: plain }, 'fallback')
  },
)

kernelCase(
  'kcopyd/064',
  'a part of a region is written to: the device copies the region before, and nothing else',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'nvme-same-namespace'],
    needs: ['in_kernel', 'CONFIG_DM_CLONE', 'tracepoints'],
  },
  async (tools) => {
    const { disk, dm, pattern, proof, session } = tools
    const ns = await disk('large')
    const parts = {
      metadata: await disk('nocopy'),
      destination: await dm.linear(ns, 0, MiB(4)),
      source: await dm.linear(ns, MiB(16), MiB(4)),
    }
    const { metadata, destination, source } = parts
    const volume = await makeClone(tools, parts)
    const small = pattern(KiB(4))
    const request = { from: source.at(MiB(1)), to: destination.at(MiB(1)), bytes: region }
    const call = await session.watch({ path: ['dm-kcopyd', 'dm-linear'], ...request }, () =>
      fillBy(session, volume, [MiB(1) + KiB(8), small]),
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload', {
      besides: [...metadata.map(0, metadata.bytes), ...destination.map(MiB(1) + KiB(8), small.bytes)],
    })
    const whole = contentsOf(source).subarray(MiB(1), MiB(1) + region)
    small.data.copy(whole, KiB(8))
    await proof.host(destination).changedOnly(MiB(1), whole)
    await proof.host(volume).changedOnly(MiB(1) + KiB(8), small)
  },
)

kernelCase(
  'kcopyd/065',
  'a clone that is suspended and resumed while it is made',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'null-blk'],
    needs: ['in_kernel', 'CONFIG_DM_CLONE', 'tracepoints'],
  },
  async (tools) => {
    const { disk, dm, proof, session } = tools
    const slow = { maxCopySectors: 128, completionNs: 20_000_000, hwQueueDepth: 2, submitQueues: 1 }
    const nb = await session.nullBlk(slow)
    const metadata = await disk('nocopy')
    const [destination, source] = [await dm.linear(nb, 0, MiB(4)), await dm.linear(nb, MiB(4), MiB(4))]
    const volume = await makeClone(tools, { metadata, destination, source })
    const request = { from: source.at(0), to: destination.at(0), bytes: source.bytes }
    const call = await session.watch(
      { path: ['dm-kcopyd', 'dm-linear', 'null-blk'], ...request },
      async () => {
        await volume.message(0, 'enable_hydration')
        for (let turn = 0; turn < 3; turn++) {
          await volume.suspend()
          await volume.resume()
        }
        await hydrated(volume)
      },
    )
    proof.guest(call).moved('offload')
    proof.device(call).moved('offload', { besides: metadata.map(0, metadata.bytes) })
    await proof.host(destination).changedOnly(0, contentsOf(source))
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'kcopyd/066',
  'the destination gets another table while a clone is made: what cannot wait is read and written',
  {
    offloads: ['dm-kcopyd', 'dm-linear', 'null-blk'],
    needs: ['in_kernel', 'CONFIG_DM_CLONE', 'tracepoints'],
  },
  async (tools) => {
    const { disk, dm, proof, session } = tools
    const slow = { maxCopySectors: 128, completionNs: 20_000_000, hwQueueDepth: 2, submitQueues: 1 }
    const nb = await session.nullBlk(slow)
    const metadata = await disk('nocopy')
    const [destination, source] = [await dm.linear(nb, 0, MiB(4)), await dm.linear(nb, MiB(4), MiB(4))]
    const volume = await makeClone(tools, { metadata, destination, source })
    const request = { from: source.at(0), to: destination.at(0), bytes: source.bytes }
    const call = await session.watch(
      { path: ['dm-kcopyd', 'dm-linear', 'null-blk'], ...request },
      async () => {
        await volume.message(0, 'enable_hydration')
        for (let turn = 0; turn < 3; turn++) await destination.reload([linear(nb, 0, MiB(4))])
        await hydrated(volume)
      },
    )
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced', { besides: metadata.map(0, metadata.bytes) })
    if (offloadedBytes(session, call) === 0) throw new Error('nothing was offloaded after the resumes')
    await proof.host(destination).changedOnly(0, contentsOf(source))
    await proof.host(volume).unchanged()
  },
)
