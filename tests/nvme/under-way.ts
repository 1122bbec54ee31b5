import type { Pattern } from '../../harness/evidence/pattern.ts'
import { defaultTopology } from '../../qemu/topology.ts'
import type { CaseTools } from '../fixtures/case.ts'
import { controllersOf } from '../fixtures/controllers.ts'
import type { CopyCall } from '../fixtures/copy.ts'
import type { Disk } from '../fixtures/disk.ts'
import type { Copying } from '../fixtures/flight.ts'
import { KiB, MiB } from '../fixtures/units.ts'

/**
 * What the copies take at the least, however fast the host is: ten times what passes until something meets them. With a
 * slow kernel both are longer, see bootCell().
 */
const seconds = 4

const copies = 8

/**
 * Eight copies inside of a namespace, 4 KiB in a command, and `meanwhile` something happens to its controllers. The
 * namespace is one that takes its time, see qemu/topology.ts.
 */
export async function whileCopying(
  { pattern, session }: CaseTools,
  ns: Disk,
  meanwhile: (copying: Copying, controllers: string[]) => Promise<void>,
): Promise<{ call: CopyCall; changes: [number, Pattern][]; bytes: number }> {
  const namespaces = defaultTopology.nvme.flatMap((one) => one.namespaces)
  const { bytesPerSecond } = namespaces.find(({ name }) => name === ns.name) ?? {}
  if (!bytesPerSecond) throw new Error(`${ns.name} takes no time`)
  // All is read and written.
  const data = pattern((bytesPerSecond * seconds) / 2 / copies)
  await ns.write(0, data)
  const places = Array.from({ length: copies }, (_, index) => MiB(2 + index))
  const controllers = await controllersOf(session, ns)
  await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(4)))
  const copying = await session.begin(
    places.map((to) => ({
      ...{ path: 'nvme-same-namespace' as const, bytes: data.bytes },
      ...{ from: ns.at(0), to: ns.at(to) },
    })),
  )
  await meanwhile(copying, controllers)
  const call = await copying.done()
  await session.restore()
  return { call, changes: places.map((to) => [to, data]), bytes: data.bytes }
}
