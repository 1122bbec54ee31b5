/** Holds Copy commands against what the disks say that they take. Pure. */
import type { CopyCommand, DeviceActivity } from './device-trace.ts'
import type { CopyCommandLimits, Placed } from './judge.ts'
import { totalBytes } from './ranges.ts'

/** @param fruitless so many Copy commands, of any disk, may have ended before their last range */
export function checkLimits(
  { copies, copySources, copyDestinations }: DeviceActivity,
  limits: ReadonlyMap<string, CopyCommandLimits>,
  fruitless = 0,
): string[] {
  const problems: string[] = []
  for (const disk of new Set(copies.map((copy) => copy.disk))) {
    const limit = limits.get(disk)
    if (!limit) {
      problems.push(`a Copy command of ${disk}, which does not take any`)
      continue
    }
    const mine = copies.filter((copy) => copy.disk === disk)
    const sources = copySources.filter((range) => (range.by ?? range.disk) === disk)
    const destinations = copyDestinations.filter((range) => range.disk === disk)
    const check = (value: number, bound: number, what: string) => {
      if (value > bound) problems.push(`${what} of ${disk}: ${value}, above ${bound}`)
    }
    check(Math.max(0, ...sources.map(({ bytes }) => bytes)), limit.rangeBytes, 'bytes in a range')
    check(Math.max(...mine.map(({ ranges }) => ranges)), limit.ranges, 'ranges in a Copy command')
    check(Math.max(...mine.map(mostBytes(sources))), limit.commandBytes, 'bytes in a Copy command')
    check(totalBytes(destinations), mine.length * limit.commandBytes, 'bytes in all Copy commands')
    const byRanges = mine.map(({ ranges }) => ranges).sort((a, b) => b - a)
    const announced = totalOf(byRanges)
    const least = totalOf(byRanges.slice(fruitless))
    const unseen = mine.every(({ sourcesUnseen }) => sourcesUnseen)
    const wrong = (seen: number) => seen > announced || seen < least
    if ((!unseen && wrong(sources.length)) || wrong(destinations.length)) {
      problems.push(`Copy commands of ${disk} have done ${destinations.length} of their ${announced} ranges`)
    }
  }
  return problems
}

/**
 * The bytes of a Copy command. Where its ranges cannot be told from those of others in flight, as many as it may have:
 * those of the longest ranges of its disk. So none exceeds the limit unseen, though a kernel that fills its commands
 * unevenly may be refused while it keeps to the limit.
 */
function mostBytes(sources: readonly Placed[]): (command: CopyCommand) => number {
  const lengths = sources.map(({ bytes }) => bytes).sort((a, b) => b - a)
  return ({ bytes, ranges }) => bytes ?? totalOf(lengths.slice(0, ranges))
}

export function totalOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}
