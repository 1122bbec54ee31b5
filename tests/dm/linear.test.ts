// dm-linear moves addresses and leaves bytes alone.
import { kernelCase } from '../fixtures/case.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase('dm/001', 'inside of dm-linear over NVMe', {}, async ({ disk, copy, pattern, proof, dm }) => {
  const ns = await disk('large')
  const volume = await dm.linear(ns, MiB(4), MiB(16))
  const data = pattern(MiB(1))
  await volume.write(0, data)
  const call = await copy({ path: 'dm-linear', from: volume.at(0), to: volume.at(MiB(8)), bytes: MiB(1) })
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(volume).changedOnly(MiB(8), data)
})

kernelCase(
  'dm/002',
  'between two dm-linear volumes of one namespace',
  {},
  async ({ disk, copy, pattern, proof, dm }) => {
    const ns = await disk('small')
    // Swapped on the disk, so that a copy that forgets to map goes wrong
    const first = await dm.linear(ns, MiB(16), MiB(8))
    const second = await dm.linear(ns, KiB(512), MiB(8))
    const data = pattern(KiB(256))
    await first.write(KiB(4), data)
    const call = await copy({
      path: 'dm-linear',
      from: first.at(KiB(4)),
      to: second.at(MiB(1)),
      bytes: KiB(256),
    })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(second).changedOnly(MiB(1), data)
  },
)

kernelCase(
  'dm/003',
  'from dm-linear over NVMe to dm-linear over SCSI',
  {},
  async ({ disk, copy, pattern, proof, dm }) => {
    const from = await dm.linear(await disk('large'), MiB(1), MiB(8))
    const to = await dm.linear(await disk('scsi0'), MiB(2), MiB(8))
    const data = pattern(MiB(1))
    await from.write(0, data)
    const call = await copy({ path: 'never', from: from.at(0), to: to.at(MiB(4)), bytes: MiB(1) })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(to).changedOnly(MiB(4), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'dm/004',
  'a destination past the end of dm-linear is ENOSPC',
  {},
  async ({ disk, copy, proof, dm }) => {
    // The namespace goes on where the volume ends.
    const ns = await disk('large')
    const volume = await dm.linear(ns, 0, MiB(8))
    const call = await copy({
      path: 'dm-linear',
      from: volume.at(0),
      to: volume.at(MiB(8) - KiB(32)),
      bytes: KiB(64),
    })
    proof.guest(call).refused('ENOSPC')
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  },
)
