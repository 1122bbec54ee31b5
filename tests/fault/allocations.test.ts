// Every allocation of a call fails in turn: it comes back each time, with ENOMEM and nothing done or with all of it done.
import { failEachAllocation } from '../fixtures/allocations.ts'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Copies 64 KiB in two ranges, with each allocation failing in turn. */
async function sweep(tools: CaseTools, to: string, options: CopyOptions): Promise<void> {
  const { disk, pattern, proof } = tools
  const [ns, destination] = [await disk('large'), await disk(to)]
  const data = pattern(KiB(64))
  await ns.write(0, data)
  const path = ns === destination ? 'nvme-same-namespace' : 'never'
  const place = (nth: number) => MiB(4) + nth * KiB(64)
  const made = await failEachAllocation(
    tools,
    (nth) => {
      const to = destination.at(place(nth))
      return options.by === 'BLKCOPYV'
        ? { path, from: ns, ranges: twoRanges, to }
        : { path, from: ns.at(0), to, bytes: KiB(64) }
    },
    options,
  )
  await proof.host(destination).changedOnlyIn(made.map((nth): Change => [place(nth), data]))
  if (ns !== destination) await proof.host(ns).unchanged()
}

const twoRanges: [number, number][] = [
  [0, KiB(16)],
  [KiB(16), KiB(48)],
]

kernelCase(
  'fault/014',
  'each allocation of an offloaded BLKCOPY',
  { needs: ['tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'large', {})
  },
)

kernelCase(
  'fault/015',
  'each allocation of a BLKCOPY that is read and written',
  { needs: ['tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'scsi0', {})
  },
)

kernelCase(
  'fault/016',
  'each allocation of BLKCOPYV',
  { needs: ['BLKCOPYV', 'tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'large', { by: 'BLKCOPYV' })
  },
)

kernelCase(
  'fault/017',
  'each allocation of copy_file_range',
  { needs: ['copy_file_range', 'tracepoints', 'CONFIG_FAILSLAB'] },
  async (tools) => {
    await sweep(tools, 'large', { by: 'copy_file_range', direct: true })
  },
)
