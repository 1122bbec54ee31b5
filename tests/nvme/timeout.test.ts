// Copy commands whose completion is lost: the driver's timeout ends them, and the copy goes on without them.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { controllersOf, pathTo, reset } from '../fixtures/controllers.ts'
import { type CopyCall, NO_FALLBACK } from '../fixtures/copy.ts'
import { KiB, MiB } from '../fixtures/units.ts'

const path = 'nvme-same-namespace'

/** Time after which the driver asks the device to abort a command, and once more until it resets the controller. */
const timeoutMs = 300

/** A copy inside of `large` of which `times` completions are lost. */
async function loses({ disk, copy, pattern, session }: CaseTools, times: number, flags: number) {
  const ns = await disk('large')
  const data = pattern(KiB(256))
  await ns.write(0, data)
  const queue = await pathTo(session, ns)
  const controllers = await controllersOf(session, ns)
  // The driver's own reset, which the copy does not wait for, has ended when another one has.
  session.undo(() => reset(session, controllers))
  await session.setQueue(queue, 'io_timeout', String(timeoutMs))
  await session.failTimeouts(queue, times)
  const call: CopyCall = await copy({ path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes }, { flags })
  await session.restore()
  return { ns, data, call }
}

kernelCase(
  'nvme/067',
  'a Copy command that times out: read and written, after the controller was reset',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_IO_TIMEOUT'] },
  async (tools) => {
    const { proof } = tools
    const { ns, data, call } = await loses(tools, 1, 0)
    proof.guest(call).fellBack()
    const { copies } = proof.device(call).reached(data.bytes, 'fallback', { reset: true })
    expect(copies).toHaveLength(1)
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

kernelCase(
  'nvme/068',
  'a Copy command that times out, and no fallback: EIO',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_IO_TIMEOUT'] },
  async (tools) => {
    const { proof } = tools
    const { ns, data, call } = await loses(tools, 1, NO_FALLBACK)
    proof.guest(call).refused('EIO')
    proof.device(call).reached(0, 'offload', { reset: true })
    await proof.host(ns).changedUpTo(MiB(8), data, 0)
  },
)

kernelCase(
  'nvme/069',
  'a Copy command and then its read time out: the read is sent again',
  { offloads: 'nvme-same-namespace', needs: ['CONFIG_FAIL_IO_TIMEOUT'] },
  async (tools) => {
    const { proof } = tools
    const { ns, data, call } = await loses(tools, 2, 0)
    proof.guest(call).fellBack()
    proof.device(call).reached(data.bytes, 'fallback', { reset: true })
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)
