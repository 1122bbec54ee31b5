/** One round of a bench of copylab itself, warm: everything once, so that a machine that drifts drifts in all figures alike. */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { bootTrivial } from '../../qemu/bench.ts'
import { defaultTopology } from '../../qemu/topology.ts'
import { deviceTraceEvents } from '../evidence/device-trace.ts'
import { type Summary, summarySchema } from '../report/summary.ts'
import { bootCell, type ProvidedCell } from '../run/cell.ts'
import { type ChildOptions, runChild, timeToQemu } from './child.ts'
import { type Figure, figure, quotients } from './figures.ts'

export interface RoundOptions {
  provided: ProvidedCell
  /** Absolute path of the emulator. */
  qemu: string
  /** argv of `copylab run` without cases. */
  run: readonly string[]
  /** argv of the same by npm; undefined where npm would not run the same. */
  npmRun: readonly string[] | undefined
  /** Where both are started. */
  cwd: string
  /** Private, for all rounds. */
  directory: string
  cacheDir: string
  signal: AbortSignal
  /** Says what is being measured. */
  note: (what: string) => void
}

/** Milliseconds throughout. */
export interface Round {
  agentMs: number
  trivialMs: number
  startMs: number
  npmStartMs: number | undefined
  suiteMs: number
  /** Of each case that passed: its time without what it spent in the guest. */
  harnessMs: number[]
  /** Cases of the suite that have run and did not pass. */
  notPassed: number
}

/** @param index from 0; every other round takes what is compared in the reverse order */
export async function measureRound(index: number, options: RoundOptions): Promise<Round> {
  const { run, npmRun, qemu, note } = options
  const reverse = index % 2 === 1
  const place = (name: string) => join(options.directory, `${index}-${name}`)

  note('boots')
  const [agentMs, trivialMs] = await inTurn(
    () => bootToAgent(place('agent'), options),
    () => bootTrivially(place('trivial'), options),
    reverse,
  )
  note('warm starts')
  const start = (argv: readonly string[], name: string) =>
    timeToQemu([...argv, 'nvme/001', '--results', place(name)], qemu, child(place(`${name}.log`), options))
  const [startMs, npmStartMs] = await inTurn(
    () => start(run, 'start'),
    async () => npmRun && (await start(npmRun, 'npm-start')),
    reverse,
  )
  note('the default suite')
  const suite = await runSuite(place('suite'), options)
  return { agentMs, trivialMs, startMs, npmStartMs, ...suite }
}

/** One after the other, the second one first when `reverse`. */
async function inTurn<A, B>(
  first: () => Promise<A>,
  second: () => Promise<B>,
  reverse: boolean,
): Promise<[A, B]> {
  if (!reverse) return [await first(), await second()]
  const result = await second()
  return [await first(), result]
}

async function bootToAgent(directory: string, { provided, signal }: RoundOptions): Promise<number> {
  await mkdir(directory, { mode: 0o700 })
  const guest = await bootCell(provided, directory, { signal, emit: () => {} })
  await guest.kill()
  await rm(directory, { recursive: true, force: true })
  return guest.bootMs
}

async function bootTrivially(
  directory: string,
  { provided, cacheDir, signal }: RoundOptions,
): Promise<number> {
  const { kernel, machine } = provided.facts
  const ms = await bootTrivial({
    kernel: kernel.image,
    topology: defaultTopology,
    machine,
    traceEvents: deviceTraceEvents,
    ...{ directory, cacheDir, signal },
  })
  await rm(directory, { recursive: true, force: true })
  return ms
}

async function runSuite(results: string, options: RoundOptions) {
  const argv = [...options.run, '--results', results]
  const { ms, status, child: suite } = await runChild(argv, child(`${results}.log`, options))
  // Cases that fail take their time, too; without verdicts there is no suite to time.
  if (status !== 0 && status !== 1) throw suite.failure(`the default suite ended with status ${status}`)
  const summary = summarySchema.parse(JSON.parse(await readFile(join(results, 'summary.json'), 'utf8')))
  return { suiteMs: ms, ...suiteRound(summary) }
}

/** Cases that are not run, which every machine has some of, take no time and are left out. */
export function suiteRound({ cells }: Pick<Summary, 'cells'>): Pick<Round, 'harnessMs' | 'notPassed'> {
  const cases = cells.flatMap((cell) => cell.cases).filter(({ verdict }) => verdict !== 'not run')
  const passed = cases.filter(({ verdict }) => verdict === 'pass')
  return {
    harnessMs: passed.map(({ runtimeMs, guestMs }) => runtimeMs - guestMs),
    notPassed: cases.length - passed.length,
  }
}

function child(log: string, { cwd, directory, signal }: RoundOptions): ChildOptions {
  // What a copylab that had to be killed leaves behind goes away with our directory.
  return { cwd, log, signal, environment: { ...process.env, TMPDIR: directory } }
}

export function roundFigures(rounds: readonly Round[]): Figure[] {
  const of = (key: 'agentMs' | 'trivialMs' | 'startMs' | 'suiteMs') => rounds.map((round) => round[key])
  const npmStarts = rounds.flatMap(({ npmStartMs }) => npmStartMs ?? [])
  const perCase = rounds.flatMap(({ harnessMs }) => harnessMs)
  return [
    figure('boot.agent', 'boot to the agent, default topology', 'ms', of('agentMs'), 2000),
    figure('boot.trivial', 'boot to a trivial static init', 'ms', of('trivialMs')),
    figure('boot.ratio', 'boot: agent ÷ trivial', 'ratio', quotients(of('agentMs'), of('trivialMs')), 1.15),
    ...(npmStarts.length
      ? [figure('start.npm', 'warm npm start to the first QEMU', 'ms', npmStarts, 1500)]
      : []),
    figure('start.node', 'warm copylab run to the first QEMU', 'ms', of('startMs'), 1500),
    figure('suite.wall', 'default suite, warm', 'ms', of('suiteMs'), 30_000),
    ...(perCase.length
      ? [figure('suite.harness', 'a case beyond its work in the guest', 'ms', perCase, 50)]
      : []),
  ]
}
