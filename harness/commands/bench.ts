import { readFile, rename, writeFile } from 'node:fs/promises'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { measureCold } from '../bench/cold.ts'
import { benchCopies, checkCopyRoom, profileOf } from '../bench/copies/bench.ts'
import { type Choice, chooseCopies } from '../bench/copies/choice.ts'
import { copyPlot } from '../bench/copies/plot.ts'
import { type BenchReport, benchSchema, benchVersion } from '../bench/figures.ts'
import { measureRound, type Round, type RoundOptions, roundFigures } from '../bench/rounds.ts'
import { showLoad, showReport, showRounds } from '../bench/table.ts'
import { cacheDirectory } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import { type Config, loadConfig, type Overrides, projectRoot } from '../config/load.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { configWords } from '../options.ts'
import { showProgress } from '../report/progress.ts'
import { provideResults } from '../report/results-directory.ts'
import { type ProvidedCell, provideCell } from '../run/cell.ts'
import { planCell } from '../run/plan.ts'
import { configuredSeries, seriesFacts } from '../series/load.ts'
import type { Profile } from '../series/profile.ts'
import type { CommandContext } from './run.ts'

export interface BenchOptions extends Overrides {
  /** As typed. Default 5, and 1 for a cold bench. */
  rounds?: string | undefined
  /** Of copies: names of routes. Default: all. */
  routes?: string[] | undefined
  /** Of copies, such as `64K`. Default: the usual ones. */
  sizes?: string[] | undefined
  /** Measure copylab itself. */
  harness?: boolean | undefined
  /** Measure a cold build instead of everything else. */
  cold?: boolean | undefined
}

/** A machine that does more than this already measures that, too. */
const quietLoad = 1

type Measured = Pick<BenchReport, 'tree' | 'series' | 'kconfig' | 'kernel' | 'machine' | 'notes' | 'figures'>

/**
 * `copylab bench`: prints medians and ratios and writes bench.json to the results directory. No time makes it fail.
 * @throws Failure
 */
export async function bench(options: BenchOptions, { cwd, signal }: CommandContext): Promise<number> {
  const config = await loadConfig(cwd, options)
  const rounds = checkOptions(options)
  const kind = options.cold ? 'cold' : options.harness ? 'harness' : 'copies'
  const copies =
    kind === 'copies'
      ? {
          choice: chooseCopies(options.routes, options.sizes),
          profile: profileOf(await configuredSeries(config)),
        }
      : undefined
  // Before some minutes of work, not after them.
  if (copies) await checkCopyRoom(copies.choice, rounds)
  await provideResults(config.results)
  const started = new Date()
  const start = loadavg() as Load
  const progress = showProgress({ stream: process.stderr })
  const { emit } = progress
  try {
    if (start[0] > quietLoad) {
      const message = `the load average is ${showLoad(start)}: something else runs here, and the figures will have it in them`
      emit({ type: 'note', message })
    }
    // Two benches at once would measure each other.
    const measured = await withLock(
      'bench',
      (lock) => {
        const common = { config, options, cwd, rounds, lock, signal, emit }
        if (copies) return benchSeries({ ...common, ...copies })
        return kind === 'cold' ? benchCold(common) : benchHarness(common)
      },
      { signal, emit },
    )
    const report = benchSchema.parse({
      schema: benchVersion,
      copylab: JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')).version,
      startedAt: started.toISOString(),
      durationMs: Date.now() - started.getTime(),
      kind,
      rounds,
      host: { ...hostFacts(), load: { start, end: loadavg() as Load } },
      ...measured,
    } satisfies BenchReport)
    progress.close()
    const file = await writeReport(config.results, report)
    const plot = kind === 'copies' ? `, ${await writePlot(config.results, report)}` : ''
    process.stdout.write(`${showReport(report)}\nall samples in ${file}${plot}\n`)
    return 0
  } finally {
    progress.close()
  }
}

type Load = [number, number, number]

interface Common {
  config: Config
  options: BenchOptions
  cwd: string
  rounds: number
  lock: number
  signal: AbortSignal
  emit: Emit
}

/** @returns the number of rounds */
function checkOptions({ rounds, routes, sizes, cold, harness, qemu, accel, memory }: BenchOptions): number {
  if (rounds !== undefined && !/^[1-9]\d?$/.test(rounds))
    throw new Failure('usage', `--rounds: expected a number from 1 to 99, not ${JSON.stringify(rounds)}`)
  if (cold && harness)
    throw new Failure('usage', '--cold and --harness measure different things: give one of them')
  if ((cold || harness) && (routes || sizes))
    throw new Failure(
      'usage',
      '--routes and --sizes are about copies, which --cold and --harness do not measure',
    )
  if (cold && [qemu, accel, memory].some((value) => value !== undefined))
    throw new Failure('usage', '--cold measures a build, which --qemu, --accel and --memory have no part in')
  return Number(rounds ?? (cold ? 1 : 5))
}

