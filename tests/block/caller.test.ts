// Who calls, and how: flags of the descriptors, and whose I/O a copy is.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import type { CopyOptions } from '../fixtures/copy.ts'
import { tool } from '../fixtures/lab.ts'
import type { CopyPath } from '../fixtures/requirements.ts'
import type { Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/** Copies 64 KiB inside of a disk. */
async function copied(
  { disk, copy, pattern, proof }: CaseTools,
  errno: string | undefined,
  options: CopyOptions,
  [name, path] = ['large', 'nvme-same-namespace'] as [string, CopyPath],
): Promise<void> {
  const ns = await disk(name)
  const data = pattern(KiB(64))
  await ns.write(0, data)
  const call = await copy({ path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes }, options)
  if (errno) {
    proof.guest(call).refused(errno)
    proof.device(call).untouched()
    await proof.host(ns).unchanged()
  } else {
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(ns).changedOnly(MiB(8), data)
  }
}

kernelCase(
  'block/127',
  'copy_file_range to a descriptor that appends is EBADF',
  { needs: ['copy_file_range'] },
  async (tools) => {
    await copied(tools, 'EBADF', { by: 'copy_file_range', direct: true, append: 'destination' })
  },
)

/** Field 16 of Documentation/block/stat.rst: flush requests that were completed. */
async function flushes({ session }: CaseTools, disk: Target): Promise<number> {
  const stat = await session.must([tool, 'get', `/sys/class/block/${disk.device.slice('/dev/'.length)}/stat`])
  return Number(stat.trim().split(/\s+/)[15])
}

kernelCase(
  'block/128',
  'copy_file_range to a descriptor with O_DSYNC flushes the device, and without it does not',
  { needs: ['copy_file_range'] },
  async (tools) => {
    // A namespace that is reached by paths counts them there.
    const unit = await tools.disk('scsi0')
    const done: number[] = []
    for (const dsync of [undefined, 'destination' as const]) {
      const before = await flushes(tools, unit)
      await copied(tools, undefined, { by: 'copy_file_range', direct: true, ...(dsync && { dsync }) }, [
        'scsi0',
        'scsi',
      ])
      done.push((await flushes(tools, unit)) - before)
    }
    // The tool flushes what it has copied to, either time.
    expect(done[1]).toBe((done[0] ?? 0) + 1)
  },
)

/** Priorities of the requests of null_blk that the last call has made, by their letters. */
async function priorities({ session }: CaseTools): Promise<string[]> {
  const trace = await session.must([tool, 'get', '/sys/kernel/tracing/trace'])
  return [
    ...trace.matchAll(/block_rq_complete: \d+,\d+ ([CRW]+)[A-Z]* \([^)]*\) \d+ \+ \d+ (\w+),\d+,(\d+) /g),
  ].map(([, letters, name, level]) => `${letters} ${name} ${level}`)
}

kernelCase(
  'block/129',
  'a copy has the I/O priority of who calls, offloaded or not',
  { offloads: 'null-blk' },
  async (tools) => {
    const { session, copy, pattern, proof } = tools
    const nb = await session.nullBlk({ maxCopySectors: 128 })
    const other = await session.nullBlk({ blockSize: 512 })
    const data = pattern(KiB(64))
    await nb.write(0, data)
    // IOPRIO_CLASS_BE, level 2
    const ioprio = (2 << 13) | 2
    const inside = await copy(
      { path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: KiB(64) },
      { ioprio },
    )
    expect((await priorities(tools)).filter((one) => one.startsWith('C'))).toEqual(['CW be 2'])
    proof.guest(inside).moved()
    proof.device(inside).moved()
    await proof.host(nb).changedOnly(MiB(4), data)

    const across = await copy({ path: 'never', from: nb.at(0), to: other.at(0), bytes: KiB(64) }, { ioprio })
    const told = await priorities(tools)
    expect(told.filter((one) => one.startsWith('R'))).toContain('R be 2')
    expect(told.filter((one) => one.startsWith('W'))).toContain('W be 2')
    proof.guest(across).fellBack()
    proof.device(across).fellBack()
    await proof.host(other).changedOnly(0, data)
    await proof.host(nb).unchanged()
  },
)
