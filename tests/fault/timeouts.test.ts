// Requests whose completion is lost (fail_io_timeout), of copies and of the reads and writes in their place.
import { expect } from 'vitest'
import { kernelCase } from '../fixtures/case.ts'
import { impatientDisk } from '../fixtures/impatient-disk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

kernelCase(
  'fault/035',
  'the completion of a copy is lost: read and written after its timeout',
  { offloads: 'null-blk', needs: ['CONFIG_FAIL_IO_TIMEOUT'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await impatientDisk(session)
    const data = pattern(KiB(256))
    await nb.write(0, data)
    await session.failTimeouts(nb, 1)
    const call = await copy({ path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: KiB(256) })
    await session.restore()
    proof.guest(call).fellBack()
    proof.device(call).fellBack({ failed: 1 })
    await proof.host(nb).changedOnly(MiB(4), data)
  },
)

kernelCase(
  'fault/036',
  'the completions of a copy and of the read in its place are lost: ETIMEDOUT',
  { offloads: 'null-blk', needs: ['CONFIG_FAIL_IO_TIMEOUT'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await impatientDisk(session)
    const data = pattern(KiB(64))
    await nb.write(0, data)
    await session.failTimeouts(nb, 2)
    const call = await copy({ path: 'null-blk', from: nb.at(0), to: nb.at(MiB(4)), bytes: KiB(64) })
    await session.restore()
    proof.guest(call).refused('ETIMEDOUT')
    proof.device(call).untouched({ failed: 2 })
    // null_blk makes the copy and loses the answer: what is not counted as copied may still be there.
    await proof.host(nb).changedUpTo(MiB(4), data, 0)
  },
)

kernelCase(
  'fault/037',
  'a completion is lost while four copies are under way: all are done',
  { offloads: 'null-blk', needs: ['tracepoints', 'CONFIG_FAIL_IO_TIMEOUT'] },
  async ({ session, copy, pattern, proof }) => {
    const nb = await impatientDisk(session)
    const data = pattern(KiB(256))
    await nb.write(0, data)
    await session.failTimeouts(nb, 1)
    const places = [MiB(2), MiB(3), MiB(4), MiB(5)]
    const call = await copy(
      places.map((to) => ({ path: 'null-blk' as const, from: nb.at(0), to: nb.at(to), bytes: KiB(256) })),
    )
    await session.restore()
    // Two CPUs at once can both be given the one loss: lib/fault-inject.c tests and lowers `times` apart.
    const lost = call.activity?.errors.length ?? 0
    expect(lost).toBeGreaterThan(0)
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced', { failed: lost })
    await proof.host(nb).changedOnlyIn(places.map((to) => [to, data]))
  },
)
