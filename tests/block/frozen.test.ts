// The process that copies is frozen, as for a suspend of the system: a copy that takes hours must not hold that up.
import { expect } from 'vitest'
import { type CaseTools, kernelCase } from '../fixtures/case.ts'
import { Freezer } from '../fixtures/freezer.ts'
import { endedBy, slowDisk } from '../fixtures/long-copy.ts'
import type { NullBlk } from '../fixtures/null-blk.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { until } from '../fixtures/until.ts'

/** Freezes a copy of commands of 512 bytes when some have ended, and thaws it when it is known not to have ended. */
async function frozen({ session, pattern, proof }: CaseTools, nb: NullBlk, bytes: number): Promise<void> {
  const data = pattern(bytes)
  await nb.write(0, data)
  const { limit } = session.profile.sysfs
  const usual = await session.getQueue(nb, limit)
  await session.setQueue(nb, limit, '512')
  const freezer = await Freezer.make(session)
  const ended = async () => (await endedBy(session, [nb])).writes
  const before = await ended()
  const to = nb.at(nb.bytes / 2)
  const beginning = session.begin({ path: 'null-blk', from: nb.at(0), to, bytes }, { cgroup: freezer })
  await until(
    `what ${nb.name} has done`,
    async () => String(await ended()),
    (seen) => Number(seen) > before + 4,
  )
  const copying = await freezer.whileFrozen(async () => {
    const asleep = await beginning
    expect((await ended()) - before).toBeLessThan(bytes / 512)
    await session.setQueue(nb, limit, usual)
    return asleep
  })
  const call = await copying.done()
  proof.guest(call).moved()
  proof.device(call).moved()
  await proof.host(nb).changedOnly(to.offset, data)
}

kernelCase(
  'block/106',
  'the process that copies is frozen while it waits for a slow device, and goes on when it is thawed',
  { offloads: 'null-blk', needs: ['limits', 'CONFIG_CGROUP_FREEZER'] },
  async (tools) => {
    await frozen(tools, await slowDisk(tools.session), KiB(512))
  },
)

kernelCase(
  'block/107',
  'the process that copies is frozen although its commands end at once, so that it never waits',
  { offloads: 'null-blk', needs: ['limits', 'CONFIG_CGROUP_FREEZER'] },
  async (tools) => {
    const nb = await tools.session.nullBlk({ bytes: MiB(16), maxCopySectors: 512, completionNs: 0 })
    await frozen(tools, nb, MiB(8))
  },
)
