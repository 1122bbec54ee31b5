// dm-crypt's IV is the sector: the ciphertext of one place is garbage at another, so it must be decrypted and encrypted.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK, readsBack } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { hardwareLimit } from './hardware-limit.ts'

kernelCase(
  'dm/005',
  'dm-crypt over NVMe: plaintext right, ciphertext the host can compute',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const volume = await dm.crypt(await disk('large'))
    const data = pattern(MiB(1))
    await volume.write(0, data)
    const call = await copy(
      { path: 'dm-crypt', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) },
      { after: [readsBack(volume.at(MiB(8)), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/006',
  'dm-crypt over dm-linear over NVMe',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const linear = await dm.linear(await disk('small'), MiB(2), MiB(16))
    const volume = await dm.crypt(linear)
    const data = pattern(MiB(1))
    await volume.write(MiB(1), data)
    const call = await copy(
      { path: 'dm-crypt', from: volume.at(MiB(1)), to: volume.at(MiB(8)), bytes: MiB(1) },
      { after: [readsBack(volume.at(MiB(8)), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/007',
  'between two dm-crypt volumes of different keys',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const first = await dm.crypt(await dm.linear(ns, 0, MiB(8)))
    const second = await dm.crypt(await dm.linear(ns, MiB(8), MiB(8)))
    const data = pattern(MiB(1))
    await first.write(0, data)
    const call = await copy(
      { path: 'dm-crypt', from: first.at(0), to: second.at(0), bytes: MiB(1) },
      { after: [readsBack(second.at(0), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnly(0, data)
  },
)

kernelCase(
  'dm/008',
  'no fallback on dm-crypt is EOPNOTSUPP',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, proof, dm }) => {
    const volume = await dm.crypt(await disk('large'))
    const call = await copy(
      { path: 'dm-crypt', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'dm/048',
  'dm-linear over dm-crypt over NVMe',
  { needs: ['CONFIG_DM_CRYPT', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const volume = await dm.linear(await dm.crypt(await disk('large')), MiB(3) + 512, MiB(16))
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(MiB(1))
    await volume.write(KiB(4), data)
    const call = await copy(
      { path: ['dm-linear', 'dm-crypt'], from: volume.at(KiB(4)), to: volume.at(MiB(8)), bytes: MiB(1) },
      { after: [readsBack(volume.at(MiB(8)), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/049',
  'no fallback on dm-linear over dm-crypt is EOPNOTSUPP',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, proof, dm }) => {
    const volume = await dm.linear(await dm.crypt(await disk('large')), MiB(3), MiB(16))
    const call = await copy(
      { path: ['dm-linear', 'dm-crypt'], from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).refused('EOPNOTSUPP')
    proof.device(call).untouched()
    await proof.host(volume).unchanged()
  },
)

kernelCase(
  'dm/050',
  'from dm-crypt to the same disk in plain, and back',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const secret = await dm.crypt(await dm.linear(ns, MiB(2), MiB(8)))
    const plain = await dm.linear(ns, MiB(16), MiB(8))
    const [out, back] = [pattern(MiB(1)), pattern(MiB(1))]
    await secret.write(0, out)
    await plain.write(0, back)
    const call = await copy(
      [
        { path: 'dm-crypt', from: secret.at(0), to: plain.at(MiB(4)), bytes: MiB(1) },
        { path: 'dm-crypt', from: plain.at(0), to: secret.at(MiB(4)), bytes: MiB(1) },
      ],
      { after: [readsBack(plain.at(MiB(4)), out), readsBack(secret.at(MiB(4)), back)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    const encrypted = secret.stored(MiB(4), back.data).map(({ offset, data }): Change => [offset, data])
    await proof.host(ns).changedOnlyIn([[MiB(20), out], ...encrypted])
  },
)

kernelCase(
  'dm/051',
  'dm-crypt on dm-crypt of another key',
  { needs: ['CONFIG_DM_CRYPT', 'limits'] },
  async ({ disk, copy, pattern, proof, dm, session }) => {
    const volume = await dm.crypt(await dm.linear(await dm.crypt(await disk('small')), MiB(1), MiB(16)))
    expect(await hardwareLimit(session, volume)).toBe(0)
    const data = pattern(KiB(256))
    await volume.write(512, data)
    const call = await copy(
      { path: 'dm-crypt', from: volume.at(512), to: volume.at(MiB(8)), bytes: data.bytes },
      { after: [readsBack(volume.at(MiB(8)), data)] },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'dm/052',
  'dm-crypt volumes of different keys, each under dm-linear, no fallback and with it',
  { needs: ['CONFIG_DM_CRYPT'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const first = await dm.linear(await dm.crypt(await dm.linear(ns, 0, MiB(8))), MiB(1), MiB(6))
    const second = await dm.linear(await dm.crypt(await dm.linear(ns, MiB(8), MiB(8))), KiB(4), MiB(6))
    const data = pattern(MiB(1))
    await first.write(0, data)
    const request = { path: 'dm-crypt', from: first.at(0), to: second.at(MiB(2)), bytes: MiB(1) } as const
    const refused = await copy(request, { flags: NO_FALLBACK })
    proof.guest(refused).refused('EOPNOTSUPP')
    proof.device(refused).untouched()
    await proof.host(second).unchanged()
    const call = await copy(request, { after: [readsBack(second.at(MiB(2)), data)] })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnly(MiB(2), data)
  },
)

kernelCase(
  'dm/053',
  'several sources of a dm-crypt volume in one call',
  { needs: ['CONFIG_DM_CRYPT', 'BLKCOPYV'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const volume = await dm.crypt(await disk('large'))
    const data = pattern(KiB(256))
    await volume.write(MiB(1), data)
    const ranges: [number, number][] = [
      [MiB(1) + KiB(128), KiB(64)],
      [MiB(1), KiB(4)],
      [MiB(1) + 512, KiB(16)],
    ]
    const wanted = Buffer.concat(ranges.map(([at, bytes]) => data.part(at - MiB(1), bytes).data))
    const call = await copy({ path: 'dm-crypt', from: volume, ranges, to: volume.at(MiB(8)) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(volume).changedOnly(MiB(8), wanted)
  },
)

kernelCase(
  'dm/054',
  'copy_file_range on dm-crypt',
  { needs: ['CONFIG_DM_CRYPT', 'copy_file_range'] },
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('large')
    const first = await dm.crypt(await dm.linear(ns, 0, MiB(8)))
    const second = await dm.crypt(await dm.linear(ns, MiB(8), MiB(8)))
    const data = pattern(MiB(1))
    await first.write(KiB(4), data)
    const call = await copy(
      { path: 'dm-crypt', from: first.at(KiB(4)), to: second.at(MiB(1)), bytes: MiB(1) },
      { by: 'copy_file_range', direct: true },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnly(MiB(1), data)
  },
)
