// MSSRL, MCL and MSRC: what fits is one Copy command, what does not is as many as it takes, and all of it is offloaded.
import { expect } from 'vitest'
import type { CopyCommand } from '../../harness/evidence/device-trace.ts'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { Disk } from '../fixtures/disk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-same-namespace'

/** Numbers of ranges of Copy commands, the largest first: commands that are under way at once come in any order. */
function rangesOf(copies: readonly CopyCommand[]): number[] {
  return copies.map(({ ranges }) => ranges).sort((one, other) => other - one)
}

/** Copies so many blocks inside of a namespace; the Copy commands must have had these numbers of ranges. */
async function blocks({ copy, pattern, proof }: CaseTools, ns: Disk, count: number, ranges: number[]) {
  const data = pattern(count * ns.blockSize)
  const from = 5 * ns.blockSize
  await ns.write(from, data)
  const call = await copy({ path, from: ns.at(from), to: ns.at(MiB(8)), bytes: data.bytes })
  proof.guest(call).moved()
  const { copies } = proof.device(call).moved()
  expect(rangesOf(copies)).toEqual(ranges)
  await proof.host(ns).changedOnly(MiB(8), data)
}

/** Copies so many ranges of a block each, the last first. */
async function scattered(tools: CaseTools, ns: Disk, count: number, ranges: number[]) {
  const { copy, pattern, proof } = tools
  const size = ns.blockSize
  const data = pattern(count * size)
  const places = Array.from({ length: count }, (_, index) => (count - index) * 3 * size)
  for (const [index, at] of places.entries()) await ns.write(at, data.part(index * size, size))
  const call = await copy({
    path,
    from: ns,
    ranges: places.map((at) => [at, size]),
    to: ns.at(MiB(8)),
  })
  proof.guest(call).moved()
  const { copies } = proof.device(call).moved()
  expect(rangesOf(copies)).toEqual(ranges)
  await proof.host(ns).changedOnly(MiB(8), data)
}

kernelCase(
  'nvme/031',
  'MSSRL, a block less and a block more: one range, one and two of one command',
  { offloads: 'nvme-same-namespace' },
  async (tools) => {
    const ns = await tools.disk('small')
    await blocks(tools, ns, 15, [1])
    await blocks(tools, ns, 16, [1])
    await blocks(tools, ns, 17, [2])
  },
)

kernelCase(
  'nvme/032',
  'MCL, a block less and a block more: one command, one and two',
  { offloads: 'nvme-same-namespace' },
  async (tools) => {
    const ns = await tools.disk('small')
    await blocks(tools, ns, 63, [4])
    await blocks(tools, ns, 64, [4])
    await blocks(tools, ns, 65, [4, 1])
  },
)

kernelCase(
  'nvme/033',
  'MSSRL and MCL count blocks of 4096 bytes, too',
  { offloads: 'nvme-same-namespace' },
  async (tools) => {
    const ns = await tools.disk('4k')
    for (const [count, ranges] of [
      [63, [1]],
      [64, [1]],
      [65, [2]],
      [127, [2]],
      [128, [2]],
      [129, [2, 1]],
    ] as const) {
      await blocks(tools, ns, count, [...ranges])
    }
  },
)

kernelCase(
  'nvme/034',
  'MSRC, a range less and a range more: one command, one and two',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async (tools) => {
    const ns = await tools.disk('small')
    await scattered(tools, ns, 7, [7])
    await scattered(tools, ns, 8, [8])
    await scattered(tools, ns, 9, [8, 1])
  },
)

kernelCase(
  'nvme/035',
  'ranges for four commands of a namespace of 4096-byte blocks, in their order',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async (tools) => {
    const ns = await tools.disk('4k')
    await scattered(tools, ns, 4, [4])
    await scattered(tools, ns, 13, [4, 4, 4, 1])
  },
)

