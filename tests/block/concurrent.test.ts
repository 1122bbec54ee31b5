// Copies at the same time.
import { kernelCase } from '../fixtures/case.ts'
import type { Change } from '../fixtures/proof.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'block/025',
  'eight copies at once on one namespace',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large')
    const data = pattern(MiB(4))
    await ns.write(0, data)
    const pieces = Array.from({ length: 8 }, (_, index) => index * KiB(512))
    // Destinations in reverse, so that a piece in its neighbour's place shows.
    const call = await copy(
      pieces.map((at) => ({
        path: 'nvme-same-namespace',
        from: ns.at(at),
        to: ns.at(MiB(16) - KiB(512) - at),
        bytes: KiB(512),
      })),
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof
      .host(ns)
      .changedOnlyIn(pieces.map((at): Change => [MiB(16) - KiB(512) - at, data.part(at, KiB(512))]))
  },
)

kernelCase('block/026', 'four copies of one source at once', {}, async ({ disk, copy, pattern, proof }) => {
  const ns = await disk('small')
  const data = pattern(KiB(128))
  await ns.write(0, data)
  const places = [MiB(4), MiB(8), MiB(12), MiB(16)]
  const call = await copy(
    places.map((to) => ({ path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(to), bytes: KiB(128) })),
  )
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(ns).changedOnlyIn(places.map((to): Change => [to, data]))
})

kernelCase(
  'block/027',
  'offload and fallback at once do not disturb each other',
  {},
  async ({ disk, copy, pattern, proof }) => {
    const [ns, scsi] = [await disk('large'), await disk('scsi0')]
    const [first, second] = [pattern(MiB(1)), pattern(MiB(1))]
    await ns.write(0, first)
    await scsi.write(0, second)
    const call = await copy([
      { path: 'nvme-same-namespace', from: ns.at(0), to: ns.at(MiB(8)), bytes: MiB(1) },
      { path: 'never', from: scsi.at(0), to: ns.at(MiB(16)), bytes: MiB(1) },
      { path: 'never', from: ns.at(0), to: scsi.at(MiB(8)), bytes: MiB(1) },
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnlyIn([
      [MiB(8), first],
      [MiB(16), second],
    ])
    await proof.host(scsi).changedOnly(MiB(8), first)
  },
)
