// A fatal signal ends a copy soon, what it says was copied is true, and the devices go on working.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { type AnyRequest, type CopyOptions, NO_FALLBACK } from '../fixtures/copy.ts'
import { beginLong, longBytes, slowDisk, soonMs } from '../fixtures/long-copy.ts'
import { delay } from '../fixtures/rows.ts'
import type { Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Kills a copy inside of a slow device, a block at a time; then a copy of 1 KiB is carried out. */
async function killed(
  tools: CaseTools,
  request: (device: Target, bytes: number) => AnyRequest,
  options: CopyOptions = {},
): Promise<void> {
  const { copy, pattern, proof, session } = tools
  const device = await slowDisk(session)
  const data = pattern(longBytes)
  await device.write(0, data)
  const copying = await beginLong(session, request(device, data.bytes), options)
  const { waitedMs } = await copying.kill()
  expect(waitedMs).toBeLessThan(soonMs)
  const call = await copying.done()
  const { copied } = proof.guest(call).killed()
  expect(copied).toBeGreaterThan(0)
  expect(copied).toBeLessThan(data.bytes)
  proof.device(call).reached(copied)
  await proof.host(device).changedUpTo(MiB(1), data, copied)

  const again = pattern(KiB(1))
  await device.write(0, again)
  const second = await copy({
    path: 'null-blk',
    from: device.at(0),
    to: device.at(KiB(1536)),
    bytes: KiB(1),
  })
  proof.guest(second).moved()
  proof.device(second).moved()
  await proof.host(device).changedOnly(KiB(1536), again)
}

/** A copy in one range. */
function oneRange(device: Target, bytes: number): AnyRequest {
  return { path: 'null-blk', from: device.at(0), to: device.at(MiB(1)), bytes }
}

kernelCase(
  'block/101',
  'a copy that is killed',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    await killed(tools, oneRange)
  },
)

kernelCase(
  'block/102',
  'a copy without fallback that is killed',
  { offloads: 'null-blk', needs: ['limits'] },
  async (tools) => {
    await killed(tools, oneRange, { flags: NO_FALLBACK })
  },
)

kernelCase(
  'block/103',
  'a gathering copy that is killed',
  { offloads: 'null-blk', needs: ['BLKCOPYV', 'limits'] },
  async (tools) => {
    await killed(tools, (device, bytes) => {
      const ranges: [number, number][] = [
        [0, KiB(12)],
        [KiB(12), bytes - KiB(12)],
      ]
      return { path: 'null-blk', from: device, ranges, to: device.at(MiB(1)) }
    })
  },
)

kernelCase(
  'block/104',
  'copy_file_range that is killed',
  { offloads: 'null-blk', needs: ['copy_file_range', 'limits', 'tracepoints'] },
  async (tools) => {
    await killed(tools, oneRange, { by: 'copy_file_range', direct: true })
  },
)

kernelCase(
  'block/105',
  'reads and writes of a copy that is killed',
  { needs: ['CONFIG_DM_DELAY'] },
  async ({ disk, dm, copy, pattern, proof, session }) => {
    const [ns, to] = [await disk('large'), await disk('scsi0')]
    // 24 reads of 1 MiB, four at a time: 12 s
    const from = await dm.table([delay(ns, 0, MiB(24), 2000)])
    const data = pattern(MiB(24))
    await from.write(0, data)
    const copying = await session.begin({
      path: 'never',
      from: from.at(0),
      to: to.at(MiB(8)),
      bytes: data.bytes,
    })
    const { waitedMs } = await copying.kill()
    expect(waitedMs).toBeLessThan(soonMs)
    const call = await copying.done()
    const { copied, offloaded } = proof.guest(call).killed()
    expect(offloaded).toBe(0)
    expect(copied).toBeLessThan(data.bytes)
    proof.device(call).reached(copied, 'fallback')
    await proof.host(to).changedUpTo(MiB(8), data, copied)
    await proof.host(from).unchanged()

    const again = pattern(KiB(64))
    await to.write(0, again)
    const second = await copy({ path: 'never', from: to.at(0), to: to.at(MiB(4)), bytes: KiB(64) })
    proof.guest(second).moved()
    proof.device(second).moved()
    await proof.host(to).changedOnly(MiB(4), again)
  },
)
