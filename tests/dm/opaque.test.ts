// Targets that transform data, keep them elsewhere or fail on purpose: no device ever copies below them.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK, readsBack } from '../fixtures/copy.ts'
import { delay, error, flakey, linear, zero } from '../fixtures/rows.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { hardwareLimit } from './hardware-limit.ts'

kernelCase(
  'dm/055',
  'dm-flakey is never offloaded',
  { needs: ['CONFIG_DM_FLAKEY', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const volume = await dm.table([flakey(ns, MiB(1), MiB(16), 1000, 0)])
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'never', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/056',
  'dm-flakey that fails each write gives EIO and writes nothing',
  { needs: ['CONFIG_DM_FLAKEY'] },
  async ({ disk, copy, proof, dm }) => {
    const ns = await disk('large')
    // Down from the beginning; reads are good.
    const volume = await dm.table([flakey(ns, MiB(1), MiB(16), 0, 1000, 'error_writes')])
    const call = await copy({ path: 'never', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).refused('EIO')
    proof.device(call).untouched()
    // It could not be flushed either.
    await dm.remove(volume)
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'dm/057',
  'dm-delay is never offloaded',
  { needs: ['CONFIG_DM_DELAY', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const volume = await dm.table([delay(await disk('large'), MiB(1), MiB(16), 5)])
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'never', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/058',
  'dm-zero below a source: zeroes are written, and into it nothing is',
  { needs: ['CONFIG_DM_ZERO', 'limits'] },
  async ({ disk, copy, proof, dm, session }) => {
    const ns = await disk('large')
    const volume = await dm.table([linear(ns, MiB(1), MiB(1)), zero(MiB(2)), linear(ns, MiB(8), MiB(1))])
    expect(await hardwareLimit(session, volume)).toBe(0)
    const out = await copy({ path: 'never', from: volume.at(MiB(1)), to: ns.at(MiB(20)), bytes: MiB(1) })
    proof.guest(out).fellBack()
    proof.device(out).fellBack()
    await proof.host(ns).changedOnly(MiB(20), Buffer.alloc(MiB(1)))
    const into = await copy({ path: 'never', from: ns.at(MiB(16)), to: volume.at(MiB(2)), bytes: MiB(1) })
    proof.guest(into).fellBack()
    proof.device(into).fellBack()
    await proof.host(ns).unchanged()
  },
)

kernelCase(
  'dm/059',
  'dm-integrity is never offloaded, and its tags are right',
  { needs: ['CONFIG_DM_INTEGRITY', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const volume = await dm.integrity(await disk('large'), MiB(8))
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(MiB(1))
    await volume.write(KiB(4), data)
    const call = await copy({ path: 'never', from: volume.at(KiB(4)), to: volume.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    // Each block is read back, and one with a wrong tag could not be.
    await proof.host(volume).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'dm/060',
  'dm-verity is read through, never offloaded',
  { needs: ['CONFIG_DM_VERITY', 'limits'] },
  async ({ disk, copy, proof, dm, session }) => {
    const [ns, to] = [await disk('large'), await disk('small')]
    const volume = await dm.verity(ns, await disk('4k'))
    expect(await hardwareLimit(session, volume)).toBe(0)
    const held = ns.backing.expectedAt(MiB(1), MiB(1))
    const call = await copy({ path: 'never', from: volume.at(MiB(1)), to: to.at(MiB(2)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(2), held)
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'dm/061',
  'a snapshot is never offloaded',
  { needs: ['CONFIG_DM_SNAPSHOT', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const volume = await dm.snapshot(await disk('large'), await disk('small'))
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(MiB(1))
    await volume.write(MiB(1), data)
    const call = await copy({ path: 'never', from: volume.at(MiB(1)), to: volume.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'dm/062',
  'a copy into the origin leaves its snapshot as it was',
  { needs: ['CONFIG_DM_SNAPSHOT', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const ns = await disk('large')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    // What is saved there cannot be offloaded either.
    const snapshot = await dm.snapshot(ns, await disk('4k'))
    // It moves nothing, but what is overwritten must be saved first.
    const origin = await dm.origin(ns)
    expect(await hardwareLimit(session, origin)).toBe(0)
    const call = await copy(
      { path: 'never', from: origin.at(0), to: origin.at(MiB(4)), bytes: MiB(1) },
      { after: [readsBack(origin.at(MiB(4)), data)] },
    )
    // dm-kcopyd may tell of what it has saved, from the disk itself.
    const traced = call.traced?.filter(({ source }) => source.device === origin.number)
    proof.guest({ ...call, traced }).fellBack()
    proof.device(call).fellBack()
    await proof.host(origin).changedOnly(MiB(4), data)
    await proof.host(snapshot).unchanged()
  },
)

kernelCase(
  'dm/063',
  'a thin volume is never offloaded, nor is dm-linear over it',
  { needs: ['CONFIG_DM_THIN_PROVISIONING', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const thin = await dm.thin(await disk('small'), await disk('large'), MiB(16))
    const volume = await dm.linear(thin, MiB(1), MiB(12))
    expect(await hardwareLimit(session, thin)).toBe(0)
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(MiB(1))
    await volume.write(KiB(4), data)
    const call = await copy({ path: 'never', from: volume.at(KiB(4)), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/064',
  'a cached volume is never offloaded',
  { needs: ['CONFIG_DM_CACHE_SMQ', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const volume = await dm.cache(await disk('4k'), await disk('small'), await disk('large'))
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy({ path: 'never', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/065',
  'no fallback below such targets is EOPNOTSUPP',
  { needs: ['CONFIG_DM_FLAKEY', 'CONFIG_DM_DELAY', 'CONFIG_DM_SNAPSHOT'] },
  async ({ disk, copy, proof, dm }) => {
    const ns = await disk('large')
    const volumes = [
      await dm.table([flakey(ns, 0, MiB(4), 1000, 0)]),
      await dm.table([delay(ns, MiB(8), MiB(4), 1)]),
      await dm.table([linear(ns, MiB(16), MiB(2)), error(MiB(2))]),
      await dm.snapshot(await disk('4k'), await disk('small')),
    ]
    const call = await copy(
      volumes.map((volume) => ({ path: 'never', from: volume.at(0), to: volume.at(MiB(1)), bytes: KiB(64) })),
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    for (const volume of volumes) await proof.host(volume).unchanged()
  },
)