/** Copies ranges of so many blocks, which end where MSSRL does not, inside of `small`. */
async function misaligned(tools: CaseTools, lengths: readonly number[], ranges?: number[]) {
  const { disk, copy, pattern, proof } = tools
  const ns = await disk('small')
  const data = pattern(lengths.reduce((sum, length) => sum + length, 0) * 512)
  const sources: [number, number][] = []
  let done = 0
  for (const [index, length] of lengths.entries()) {
    const source: [number, number] = [KiB(128) * (lengths.length - index) + 512 * index, length * 512]
    sources.push(source)
    await ns.write(source[0], data.part(done, source[1]))
    done += source[1]
  }
  const call = await copy({ path, from: ns, ranges: sources, to: ns.at(MiB(8)) })
  proof.guest(call).moved()
  const { copies } = proof.device(call).moved()
  if (ranges) expect(rangesOf(copies)).toEqual(ranges)
  await proof.host(ns).changedOnly(MiB(8), data)
}

kernelCase(
  'nvme/036',
  'ranges just longer than MSSRL need twice as many: a shorter command, and all is offloaded',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async (tools) => {
    // 54 blocks of at most 64, in nine ranges of at most eight
    await misaligned(tools, [17, 17, 17, 1, 1, 1], [8, 1])
  },
)

kernelCase(
  'nvme/037',
  'a command is full in the middle of a range: the next one goes on there',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async (tools) => {
    await misaligned(tools, [1, 1, 1, 1, 1, 1, 1, 33], [8, 2])
  },
)

kernelCase(
  'nvme/038',
  'ranges of all lengths around MSSRL and in all combinations',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async (tools) => {
    for (let first = 1; first <= 33; first += 4) {
      const lengths: number[] = []
      // Not more than MCL, so that there is one command at a time.
      for (let left = 64, next = first; next <= left; next = 1 + ((next * 7 + first) % 35)) {
        lengths.push(next)
        left -= next
      }
      await misaligned(tools, lengths)
    }
  },
)

kernelCase(
  'nvme/039',
  'a range of 65536 blocks, one more than the largest MSSRL',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('wide')
    const data = pattern(65536 * 512)
    await ns.write(0, data)
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(32)), bytes: data.bytes })
    proof.guest(call).moved()
    const { copies, copySources } = proof.device(call).moved()
    expect(copies.map(({ ranges }) => ranges)).toEqual([2])
    expect(copySources.map(({ bytes }) => bytes / 512)).toEqual([65535, 1])
    await proof.host(ns).changedOnly(MiB(32), data)
  },
)

kernelCase(
  'nvme/040',
  'three ranges of a namespace that takes two in a command',
  { offloads: 'nvme-same-namespace', needs: ['BLKCOPYV'] },
  async (tools) => {
    await scattered(tools, await tools.disk('wide'), 3, [2, 1])
  },
)

kernelCase(
  'nvme/041',
  'the last block of 4096 bytes, alone and with all before it',
  { offloads: 'nvme-same-namespace' },
  async ({ disk, copy, pattern, proof }) => {
    const ns = await disk('large4k')
    const block = KiB(4)
    const half = ns.bytes / 2
    const last = pattern(block)
    await ns.write(ns.bytes - block, last)
    const call = await copy({ path, from: ns.at(ns.bytes - block), to: ns.at(0), bytes: block })
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(0, last)

    const data = pattern(half)
    await ns.write(0, data)
    const second = await copy({ path, from: ns.at(0), to: ns.at(half), bytes: half })
    proof.guest(second).moved()
    proof.device(second).moved()
    await proof.host(ns).changedOnly(half, data)
  },
)

kernelCase(
  'nvme/042',
  'copy_max_hw_bytes is what fits into a Copy command, 0 where there is none',
  { offloads: 'nvme-same-namespace', needs: ['limits'] },
  async ({ disk, copy, pattern, proof, session }) => {
    const { hardwareLimit, limit } = session.profile.sysfs
    for (const name of ['small', 'large', 'wide', '4k', 'large4k', 'nocopy']) {
      const ns = await disk(name)
      const { commandBytes = 0, rangeBytes = 0, ranges = 0 } = ns.limits ?? {}
      const most = String(Math.min(commandBytes, rangeBytes * ranges))
      expect(await session.getQueue(ns, hardwareLimit), name).toBe(most)
      expect(await session.getQueue(ns, limit), name).toBe(most)
    }
    const ns = await disk('small')
    const data = pattern(Number(await session.getQueue(ns, hardwareLimit)))
    await ns.write(0, data)
    const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes })
    proof.guest(call).moved()
    expect(proof.device(call).moved().copies).toHaveLength(1)
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)
