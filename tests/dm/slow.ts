/** Copies that are under way long enough for something to be done meanwhile, however fast the host is. */
import type { CaseTools } from '../fixtures/case.ts'
import type { CopyCall } from '../fixtures/copy.ts'
import type { NullBlk } from '../fixtures/null-blk.ts'
import type { CopyPath } from '../fixtures/requirements.ts'
import type { Session } from '../fixtures/session.ts'
import type { Target } from '../fixtures/target.ts'
import { MiB } from '../fixtures/units.ts'

/** Takes 1024 commands of a slow disk, 2 s and more if four are in flight. */
export const longBytes = MiB(2)

/** A null_blk device of 8 MiB whose requests take 8 ms and copy 2 KiB. */
export function slowDisk({ session }: CaseTools): Promise<NullBlk> {
  return session.nullBlk({ bytes: MiB(8), maxCopySectors: 4, completionNs: 8_000_000 })
}

/** Copies `longBytes` from the start of one target to that of another, and does something meanwhile. */
export async function meanwhile(
  { session }: CaseTools,
  { from, to, path = ['dm-linear', 'null-blk'] }: { from: Target; to: Target; path?: CopyPath },
  change: () => Promise<void>,
): Promise<CopyCall> {
  const copying = await session.begin({ path, from: from.at(0), to: to.at(0), bytes: longBytes })
  await change()
  return copying.done()
}

/** Makes each command of a volume copy 2 KiB only, so that MiBs of it take thousands where no disk can be slowed down. */
export async function manyCommands(session: Session, volume: Target): Promise<void> {
  await session.setQueue(volume, session.profile.sysfs.limit, '2048')
}
