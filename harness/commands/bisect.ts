/** `copylab bisect series|tree|kconfig|resume|log`. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quoted } from '../../qemu/lost.ts'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { caseOf, symptomOf } from '../bisect/ask.ts'
import { Ahead } from '../bisect/attempt/ahead.ts'
import { attemptsOf } from '../bisect/attempt/attempts.ts'
import { bisect } from '../bisect/bisect.ts'
import {
  type Answers,
  type BisectHeader,
  type BisectJournal,
  beginAnswers,
  continueAnswers,
  EndOfJournal,
  readAnswers,
} from '../bisect/journal.ts'
import { bisectOptions, optionsBetween } from '../bisect/kconfig/options.ts'
import type { Symptom } from '../bisect/question.ts'
import { resultHtml } from '../bisect/report/html.ts'
import { logLines } from '../bisect/report/log.ts'
import { type BisectResult, resultOf } from '../bisect/report/result.ts'
import { mailText, resultText } from '../bisect/report/text.ts'
import { checkEnds, namedEnds, type SpaceOptions, spaceOf } from '../bisect/space/spaces.ts'
import { requireSameSubject, type Subject, subjectOf } from '../bisect/subject.ts'
import { cacheDirectory } from '../cache/directory.ts'
import { loadConfig, type Overrides } from '../config/load.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { configWords, words } from '../options.ts'
import { showProgress } from '../report/progress.ts'
import { provideResults } from '../report/results-directory.ts'
import type { CommandContext } from './run.ts'

export interface BisectOptions extends Overrides {
  /** The case that shows the symptom. */
  case?: string | undefined
  symptom?: string | undefined
  /** The ends, as typed. */
  good?: string | undefined
  bad?: string | undefined
  /** Look for what mends it. */
  fixed?: boolean | undefined
  /** Percent, as typed. */
  confidence?: string | undefined
}

type Kind = BisectHeader['kind']

/** What is written when a bisection has ended. */
const reports = { json: 'bisect.json', html: 'bisect.html', mail: 'mail.txt' }

/** Cannot tell, as `git bisect run` has it. */
const cannotTell = 125

/** Begins a bisection. Returns the exit status: 0 found and verified, 125 cannot tell. @throws Failure */
export async function beginBisect(
  kind: Kind,
  options: BisectOptions,
  context: CommandContext,
): Promise<number> {
  const directory = await placeOf(options, context.cwd)
  const request = { cwd: context.cwd, options: JSON.parse(JSON.stringify(options)) }
  // What is wrong with the question is told before an older bisection is given up for it.
  const question = await questionOf(options, context.cwd)
  await checkEnds(kind, question)
  const subject = await question.subject(kind)
  const header: BisectHeader = { bisect: 1, startedAt: new Date().toISOString(), kind, request, subject }
  await provideResults(directory)
  const journal = await beginAnswers(directory, header)
  // Nobody shall take the answer of the last bisection for that of this one.
  for (const name of ['attempts', ...Object.values(reports)])
    await rm(join(directory, name), { recursive: true, force: true })
  return conduct(header, question, directory, journal, context)
}

/** Goes on with the bisection that was interrupted. */
export async function resumeBisect(options: Overrides, context: CommandContext): Promise<number> {
  const directory = await placeOf(options, context.cwd)
  const { header } = readAnswers(directory)
  const { cwd, options: typed } = header.request
  const question = await questionOf(typed as BisectOptions, cwd)
  requireSameSubject(header.subject, await question.subject(header.kind))
  return conduct(header, question, directory, await continueAnswers(directory), { ...context, cwd })
}

export interface LogOptions extends Overrides {
  /** Come to the verdict again from the recorded answers. */
  replay?: boolean | undefined
}

/** Prints each attempt with what came of it; or what follows from all of them. */
export async function logBisect(options: LogOptions, context: CommandContext): Promise<number> {
  const directory = await placeOf(options, context.cwd)
  const { header, entries, answers } = readAnswers(directory)
  if (!options.replay) {
    process.stdout.write(`${logLines(header, entries).join('\n')}\n`)
    return 0
  }
  const { cwd, options: typed } = header.request
  const question = await questionOf(typed as BisectOptions, cwd)
  try {
    // Where it searches, another copylab may be at it.
    const result = await withPrivateDirectory('copylab-replay-', (place) =>
      search(header, question, place, answers, context),
    )
    process.stdout.write(resultText(result))
    return result.outcome === 'found' ? 0 : cannotTell
  } catch (error) {
    if (!(error instanceof EndOfJournal)) throw error
    process.stderr.write("copylab: the bisection has not ended yet: 'copylab bisect resume' goes on\n")
    return cannotTell
  }
}

