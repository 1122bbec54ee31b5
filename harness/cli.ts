import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { checkNames } from './check/result.ts'
import { addBisectCommands } from './cli/bisect.ts'
import { addCacheCommands } from './cli/cache.ts'
import { examples, machineOptions, overrides, type Start, seriesOptions, statuses } from './cli/help.ts'
import type { BenchOptions } from './commands/bench.ts'
import type { CheckOptions } from './commands/check-series.ts'
import type { MatrixOptions } from './commands/matrix.ts'
import type { ReportOptions } from './commands/report.ts'
import type { RunOptions } from './commands/run.ts'
import type { Overrides } from './config/load.ts'
import type { CellOptions } from './matrix/planned.ts'
import { addConfigOptions, words } from './options.ts'

/** The command line. Commands are imported when they are asked for, so that each starts with what it needs only. */
export function commandLine(start: Start): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const program = new Command('copylab')
    .description(
      'builds a kernel with a patch series, boots it in QEMU and proves how its block copies moved',
    )
    .version(version)
    .enablePositionalOptions()
    // As all other messages; what follows it is said by each command.
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'copylab: ')) })
    .addHelpText('after', statuses)

  addConfigOptions(program.command('run'), overrides)
    .description('run cases on the kernel, building it first if need be')
    .argument('[case...]', 'cases or groups, such as nvme/003 or dm; all of them when none is named')
    .option('--matrix', 'run all cells of the matrix in copylab.yaml')
    .option('--cell <name>', 'run only this cell of the matrix; may be repeated', eachOf)
    .option('--dry-run', 'print what would be built, booted and run')
    .option(
      '--resume',
      'go on with the run that was interrupted, or had cases without a verdict: what was typed for it need not be typed again, except --results',
    )
    .option('--fail-fast', 'with several cells: the first that fails ends the others')
    .option(
      '--reporter <name[=file]>',
      'also write the results as html, json, junit, ktap or times when the run is over, by default beside the results; may be repeated',
      eachOf,
    )
    .option(
      '--shard <i/n>',
      'run only the i-th of n equal parts; one that passes ends with 0, even if it has nothing to run',
    )
    .option(
      '--times <file>',
      'split by what cases took, from copylab report --format times=FILE or a summary.json; all shards need the same',
    )
    .addHelpText(
      'after',
      examples(
        'copylab run',
        'copylab run nvme/003 dm',
        'copylab run --series none --results /tmp/r block',
        'copylab run --resume',
        'copylab run --reporter junit=junit.xml --reporter html',
        'copylab run --shard 2/3 --times times.json',
        'copylab run --matrix --dry-run',
        'copylab run --cell 6.12-copy-offload nvme',
        'copylab run --tree ./linux-6.12.57.tar.xz --series none',
        'copylab run --tree https://example.org/linux.git#v6.12 --series none',
      ),
    )
    .action((cases: string[], options: RunOptions) =>
      start(async (context) => {
        const { run } = await import('./commands/run.ts')
        return run(cases, options, context)
      }),
    )

  addConfigOptions(program.command('test'), overrides)
    .description("run the harness's unit tests, then all cases")
    .addHelpText('after', examples('copylab test', 'copylab test --accel tcg'))
    .action((options: Overrides) =>
      start(async (context) => {
        const { test } = await import('./commands/test.ts')
        return test(options, context)
      }),
    )

  addConfigOptions(program.command('build'), ['tree', 'dirty', ...seriesOptions, 'kconfig'])
    .description("build the kernel alone; prints the image's path")
    .option('--matrix', 'build for all cells of the matrix in copylab.yaml')
    .option('--cell <name>', 'build only for this cell of the matrix; may be repeated', eachOf)
    .addHelpText(
      'after',
      examples(
        'copylab build',
        'copylab build --series none',
        'copylab build --patches 3',
        'copylab build --tree linux-source-6.1=6.1.123-1@bookworm --series none',
        'copylab build --tree ../linux --dirty copy',
        'copylab build --tree 6.12=../linux#v6.12.57',
        'copylab build --kconfig boot,block,./my.config',
        'copylab build --cell 6.12-copy-offload',
      ),
    )
    .action((options: CellOptions) =>
      start(async (context) => {
        const { build } = await import('./commands/build.ts')
        return build(options, context)
      }),
    )

  addConfigOptions(program.command('check-series'), [...seriesOptions, 'kconfig', 'results'])
    .description('check each patch of the series: it applies, builds, and what the usual tools say of it')
    .option(
      '--tree <names>',
      'trees, separated by commas (default: all that the series has patches for)',
      words,
    )
    .option('--only <checks>', `of ${checkNames.join(', ')}; separated by commas`, words)
    .option('--w1', 'compile what a patch touches with W=1, too')
    .option('--sparse', 'run sparse over what a patch touches, too')
    .option(
      '--ignore <types>',
      "types of checkpatch's messages that do not count, such as FILE_PATH_CHANGES, beside those in the series' profile",
      words,
    )
    .option('--full', 'build the whole kernel after each patch, which takes long')
    .option('--json', 'print the results as JSON')
    .addHelpText(
      'after',
      examples(
        'copylab check-series',
        'copylab check-series --tree 6.12 --sparse',
        'copylab check-series --series thread.mbox --only apply,checkpatch',
      ),
    )
    .action((options: CheckOptions) =>
      start(async (context) => {
        const { checkSeries } = await import('./commands/check-series.ts')
        return checkSeries(options, context)
      }),
    )

  program
    .command('list')
    .description('list the cases')
    .argument('[case...]', 'cases or groups; all of them when none is named')
    .addHelpText('after', examples('copylab list', 'copylab list nvme'))
    .action(async (cases: string[]) => {
      const { list } = await import('./commands/list.ts')
      process.exitCode = await list(cases)
    })

  addConfigOptions(program.command('shell'), machineOptions)
    .description('boot the default topology and get a prompt, or run one command and take its exit status')
    .argument('[command...]', 'what to run in the guest, after --')
    .option('--put <file...>', 'copy files of this machine into the guest')
    .passThroughOptions()
    .addHelpText(
      'after',
      examples(
        'copylab shell',
        'copylab shell -- uname -a',
        'copylab shell --put ./my-test -- ./my-test /dev/nvme0n1',
      ),
    )
    .action((command: string[], options: Overrides & { put?: string[] }) =>
      start(async (context) => {
        const { shell } = await import('./commands/shell.ts')
        return shell(command, options, context)
      }),
    )

  addConfigOptions(program.command('bench'), overrides)
    .description(
      'measure offload against fallback, dd and kcopyd, or copylab itself; no figure makes it fail',
    )
    .option('--rounds <number>', 'how often everything is measured, in turn (default: 5, and 1 with --cold)')
    .option(
      '--routes <names>',
      'copy only on these: nvme, nvme-across, dm-linear, dm-crypt, scsi, scsi-across; separated by commas',
      words,
    )
    .option('--sizes <list>', 'bytes of a copy, separated by commas (default: 4K,64K,1M,16M,128M,1G)', words)
    .option('--harness', 'measure copylab itself instead: boots, warm starts, the suite')
    .option('--cold', 'measure a build from an empty cache against make alone, which takes long')
    .addHelpText(
      'after',
      examples(
        'copylab bench',
        'copylab bench --rounds 1 --routes nvme,dm-linear --sizes 64K,16M',
        'copylab bench --qemu 10.0 --routes nvme-across',
        'copylab bench --harness',
      ),
    )
    .action((options: BenchOptions) =>
      start(async (context) => {
        const { bench } = await import('./commands/bench.ts')
        return bench(options, context)
      }),
    )

  program
    .command('matrix')
    .description('print the cells of the matrix in copylab.yaml, for people or for a CI system')
    .addOption(
      new Option('--format <name>', 'github: for strategy.matrix of a workflow; gitlab: a child pipeline')
        .choices(['text', 'json', 'github', 'gitlab'])
        .default('text'),
    )
    .option('--shards <number>', 'jobs that each cell is split into (default: 1)')
    .option('--kernels', 'only the first cell of those that share a kernel')
    .addHelpText(
      'after',
      examples(
        'copylab matrix',
        'copylab matrix --format json',
        'copylab matrix --format github --shards 2',
        'copylab matrix --format gitlab --shards 2 > cells.yml',
        'copylab run --cell 6.12-copy-offload',
      ),
    )
    .action((options: MatrixOptions) =>
      start(async (context) => {
        const { matrix } = await import('./commands/matrix.ts')
        return matrix(options, context)
      }),
    )

  program
    .command('report')
    .description('merge the results of shards, or of runs of different cells, and report them as one run')
    .argument('<results...>', 'directories that copylab run has written its results to')
    .option('--matrix', "report which cells of copylab.yaml's matrix are missing")
    .option('--output <directory>', 'leave the merged results there, as one run would have left them')
    .option(
      '--format <name[=file]>',
      'blktests (default), html, json, junit, ktap, or times for run --times; printed, or written to a file; may be repeated',
      eachOf,
    )
    .addHelpText(
      'after',
      examples(
        'copylab report results',
        'copylab report shards/* --output merged --format junit=junit.xml --format html=report.html',
        'copylab report cells/* --matrix --output merged',
        'copylab report merged --format ktap',
        'copylab report merged --format times=times.json',
      ),
    )
    .action((results: string[], options: ReportOptions) =>
      start(async (context) => {
        const { report } = await import('./commands/report.ts')
        return report(results, options, context)
      }),
    )

  program
    .command('doctor')
    .description('say what this machine can do, and what to install')
    .addHelpText('after', examples('copylab doctor'))
    .action(() =>
      start(async (context) => {
        const { doctor } = await import('./commands/doctor.ts')
        return doctor(context)
      }),
    )
  addBisectCommands(program, start)
  addCacheCommands(program, start)
  for (const command of [program, ...program.commands].flatMap((one) => [one, ...one.commands])) {
    command.exitOverride()
    command.showHelpAfterError(`  remedy:  ${nameOf(command)} --help shows what there is`)
  }
  return program
}

/** `copylab cache prune` */
function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()
}

/** Values that may have commas in them, one each time the option is given. */
function eachOf(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}
