/** What all commands share: how they are started, what they say of themselves, and the options of several. */
import type { CommandContext } from '../commands/run.ts'
import type { Overrides } from '../config/load.ts'

/** Runs a command that has been parsed. */
export type Start = (run: (context: CommandContext) => Promise<number>) => Promise<void>

export const statuses =
  '\nExit status: 0 all passed, 1 a case failed or a patch has a finding, 2 usage or configuration, 3 infrastructure, 125 a bisection cannot tell, 130 or 143 interrupted, 141 nobody reads the output.\n'

export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n${statuses}`
}

export const seriesOptions: (keyof Overrides)[] = ['series', 'seriesVersion', 'patches', 'profile']
export const machineOptions: (keyof Overrides)[] = [
  'tree',
  'dirty',
  ...seriesOptions,
  'kconfig',
  'qemu',
  'accel',
  'memory',
]
export const overrides: (keyof Overrides)[] = [...machineOptions, 'results']
