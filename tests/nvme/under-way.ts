import type { Pattern } from '../../harness/evidence/pattern.ts'
import type { CaseTools } from '../fixtures/case.ts'
import { controllersOf } from '../fixtures/controllers.ts'
import type { CopyCall } from '../fixtures/copy.ts'
import type { Disk } from '../fixtures/disk.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/**
 * Eight copies of 512 KiB inside of a namespace, 4 KiB in a command, and `meanwhile` something happens to its controllers. The
 * namespace is one that takes its time, see qemu/topology.ts.
 */
export async function whileCopying(
  { pattern, session }: CaseTools,
  ns: Disk,
  meanwhile: (controllers: string[]) => Promise<void>,
): Promise<{ call: CopyCall; changes: [number, Pattern][]; bytes: number }> {
  const data = pattern(KiB(512))
  await ns.write(0, data)
  const places = Array.from({ length: 8 }, (_, index) => MiB(2 + index))
  const controllers = await controllersOf(session, ns)
  await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(4)))
  const copying = await session.begin(
    places.map((to) => ({
      ...{ path: 'nvme-same-namespace' as const, bytes: data.bytes },
      ...{ from: ns.at(0), to: ns.at(to) },
    })),
  )
  await meanwhile(controllers)
  const call = await copying.done()
  await session.restore()
  return { call, changes: places.map((to) => [to, data]), bytes: data.bytes }
}
