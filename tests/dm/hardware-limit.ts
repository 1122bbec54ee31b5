import type { Session } from '../fixtures/session.ts'
import type { Target } from '../fixtures/target.ts'

/** What one command of a device may copy at most, in bytes, whatever the user allows; 0: it cannot copy. */
export async function hardwareLimit(session: Session, target: Target): Promise<number> {
  return Number(await session.getQueue(target, session.profile.sysfs.hardwareLimit))
}