async function provide({ config, signal, emit }: Common): Promise<ProvidedCell> {
  return provideCell(planCell(config, await configuredSeries(config)), { tools: [], signal, emit })
}

async function benchSeries(o: Common & { profile: Profile; choice: Choice }): Promise<Measured> {
  const provided = await provide(o)
  return { ...aboutCell(provided), ...(await benchCopies({ ...o, provided })) }
}

async function benchHarness(o: Common): Promise<Measured> {
  const { options, cwd, rounds, signal, emit } = o
  const provided = await provide(o)
  const { qemu } = provided.facts.machine

  const words = configWords(options)
  const common: Omit<RoundOptions, 'directory' | 'note'> = {
    ...{ provided, qemu, cwd, signal },
    run: [process.execPath, join(projectRoot, 'harness/copylab.mjs'), 'run', ...words],
    // npm starts copylab in the project's directory, where another one's configuration and paths mean something else.
    npmRun: cwd === projectRoot ? ['npm', 'start', '--', ...words] : undefined,
    cacheDir: join(cacheDirectory(), 'guest'),
  }
  const done = await withPrivateDirectory('copylab-', async (directory) => {
    emit({
      type: 'step-started',
      step: 'bench',
      detail: `boots, starts and the suite, ${showRounds(rounds)}`,
    })
    const began = Date.now()
    const all: Round[] = []
    for (let index = 0; index < rounds; index++) {
      const note = (what: string) =>
        emit({ type: 'step-progress', step: 'bench', done: index, total: rounds, note: what })
      all.push(await measureRound(index, { ...common, directory, note }))
    }
    emit({ type: 'step-finished', step: 'bench', cached: false, ms: Date.now() - began })
    return all
  })

  return {
    ...aboutCell(provided),
    notes: harnessNotes(done, common.npmRun !== undefined),
    figures: roundFigures(done),
  }
}

function aboutCell({ facts }: ProvidedCell): Omit<Measured, 'notes' | 'figures'> {
  const { key, release, compiler } = facts.kernel
  const { qemuVersion, accel, cpus, memoryMiB } = facts.machine
  return {
    tree: { label: facts.cell.tree.label, version: facts.treeVersion },
    series: facts.series,
    kconfig: facts.cell.kconfig,
    kernel: { key, release, compiler },
    machine: { qemuVersion, accel, cpus, memoryMiB },
  }
}

function harnessNotes(rounds: readonly Round[], withNpm: boolean): string[] {
  const notPassed = Math.max(...rounds.map((round) => round.notPassed))
  return [
    'The first QEMU is seen in /proc, up to 5 ms late. What a case takes beyond its work in the guest is its run ' +
      'time without its waits for commands in the guest.',
    ...(withNpm ? [] : ["npm start was not measured: this is not the project's directory."]),
    ...(notPassed
      ? [`Up to ${notPassed} cases of a suite did not pass; their times are in that of the suite.`]
      : []),
  ]
}

async function benchCold({ config, options, cwd, rounds, lock, signal, emit }: Common): Promise<Measured> {
  const build = [process.execPath, join(projectRoot, 'harness/copylab.mjs'), 'build', ...configWords(options)]
  const cold = await measureCold({ config, build, cwd, rounds, lock, signal, emit })
  const { tree, series, kernel, figures } = cold
  return {
    tree: { label: tree.label, version: tree.version },
    series: series && seriesFacts(series),
    kconfig: config.kconfig,
    kernel: { key: kernel.key, release: kernel.release, compiler: kernel.compiler },
    machine: null,
    notes: [
      'Both without ccache. The time of copylab has the download of the package in it, which depends on the network.',
    ],
    figures,
  }
}

function hostFacts() {
  const processors = cpus()
  return {
    processor: processors[0]?.model ?? 'unknown',
    processors: processors.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
  }
}

function writeReport(results: string, report: BenchReport): Promise<string> {
  return writeWhole(join(results, 'bench.json'), `${JSON.stringify(report, null, 2)}\n`)
}

function writePlot(results: string, { figures, tree, machine }: BenchReport): Promise<string> {
  const title = `${tree.label}, QEMU ${machine?.qemuVersion}, ${machine?.accel}`
  return writeWhole(join(results, 'bench.svg'), copyPlot(figures, title))
}

/** Readers never see half a file. */
async function writeWhole(file: string, text: string): Promise<string> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
  return file
}
