import { type Command, Option } from 'commander'
import { symptomHelp, symptoms } from '../bisect/question.ts'
import type { BisectOptions, LogOptions } from '../commands/bisect.ts'
import type { StepOptions } from '../commands/bisect-step.ts'
import type { Overrides } from '../config/load.ts'
import { addConfigOptions } from '../options.ts'
import { examples, overrides, type Start } from './help.ts'

const symptomList = symptoms.map((name) => `  ${name.padEnd(9)}${symptomHelp[name]}`).join('\n')

export function addBisectCommands(program: Command, start: Start): void {
  const bisect = program
    .command('bisect')
    .description('find the patch, the commit or the option that makes a case fail, or that mends it')
    .addHelpText(
      'after',
      `\nSymptoms:\n${symptomList}\n${examples(
        'copylab bisect series --case nvme/003',
        'copylab bisect series --fixed --bad 3 --good 9 --case nvme/003',
        'copylab bisect tree --tree ../linux#main --good v6.12 --bad main --case nvme/003',
        'copylab bisect tree --series none --good 7.2.6 --bad 7.3 --case plain/003',
        'copylab bisect kconfig --good default --bad debug-kasan --case dm/004 --memory 1024',
        'copylab bisect resume',
        'copylab bisect log',
        'git bisect run copylab bisect step --case nvme/003',
      )}`,
    )
  const load = () => import('../commands/bisect.ts')
  const kinds = [
    ['series', 'which patch of the series', 'number of patches', without('patches')],
    [
      'tree',
      'which commit of a git history, or which version of a Debian package',
      'commit or version',
      overrides,
    ],
    ['kconfig', 'which option', 'kconfig sets or fragments', without('kconfig')],
  ] as const
  for (const [kind, what, end, options] of kinds) {
    addQuestion(addConfigOptions(bisect.command(kind), [...options]))
      .description(`${what} brings the symptom, or mends it`)
      .option('--good <end>', `${end} without the symptom${kind === 'series' ? ' (default: 0)' : ''}`)
      .option('--bad <end>', `${end} with it${kind === 'series' ? ' (default: all of them)' : ''}`)
      .option('--fixed', 'the other way: the symptom comes first, and what mends it is looked for')
      .option('--confidence <percent>', 'how sure the verdict has to be (default: 99)')
      .action((typed: BisectOptions) =>
        start(async (context) => (await load()).beginBisect(kind, typed, context)),
      )
  }
  addConfigOptions(bisect.command('resume'), ['results'])
    .description('go on with the bisection that was interrupted')
    .action((typed: Overrides) => start(async (context) => (await load()).resumeBisect(typed, context)))
  addConfigOptions(bisect.command('log'), ['results'])
    .description('print each attempt of the last bisection, and what came of it')
    .option('--replay', 'come to the verdict again from the recorded answers, without a build or a boot')
    .action((typed: LogOptions) => start(async (context) => (await load()).logBisect(typed, context)))
  addQuestion(addConfigOptions(bisect.command('step'), overrides))
    .description(
      "for git bisect run: test what is checked out here; status 0 without the symptom, 1 with it, 125 cannot tell, 128 git's search has to end",
    )
    .option('--attempts <number>', 'without the symptom in so many attempts is good (default: 5)')
    .option('--reason <text>', 'only a failure whose reason has this text in it counts; another is a 125')
    .action((typed: StepOptions) =>
      start(async (context) => (await import('../commands/bisect-step.ts')).bisectStep(typed, context)),
    )
}

/** The ends say that. */
function without(one: keyof Overrides): (keyof Overrides)[] {
  return overrides.filter((name) => name !== one)
}

function addQuestion(command: Command): Command {
  return command
    .option('--case <case>', 'the case that shows the symptom, such as nvme/003')
    .addOption(
      new Option('--symptom <name>', 'what to look for: copylab bisect --help explains them')
        .choices([...symptoms])
        .default('fail'),
    )
}
