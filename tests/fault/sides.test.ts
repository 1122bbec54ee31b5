// Bios that fail as they are submitted, on one side of a copy alone: the other side is neither left waiting nor lost.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Two partitions of a namespace, since bios can be made to fail for each; 256 KiB of data in the first. */
async function twoSides({ disk, session, pattern }: CaseTools) {
  const ns = await disk('large')
  const source = await session.partition(ns, MiB(2), MiB(4))
  const destination = await session.partition(ns, MiB(16), MiB(4))
  const data = pattern(KiB(256))
  await source.write(0, data)
  return { ns, source, destination, data }
}

type Side = 'source' | 'destination'

/** The first `times` bios of a side fail, and all is copied nevertheless, by reads and writes. */
async function survives(tools: CaseTools, side: Side, times: number): Promise<void> {
  const { session, copy, proof } = tools
  const sides = await twoSides(tools)
  await session.failBios(sides[side], times)
  const { source, destination, data } = sides
  const call = await copy({
    path: 'nvme-same-namespace',
    from: source.at(0),
    to: destination.at(0),
    bytes: data.bytes,
  })
  await session.restore()
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  await proof.host(destination).changedOnly(0, data)
}

/** All bios of a side fail, and so does the copy. */
async function fails(tools: CaseTools, side: Side, flags: number): Promise<void> {
  const { session, copy, proof } = tools
  const sides = await twoSides(tools)
  await session.failBios(sides[side], -1)
  const { ns, source, destination, data } = sides
  const call = await copy(
    { path: 'nvme-same-namespace', from: source.at(0), to: destination.at(0), bytes: data.bytes },
    { flags },
  )
  await session.restore()
  proof.guest(call).refused('EIO')
  proof.device(call).untouched()
  await proof.host(ns).unchanged()
}

kernelCase(
  'fault/006',
  'the source of a copy fails once: read and written',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await survives(tools, 'source', 1)
  },
)

kernelCase(
  'fault/007',
  'the destination of a copy fails once: read and written',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await survives(tools, 'destination', 1)
  },
)

kernelCase(
  'fault/008',
  'the source always fails: EIO, and nothing is written',
  { needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await fails(tools, 'source', 0)
  },
)

kernelCase(
  'fault/009',
  'the destination always fails: EIO',
  { needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await fails(tools, 'destination', 0)
  },
)

kernelCase(
  'fault/010',
  'the source always fails, and no fallback: EIO',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await fails(tools, 'source', NO_FALLBACK)
  },
)

kernelCase(
  'fault/011',
  'the destination always fails, and no fallback: EIO',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await fails(tools, 'destination', NO_FALLBACK)
  },
)

/** Gathers four ranges of the source while the first bio of a side fails. */
async function gathers(tools: CaseTools, side: Side): Promise<void> {
  const { session, copy, proof } = tools
  const sides = await twoSides(tools)
  const { source, destination, data } = sides
  await session.failBios(sides[side], 1)
  const call = await copy({
    path: 'nvme-same-namespace',
    from: source,
    ranges: [
      [KiB(192), KiB(16)],
      [0, KiB(16)],
      [KiB(128), KiB(16)],
      [KiB(64), KiB(16)],
    ],
    to: destination.at(0),
  })
  await session.restore()
  proof.guest(call).fellBack()
  proof.device(call).fellBack()
  const parts = [192, 0, 128, 64].map((at) => data.part(KiB(at), KiB(16)).data)
  await proof.host(destination).changedOnly(0, Buffer.concat(parts))
}

kernelCase(
  'fault/012',
  'the first of four sources of a copy fails',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV', 'CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await gathers(tools, 'source')
  },
)

kernelCase(
  'fault/013',
  'the destination of a copy of four sources fails, which wait for it already',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV', 'CONFIG_FAIL_MAKE_REQUEST'] },
  async (tools) => {
    await gathers(tools, 'destination')
  },
)
