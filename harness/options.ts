import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Overrides } from './config/load.ts'

/** The options that override copylab.yaml. */
const options: Record<keyof Overrides, () => Option> = {
  tree: () =>
    new Option(
      '--tree <tree>',
      'a tree of copylab.yaml, or [NAME=]SOURCE: a Debian package linux-source-X.Y[=VERSION][@SUITE], the path of a tarball or directory, or REPOSITORY#REF with the path or URL of a git repository',
    ),
  dirty: () =>
    new Option(
      '--dirty <what>',
      'of a directory with changes that are not committed: refuse it (default), or copy them',
    ).choices(['refuse', 'copy']),
  series: () =>
    new Option(
      '--series <what>',
      'the patch series: a directory, a mailbox, REPOSITORY:A..B, or none; repeated, one upon the other',
    ).argParser((value, before: string[] | undefined) => [...(before ?? []), value]),
  seriesVersion: () =>
    new Option(
      '--series-version <number>',
      'of a mailbox with several versions (default: the newest whole one)',
    ),
  profile: () => new Option('--profile <file>', 'what the series offers, instead of the profile beside it'),
  patches: () => new Option('--patches <number>', 'apply only the first so many patches of the series'),
  kconfig: () =>
    new Option(
      '--kconfig <names>',
      'sets of copylab.yaml, fragments in kconfigs/ or paths of fragments, separated by commas; may be repeated',
    ).argParser(words),
  qemu: () => new Option('--qemu <name>', 'an emulator of copylab.yaml, or a program'),
  accel: () => new Option('--accel <name>', 'auto, kvm or tcg').choices(['auto', 'kvm', 'tcg']),
  memory: () => new Option('--memory <MiB>', "the guest's memory"),
  results: () => new Option('--results <directory>', 'where results are written'),
}

/** Reads an option that may be repeated, and may have several values separated by commas. */
export function words(value: string, before: string[] | undefined): string[] {
  const named = value.split(',').map((word) => word.trim())
  // An empty variable of a script must not pass for a choice of nothing.
  if (named.some((word) => word === '')) throw new InvalidArgumentError('Expected names separated by commas.')
  return [...(before ?? []), ...named]
}

export function addConfigOptions(command: Command, names: (keyof Overrides)[]): Command {
  for (const name of names) command.addOption(options[name]())
  return command
}

/** The options that say what is run, as words of a command line: for another copylab in the same directory. */
export function configWords(options: Overrides): string[] {
  const { tree, dirty, series, seriesVersion, patches, profile, kconfig, qemu, accel, memory } = options
  const given = Object.entries({
    ...{
      tree,
      dirty,
      series,
      'series-version': seriesVersion,
      patches,
      profile,
      kconfig: kconfig?.join(','),
    },
    ...{ qemu, accel, memory },
  })
  return given.flatMap(([name, value = []]) => [value].flat().flatMap((one) => [`--${name}`, one]))
}
