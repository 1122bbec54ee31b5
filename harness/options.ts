import { type Command, Option } from 'commander'
import type { Overrides } from './config/load.ts'

/** The options that override copylab.yaml. */
const options: Record<keyof Overrides, () => Option> = {
  tree: () => new Option('--tree <name>', 'a tree of copylab.yaml'),
  series: () => new Option('--series <directory>', 'the patch series, or none'),
  patches: () => new Option('--patches <number>', 'apply only the first so many patches of the series'),
  kconfig: () =>
    new Option(
      '--kconfig <fragments>',
      'names in kconfigs/ or paths, separated by commas; may be repeated',
    ).argParser((value, before: string[] | undefined) => [
      ...(before ?? []),
      ...value.split(',').filter(Boolean),
    ]),
  qemu: () => new Option('--qemu <name>', 'an emulator of copylab.yaml, or a program'),
  accel: () => new Option('--accel <name>', 'auto, kvm or tcg').choices(['auto', 'kvm', 'tcg']),
  memory: () => new Option('--memory <MiB>', "the guest's memory"),
  results: () => new Option('--results <directory>', 'where results are written'),
}

export function addConfigOptions(command: Command, names: (keyof Overrides)[]): Command {
  for (const name of names) command.addOption(options[name]())
  return command
}

/** The options that say what is run, as words of a command line: for another copylab in the same directory. */
export function configWords({ tree, series, patches, kconfig, qemu, accel, memory }: Overrides): string[] {
  const given = Object.entries({ tree, series, patches, kconfig: kconfig?.join(','), qemu, accel, memory })
  return given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
}