async function conduct(
  header: BisectHeader,
  question: Question,
  directory: string,
  journal: BisectJournal,
  context: CommandContext,
): Promise<number> {
  try {
    const result = await search(header, question, directory, journal, context)
    const mail = mailText(result, question.config.tree.label, quoted(commandToSee(header)))
    await writeFile(join(directory, reports.json), `${JSON.stringify(result, null, 2)}\n`)
    await writeFile(join(directory, reports.html), resultHtml(result, mail))
    if (mail) await writeFile(join(directory, reports.mail), mail)
    process.stdout.write(resultText(result))
    process.stdout.write(`\nbisect.json, bisect.html${mail ? ', mail.txt' : ''} in ${directory}\n`)
    return result.outcome === 'found' ? 0 : cannotTell
  } catch (error) {
    if (!context.signal.aborted) throw error
    process.stderr.write(
      `copylab: to go on: ${quoted(['copylab', 'bisect', 'resume', ...resultsWords(header)])}\n`,
    )
    return 130
  } finally {
    journal.close()
  }
}

interface Question extends Omit<SpaceOptions, 'answers' | 'directory' | 'signal' | 'emit'> {
  symptom: Symptom
  confidence: number
  /** What it is about, for whoever goes on with it. */
  subject(kind: Kind): Promise<Subject>
  /** Between the ends of a bisection of kconfigs. */
  options(o: { directory: string; signal: AbortSignal; emit: Emit }): ReturnType<typeof optionsBetween>
}

async function search(
  { kind, startedAt }: BisectHeader,
  question: Question,
  directory: string,
  answers: Answers,
  { signal }: CommandContext,
): Promise<BisectResult> {
  const { symptom, info, fixed, confidence } = question
  const progress = showProgress({ stream: process.stderr })
  const ahead = new Ahead()
  try {
    const common = { answers, directory, signal, emit: progress.emit }
    const attempt = attemptsOf({ ...common, symptom, info, ahead })
    const bisection = { symptom, fixed, confidence, attempt, signal, emit: progress.emit }
    const conclusion =
      kind === 'kconfig'
        ? await bisectOptions({ ...bisection, ...(await question.options(common)) })
        : await bisect({
            ...{ ...bisection, space: await spaceOf(kind, { ...question, ...common }) },
            soon: (candidates) => ahead.expect(candidates),
          })
    return resultOf(conclusion, { kind, startedAt, case: info?.id ?? null, symptom, fixed, confidence })
  } finally {
    await ahead.stop()
    progress.close()
  }
}

/** How the end with the symptom is run by itself. Of a tree's history it is the commit that the user has to check out. */
function commandToSee({ kind, request }: BisectHeader): string[] {
  const typed = request.options as BisectOptions
  const shown: Overrides = { ...typed }
  if (kind === 'kconfig' && typed.bad) shown.kconfig = words(typed.bad, undefined)
  if (kind === 'tree') delete shown.tree
  return ['copylab', 'run', String(typed.case), ...configWords(shown)]
}

/** Where the bisection was told to leave its results. */
function resultsWords({ request }: BisectHeader): string[] {
  const { results } = request.options
  return typeof results === 'string' ? ['--results', results] : []
}

async function placeOf(options: Overrides, cwd: string): Promise<string> {
  const { results } = await loadConfig(cwd, { results: options.results })
  return options.results === undefined ? join(results, 'bisect') : results
}

async function questionOf(options: BisectOptions, cwd: string): Promise<Question> {
  const config = await loadConfig(cwd, options)
  const symptom = symptomOf(options.symptom ?? 'fail')
  const { good, bad, fixed = false } = options
  const fragmentsOf = async (names: string) =>
    (await loadConfig(cwd, { ...options, kconfig: words(names, undefined) })).kconfig
  const info = await caseOf(symptom, options.case)
  const fragmentsOfEnds = async () => {
    const { before, after } = namedEnds('kconfig', { good, bad, fixed })
    return { before: await fragmentsOf(before), after: await fragmentsOf(after) }
  }
  return {
    ...{ config, info, symptom, good, bad, fixed },
    async subject(kind) {
      const fragments = kind === 'kconfig' ? Object.values(await fragmentsOfEnds()) : [config.kconfig]
      return subjectOf(config, fragments, info)
    },
    async options(o) {
      return optionsBetween(await fragmentsOfEnds(), { ...o, config, cache: cacheDirectory() })
    },
    confidence: confidenceOf(options.confidence ?? '99'),
  }
}

function confidenceOf(percent: string): number {
  const value = Number(percent)
  if (value > 50 && value < 100) return value / 100
  throw new Failure('usage', `--confidence ${percent}: expected a percentage between 50 and 100, such as 99`)
}
