/** What is wrong with a guest that no case will look at any more. */
import type { Guest } from '../../qemu/guest.ts'
import { GuestLost, isKernelsFault } from '../../qemu/lost.ts'
import type { GuestFacts } from './guest-host.ts'
import type { CaseOutcome, Verdict } from './outcome.ts'
import { emptyRecord } from './record.ts'
import { framesAfter } from './stack.ts'

export interface Complaint {
  verdict: Extract<Verdict, 'fail' | 'infra'>
  /** One line. */
  reason: string
  /** What the kernel has said of it. */
  messages: string
  /** The guest was lost. */
  lost?: GuestLost['reason']
}

/**
 * Lets kmemleak scan, where the kernel has it (Documentation/dev-tools/kmemleak.rst), and prints what it reports.
 * An object is reported when a second scan finds it as unreferenced and unchanged as the first one, and when it is
 * older than five seconds (MSECS_MIN_AGE of mm/kmemleak.c), which the last case's would not be yet.
 */
const findLeaks = `
leaks=/sys/kernel/debug/kmemleak
[ -e $leaks ] || exit 0
sleep 6 && echo scan > $leaks && echo scan > $leaks && cat $leaks`

/** A kernel with KASAN under TCG has a lot of memory to scan. */
const scanTimeoutMs = 300_000

/**
 * One line that names everybody who has allocated what kmemleak reports: a leak that is known must not hide another one.
 * @param report as print_unreferenced() of mm/kmemleak.c words it: for each object a heading, and a backtrace below
 */
function whoLeaks(report: string): string {
  const objects = report.split(/^(?=unreferenced object )/m)
  const names = objects.map((object) => framesAfter('backtrace', [object])[0] ?? 'an unknown function')
  return `kmemleak: unreferenced objects of ${[...new Set(names)].sort().join(', ')}: ${objects.length}`
}

/** Undefined when the kernel has nothing to complain of, after the boot, the cases and a scan for leaks. */
export async function lookAt(guest: Guest): Promise<Complaint | undefined> {
  try {
    const { status, stdout, stderr } = await guest.exec(['sh', '-c', findLeaks], { timeoutMs: scanTimeoutMs })
    if (status !== 0) {
      const reason = `kmemleak cannot be asked for leaks: ${stderr.toString().trim()}`
      return { verdict: 'infra', reason, messages: guest.console.tail() }
    }
    const trouble = await guest.trouble()
    // Leaks come after it, since they may be known ones.
    if (trouble !== undefined) {
      const verdict = trouble === guest.ioError ? 'infra' : 'fail'
      return { verdict, reason: trouble, messages: guest.console.tail(400) }
    }
    const leaks = stdout.toString().trim()
    return leaks ? { verdict: 'fail', reason: whoLeaks(leaks), messages: leaks } : undefined
  } catch (error) {
    const { message, consoleTail = '', splat } = error as Error & Record<string, string | undefined>
    const verdict = isKernelsFault(error as Error) ? 'fail' : 'infra'
    const lost = error instanceof GuestLost ? { lost: error.reason } : {}
    return { verdict, reason: splat ?? message, messages: consoleTail, ...lost }
  }
}

/** Under this id a complaint is reported like a case; without one there is no outcome. */
export const lastLookId = 'kernel/end'

/** @param command runs the cases again that the guest has run */
export function lastOutcome(complaint: Complaint & { facts: GuestFacts }, command: string): CaseOutcome {
  const { verdict, reason, messages, facts, lost } = complaint
  const details = `after the last case, see boot-${facts.boot}.console: ${reason}`
  return {
    ...{ id: lastLookId, group: 'kernel', description: 'no complaint after the last case' },
    ...{ verdict, reason, details, command },
    startedAt: new Date(),
    record: {
      ...{ ...emptyRecord, dmesg: messages, boot: facts.boot, qemu: facts.argv },
      ...(verdict === 'fail' ? { splat: reason } : { infra: reason }),
      ...(lost && { lost }),
    },
  }
}
