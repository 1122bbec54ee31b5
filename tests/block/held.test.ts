// Holders, exclusive opens and read-only devices mean to a copy what they mean to a write.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { type CopyOptions, claim } from '../fixtures/copy.ts'
import { refuses } from '../fixtures/refused.ts'
import { KiB, MiB } from '../fixtures/units.ts'

async function twoPartitions({ disk, session, pattern }: CaseTools) {
  const ns = await disk('large')
  const first = await session.partition(ns, MiB(2), MiB(4))
  const second = await session.partition(ns, MiB(16), MiB(4))
  const data = pattern(KiB(256))
  await first.write(0, data)
  return { ns, first, second, data }
}

/** From one partition to another one with these options: copied as ever. */
async function copies(
  tools: CaseTools,
  options: (parts: Awaited<ReturnType<typeof twoPartitions>>) => CopyOptions,
): Promise<void> {
  const parts = await twoPartitions(tools)
  const { first, second, data } = parts
  const { copy, proof } = tools
  const call = await copy(
    { path: 'nvme-same-namespace', from: first.at(0), to: second.at(0), bytes: data.bytes },
    options(parts),
  )
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(second).changedOnly(0, data)
}

/** The same with a destination that becomes read-only when it has been opened: EPERM. */
async function refusesReadOnly(tools: CaseTools, options: CopyOptions = {}): Promise<void> {
  const { first, second, data } = await twoPartitions(tools)
  const request = {
    path: 'nvme-same-namespace' as const,
    ...{ from: first.at(0), to: second.at(0), bytes: data.bytes },
  }
  await refuses(tools, 'EPERM', request, { ...options, readOnly: 'destination' })
}

kernelCase('block/093', 'who holds both sides exclusively may copy', {}, async (tools) => {
  await copies(tools, () => ({ exclusive: true }))
})

/** What others hold is copied from and to, as it is read and written: not even the page cache is dropped with a claim. */
async function copiesHeld(tools: CaseTools, options: CopyOptions): Promise<void> {
  await copies(tools, ({ first, second }) => ({ ...options, before: [claim(first), claim(second)] }))
}

kernelCase(
  'block/094',
  'devices that somebody holds are copied from and to, as they are read and written',
  {},
  async (tools) => {
    await copiesHeld(tools, {})
  },
)

kernelCase(
  'block/095',
  'BLKCOPYV from and to devices that somebody holds',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await copiesHeld(tools, { by: 'BLKCOPYV' })
  },
)

kernelCase(
  'block/096',
  'copy_file_range from and to devices that somebody holds',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await copiesHeld(tools, { by: 'copy_file_range', direct: true })
  },
)

kernelCase('block/097', 'a read-only source is copied from', {}, async (tools) => {
  await copies(tools, () => ({ readOnly: 'source' }))
})

kernelCase('block/098', 'a destination that has become read-only is EPERM', {}, async (tools) => {
  await refusesReadOnly(tools)
})

kernelCase(
  'block/099',
  'a read-only destination is EPERM for BLKCOPYV',
  { needs: ['BLKCOPYV'] },
  async (tools) => {
    await refusesReadOnly(tools, { by: 'BLKCOPYV' })
  },
)

kernelCase(
  'block/100',
  'a read-only destination is EPERM for copy_file_range',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await refusesReadOnly(tools, { by: 'copy_file_range', direct: true })
  },
)
