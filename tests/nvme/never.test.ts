// Copies between controllers: no Copy command does them, whether they share a subsystem or not.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Copies between two disks in both directions; then, without fallback, neither is copied. */
async function neverOffloaded({ disk, copy, pattern, proof }: CaseTools, names: readonly [string, string]) {
  const [one, other] = [await disk(names[0]), await disk(names[1])]
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const data = pattern(KiB(260))
    await from.write(KiB(4), data)
    const call = await copy({ path: 'never', from: from.at(KiB(4)), to: to.at(MiB(1)), bytes: data.bytes })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(MiB(1), data)
    await proof.host(from).unchanged()

    const refused = await copy(
      { path: 'never', from: from.at(KiB(4)), to: to.at(MiB(2)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(refused).refused('EOPNOTSUPP')
    proof.device(refused).untouched()
    await proof.host(to).unchanged()
    await proof.host(from).unchanged()
  }
}

kernelCase('nvme/045', 'between controllers of two subsystems', {}, async (tools) => {
  await neverOffloaded(tools, ['large', 'slow'])
})

kernelCase(
  'nvme/046',
  'between the two controllers of one subsystem: namespaces that each is private to one',
  { needs: ['CONFIG_NVME_MULTIPATH'] },
  async (tools) => {
    await neverOffloaded(tools, ['left', 'right'])
  },
)

kernelCase(
  'nvme/047',
  'between a multipath node and a namespace of another subsystem',
  { needs: ['CONFIG_NVME_MULTIPATH'] },
  async (tools) => {
    await neverOffloaded(tools, ['shared', 'large'])
  },
)

kernelCase(
  'nvme/048',
  'ranges gathered from a namespace of another controller are read and written',
  { needs: ['BLKCOPYV'] },
  async ({ disk, copy, pattern, proof }) => {
    const [from, to] = [await disk('left'), await disk('right')]
    const data = pattern(KiB(36))
    await from.write(MiB(1), data.part(KiB(4), KiB(32)))
    await from.write(0, data.part(0, KiB(4)))
    const ranges: [number, number][] = [
      [0, KiB(4)],
      [MiB(1), KiB(32)],
    ]
    const call = await copy({ path: 'never', from, ranges, to: to.at(KiB(512)) })
    proof.guest(call).fellBack()
    proof.device(call).fellBack()
    await proof.host(to).changedOnly(KiB(512), data)
    await proof.host(from).unchanged()
  },
)

kernelCase(
  'nvme/049',
  'one source, and destinations on four controllers at once: only its own controller copies',
  { needs: ['CONFIG_NVME_MULTIPATH'] },
  async ({ disk, copy, pattern, proof }) => {
    const from = await disk('large')
    const others = [await disk('slow'), await disk('left'), await disk('right')]
    const data = pattern(KiB(512))
    await from.write(0, data)
    const call = await copy([
      { path: 'nvme-same-namespace', from: from.at(0), to: from.at(MiB(8)), bytes: data.bytes },
      ...others.map((to) => ({
        path: 'never' as const,
        from: from.at(0),
        to: to.at(MiB(2)),
        bytes: data.bytes,
      })),
    ])
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(from).changedOnly(MiB(8), data)
    for (const to of others) await proof.host(to).changedOnly(MiB(2), data)
  },
)
