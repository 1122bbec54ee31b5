/** What cases of dm-kcopyd look at beside the proofs. */
import type { Pattern } from '../../harness/evidence/pattern.ts'
import { totalBytes } from '../../harness/evidence/ranges.ts'
import type { CopyCall } from '../fixtures/copy.ts'
import { tool } from '../fixtures/lab.ts'
import { sysfsOf } from '../fixtures/partition.ts'
import type { Session } from '../fixtures/session.ts'
import type { Target } from '../fixtures/target.ts'
import { until } from '../fixtures/until.ts'

/** Bytes that the tracepoints say the device has copied. */
export function offloadedBytes(session: Session, { traced = [] }: CopyCall): number {
  const event = session.profile.tracepoints?.offload
  return totalBytes(traced.filter((copy) => copy.event === event && copy.error === 0))
}

/** Returns what waits until a disk has ended a read that it had not ended by now (Documentation/block/stat.rst). */
export async function readsBegin(session: Session, disk: Target): Promise<() => Promise<void>> {
  const stat = () => session.must([tool, 'get', `${sysfsOf(disk)}/stat`])
  const ended = (text: string) => Number(text.trim().split(/\s+/)[0])
  const before = ended(await stat())
  return () => until(`what ${disk.name} has read`, stat, (text) => ended(text) !== before)
}

/** Writes to a device in the guest, and then back what it has cached of that. */
export async function fillBy(
  session: Session,
  { device }: Target,
  ...contents: readonly (readonly [offset: number, content: Pattern])[]
): Promise<void> {
  const words = contents.flatMap(([offset, { bytes, seed, from }]) => [
    ...['fill', device, ...[offset, bytes, seed, from].map(String), ','],
  ])
  const output = await session.must([tool, ...words, 'flush', device])
  if (!/^flush device=\S+ error=0$/m.test(output))
    throw new Error(`cannot write to ${device}: ${output.trim()}`)
}

/** From now on a device must hold this, which is to be looked for with the next proof of its disks. */
export function mustHold(target: Target, offset: number, { data }: Pattern): void {
  for (const { medium, offset: place, data: stored } of target.stored(offset, data))
    medium.backing.expect(place, stored)
}
