/** Holds what the guest said against what must have happened. Pure; throws `Refusal` with everything that is wrong. */
import type { TracedCopy } from './guest-trace.ts'
import { compareByDisk, type Move, type Placed, Refusal } from './judge.ts'
import { totalBytes } from './ranges.ts'

/** The result of the call, numbers as the kernel wrote them. */
export interface CallResult {
  /** Name of the errno, or `0`. */
  error: string
  copied: string
  offloaded: string
}

/** The guest says that all of `bytes` was copied, `offloaded` of them by the device. */
export function judgeResult(result: CallResult, expected: CallResult): void {
  const problems = (['error', 'copied', 'offloaded'] as const)
    .filter((key) => result[key] !== expected[key])
    .map((key) => `${key} is ${result[key]}, not ${expected[key]}`)
  if (problems.length) throw new Refusal('guest', problems)
}

/**
 * The tracepoints tell the same story as the results: the ranges of offloaded moves in offload events without error,
 * those of the others in fallback events, each byte once.
 * @param locate where a traced range, sector and bytes, lies on the disks; undefined for a device that the case does not know
 */
export function judgeTracepoints(
  traced: readonly TracedCopy[],
  moves: readonly Move[],
  names: { offload: string; fallback: string },
  locate: (device: string, sector: number, bytes: number) => Placed[] | undefined,
): void {
  const problems: string[] = []
  for (const offloaded of [true, false]) {
    const event = offloaded ? names.offload : names.fallback
    const seen = traced.filter((copy) => copy.event === event && copy.error === 0)
    const wanted = moves.filter((move) => move.offloaded === offloaded)
    if (totalBytes(seen) !== totalBytes(wanted)) {
      problems.push(`${event} traced ${totalBytes(seen)} bytes, not ${totalBytes(wanted)}`)
      continue
    }
    for (const [side, key] of [['source', 'from'] as const, ['destination', 'to'] as const]) {
      const places = seen.flatMap(({ [side]: { device, sector }, bytes }): Placed[] => {
        return locate(device, sector, bytes) ?? [{ disk: `device ${device}`, offset: 0, bytes }]
      })
      problems.push(
        ...compareByDisk(
          places,
          wanted.map((move) => ({ ...move[key], bytes: move.bytes })),
          `${event} ${side}`,
        ),
      )
    }
  }
  if (problems.length) throw new Refusal('guest', problems)
}

/** A call that forbids it has not even tried to read and write: no fallback is traced, whatever came of it. */
export function judgeNoFallback(traced: readonly TracedCopy[], { fallback }: { fallback: string }): void {
  const tried = traced.filter(({ event }) => event === fallback)
  if (tried.length)
    throw new Refusal('guest', [`${fallback} was traced ${tried.length} times by a call that forbids it`])
}
