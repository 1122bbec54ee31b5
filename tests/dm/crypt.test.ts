// dm-crypt's IV is the sector: the ciphertext of one place is garbage at another, so it must be decrypted and encrypted.
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK, readsBack } from '../fixtures/copy.ts'
import { MiB } from '../fixtures/units.ts'

kernelCase(
  'dm/005',
  'dm-crypt over NVMe: plaintext right, ciphertext the host can compute',
  {},
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

kernelCase('dm/006', 'dm-crypt over dm-linear over NVMe', {}, async ({ disk, copy, pattern, proof, dm }) => {
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
})

kernelCase(
  'dm/007',
  'between two dm-crypt volumes of different keys',
  {},
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

kernelCase('dm/008', 'no fallback on dm-crypt is EOPNOTSUPP', {}, async ({ disk, copy, proof, dm }) => {
  const volume = await dm.crypt(await disk('large'))
  const call = await copy(
    { path: 'dm-crypt', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) },
    { flags: NO_FALLBACK },
  )
  proof.guest(call).refused('EOPNOTSUPP')
  proof.device(call).untouched()
  await proof.host(volume).unchanged()
})
