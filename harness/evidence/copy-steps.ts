/**
 * Which Copy command does a line of QEMU's trace belong to?
 *
 * `pci_nvme_copy_source_range` and `pci_nvme_copy_out` carry an LBA and a length and nothing else. QEMU (7.2,
 * hw/nvme/ctrl.c) emits the first source range of a command together with its `pci_nvme_copy`, `copy_out` when a
 * range was read, and the next source range when it was written; destinations of a command adjoin. With several
 * commands in flight some lines fit more than one of them, so this searches for an assignment that fits all lines.
 * Commands of one namespace may come out with their destinations exchanged; their ranges in all are right.
 */
import type { CopyCommand } from './device-trace.ts'
import type { Range } from './ranges.ts'

export interface OpenCopy {
  command: CopyCommand
  /** Bytes. */
  blockSize: number
}

/** A line about Copy commands. */
export type CopyStep =
  | { kind: 'copy'; copy: OpenCopy; line: string }
  | { kind: 'source' | 'out'; lba: number; blocks: number; line: string }

/** More than any true trace needs by far; a trace that does not add up would be searched for ever. */
const maxTries = 1_000_000

/** Fills in the ranges of the commands. Throws when the lines do not add up. */
export function attribute(steps: readonly CopyStep[]): void {
  const trail: { options: OpenCopy[]; chosen: number }[] = []
  const open: OpenCopy[] = []
  let deepest = 0
  for (let tries = 0; trail.length < steps.length; tries++) {
    const step = steps[trail.length] as CopyStep
    const options = optionsOf(step, steps[trail.length - 1], open)
    const [first] = options
    if (first) {
      take(step, first, open)
      trail.push({ options, chosen: 0 })
      deepest = Math.max(deepest, trail.length)
      continue
    }
    if (!goBack(steps, trail, open) || tries > maxTries) {
      throw new Error(`the device trace does not add up; no Copy command fits: ${steps[deepest]?.line}`)
    }
  }
}

/** Takes the next option of the last line that has one left; false when there is none. */
function goBack(
  steps: readonly CopyStep[],
  trail: { options: OpenCopy[]; chosen: number }[],
  open: OpenCopy[],
): boolean {
  for (let last = trail.pop(); last; last = trail.pop()) {
    const step = steps[trail.length] as CopyStep
    giveBack(step, last.options[last.chosen] as OpenCopy, open)
    const next = last.options[last.chosen + 1]
    if (!next) continue
    take(step, next, open)
    trail.push({ options: last.options, chosen: last.chosen + 1 })
    return true
  }
  return false
}

/** The commands that a line may belong to, likelier ones first. */
function optionsOf(step: CopyStep, before: CopyStep | undefined, open: readonly OpenCopy[]): OpenCopy[] {
  if (step.kind === 'copy') return [step.copy]
  if (before?.kind === 'copy') return step.kind === 'source' ? [before.copy] : []
  const adjoins = ({ command, blockSize }: OpenCopy) => {
    const last = (step.kind === 'source' ? command.sources : command.destinations).at(-1)
    return last !== undefined && last.offset + last.bytes === step.lba * blockSize
  }
  const fits = open.filter(({ command: { sources, destinations, ranges }, blockSize }) => {
    if (step.kind === 'source') return sources.length === destinations.length && sources.length < ranges
    return sources.length === destinations.length + 1 && sources.at(-1)?.bytes === step.blocks * blockSize
  })
  if (step.kind === 'out') {
    return [...fits.filter(adjoins), ...fits.filter(({ command }) => !command.destinations.length)]
  }
  return [...fits.filter(adjoins), ...fits.filter((copy) => !adjoins(copy))]
}

function take(step: CopyStep, copy: OpenCopy, open: OpenCopy[]): void {
  if (step.kind === 'copy') return void open.push(copy)
  const range: Range = { offset: step.lba * copy.blockSize, bytes: step.blocks * copy.blockSize }
  const { command } = copy
  if (step.kind === 'source') command.sources.push(range)
  else command.destinations.push(range)
  if (command.destinations.length === command.ranges) open.splice(open.indexOf(copy), 1)
}

function giveBack(step: CopyStep, copy: OpenCopy, open: OpenCopy[]): void {
  if (step.kind === 'copy') return void open.splice(open.indexOf(copy), 1)
  const { command } = copy
  if (command.destinations.length === command.ranges) open.push(copy)
  if (step.kind === 'source') command.sources.pop()
  else command.destinations.pop()
}
