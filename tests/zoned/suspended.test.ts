// A table over zones is suspended while a copy through it fails: nobody can ask for the write pointer until the resume.
import { expect } from 'vitest'
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import { type CopyOptions, NO_FALLBACK } from '../fixtures/copy.ts'
import { tool } from '../fixtures/lab.ts'
import type { NullBlk } from '../fixtures/null-blk.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import type { Volume } from '../fixtures/volume.ts'

const path = ['dm-linear', 'dm-linear-zoned', 'null-zoned'] as const

/** So long null_blk is waited for: far longer than it takes until the table is about to be suspended. Milliseconds. */
const timeoutMs = 8_000

/**
 * A copy to the write pointer of the second zone of a volume, that null_blk neither makes nor answers. The table is suspended
 * while the answer is waited for.
 */
async function unanswered({ session, pattern, dm }: CaseTools, options: CopyOptions = {}) {
  const nb = await session.nullBlk({
    ...{ bytes: MiB(6), maxCopySectors: 2048 },
    zoned: { zoneBytes: MiB(2), conventional: 1 },
  })
  const volume = await dm.linear(nb, MiB(2), MiB(4))
  const [first, data] = [pattern(KiB(64)), pattern(KiB(64))]
  await nb.write(0, data)
  await session.zones.append(volume, MiB(2), first)
  await session.setQueue(nb, 'io_timeout', String(timeoutMs))
  await session.failNullBlk(nb, 'timeout', { times: 1 })
  const to = MiB(2) + first.bytes
  const copying = await session.begin({ path, from: nb.at(0), to: volume.at(to), bytes: data.bytes }, options)
  await copying.meets([tool, 'clock'])
  // It waits for the copy.
  await volume.suspend()
  return { nb, volume, copying, data, to }
}

/** A write at the write pointer succeeds at once; one elsewhere is EIO, and after a report the zone takes writes again. */
async function writable(
  { session, pattern, proof }: CaseTools,
  { nb, volume }: { nb: NullBlk; volume: Volume },
  writePointer: number,
): Promise<void> {
  const next = pattern(KiB(32))
  await session.zones.append(volume, writePointer, next)
  for (const elsewhere of [writePointer, writePointer + KiB(96)]) {
    expect(await session.zones.write(volume, elsewhere, pattern(KiB(32)))).toBe('EIO')
    await session.zones.are(nb, { 2: ['implicitly-open', writePointer + KiB(32) - MiB(2)] })
  }
  await session.zones.append(volume, writePointer + KiB(32), next)
  await proof.host(volume).unchanged()
  await session.zones.are(nb, { 2: ['implicitly-open', writePointer + KiB(64) - MiB(2)] })
}

kernelCase(
  'zoned/068',
  'dm-linear is suspended while a copy fails: it is read, and written after the resume',
  {
    offloads: ['dm-linear', 'dm-linear-zoned', 'null-zoned'],
    needs: ['CONFIG_BLK_DEV_NULL_BLK_FAULT_INJECTION'],
  },
  async (tools) => {
    const { proof } = tools
    const { nb, volume, copying, data, to } = await unanswered(tools)
    await copying.underWay()
    await volume.resume()
    const call = await copying.done()
    proof.guest(call).fellBack()
    proof.device(call).fellBack({ failed: 1 })
    await proof.host(volume).changedOnly(to, data)
    await writable(tools, { nb, volume }, to + data.bytes)
  },
)

kernelCase(
  'zoned/069',
  'dm-linear is suspended while a copy without fallback fails: after a report the zone takes writes again',
  {
    offloads: ['dm-linear', 'dm-linear-zoned', 'null-zoned'],
    needs: ['CONFIG_BLK_DEV_NULL_BLK_FAULT_INJECTION'],
  },
  async (tools) => {
    const { proof, session } = tools
    const { nb, volume, copying, to } = await unanswered(tools, { flags: NO_FALLBACK })
    const call = await copying.done()
    await volume.resume()
    proof.guest(call).refused('ETIMEDOUT')
    proof.device(call).untouched({ failed: 1 })
    await proof.host(volume).unchanged()
    // As after a write that has failed: who is told of it asks for the write pointer. The copy may be too late to do so itself.
    await session.zones.are(volume, { 1: ['implicitly-open', to - MiB(2)] })
    await writable(tools, { nb, volume }, to)
  },
)
