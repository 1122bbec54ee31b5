// Copies share the queue with reads and writes, whatever orders them: every scheduler, no merges, hardly any requests.
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import { pathTo } from '../fixtures/controllers.ts'
import type { CopyRequest } from '../fixtures/copy.ts'
import type { Change } from '../fixtures/proof.ts'
import type { Target } from '../fixtures/target.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/**
 * Twelve copies at once: eight on one namespace, two from it to a SCSI disk and two back.
 * @param set called with each device that has a queue of requests
 */
async function atOnce(tools: CaseTools, set: (one: Target) => Promise<void>): Promise<void> {
  const { disk, session, copy, pattern, proof } = tools
  const [ns, scsi] = [await disk('large'), await disk('scsi0')]
  const [data, other] = [pattern(MiB(4)), pattern(MiB(1))]
  await ns.write(0, data)
  await scsi.write(0, other)
  for (const one of [await pathTo(session, ns), scsi]) await set(one)
  const pieces = Array.from({ length: 8 }, (_, index) => index * KiB(512))
  // Backwards, so that a piece in its neighbour's place shows.
  const inside = (at: number) => MiB(16) - KiB(512) - at
  const halves = [0, KiB(512)]
  const call = await copy([
    ...pieces.map((at): CopyRequest => {
      return { path: 'nvme-same-namespace', from: ns.at(at), to: ns.at(inside(at)), bytes: KiB(512) }
    }),
    ...halves.map((at): CopyRequest => {
      return { path: 'never', from: ns.at(at), to: scsi.at(MiB(8) - at), bytes: KiB(512) }
    }),
    ...halves.map((at): CopyRequest => {
      return { path: 'never', from: scsi.at(at), to: ns.at(MiB(24) - at), bytes: KiB(512) }
    }),
  ])
  proof.guest(call).moved()
  proof.device(call).moved()
  const swapped = (to: number, from: typeof data) =>
    halves.map((at): Change => [to - at, from.part(at, KiB(512))])
  await proof
    .host(ns)
    .changedOnlyIn([
      ...pieces.map((at): Change => [inside(at), data.part(at, KiB(512))]),
      ...swapped(MiB(24), other),
    ])
  await proof.host(scsi).changedOnlyIn(swapped(MiB(8), data))
}

async function underScheduler(tools: CaseTools, name: string): Promise<void> {
  await atOnce(tools, (one) => tools.session.setQueue(one, 'scheduler', name))
}

kernelCase('block/075', 'twelve copies at once with no scheduler', {}, async (tools) => {
  await underScheduler(tools, 'none')
})

kernelCase(
  'block/076',
  'twelve copies at once under mq-deadline',
  { needs: ['CONFIG_MQ_IOSCHED_DEADLINE'] },
  async (tools) => {
    await underScheduler(tools, 'mq-deadline')
  },
)

kernelCase(
  'block/077',
  'twelve copies at once under kyber',
  { needs: ['CONFIG_MQ_IOSCHED_KYBER'] },
  async (tools) => {
    await underScheduler(tools, 'kyber')
  },
)

kernelCase(
  'block/078',
  'twelve copies at once under bfq',
  { needs: ['CONFIG_IOSCHED_BFQ'] },
  async (tools) => {
    await underScheduler(tools, 'bfq')
  },
)

kernelCase('block/079', 'twelve copies at once without merges', {}, async (tools) => {
  await atOnce(tools, (one) => tools.session.setQueue(one, 'nomerges', '2'))
})

kernelCase(
  'block/080',
  'twelve copies at once with four requests a queue',
  { needs: ['CONFIG_MQ_IOSCHED_DEADLINE'] },
  async (tools) => {
    await atOnce(tools, async (one) => {
      await tools.session.setQueue(one, 'scheduler', 'mq-deadline')
      // BLKDEV_MIN_RQ
      await tools.session.setQueue(one, 'nr_requests', '4')
    })
  },
)
