/** The attempts of a bisection: each is made once, in a directory of its own, and its answer is kept in the journal. */
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheDirectory } from '../../cache/directory.ts'
import type { Emit } from '../../events.ts'
import { Failure } from '../../failure.ts'
import { lookUpKernel } from '../../kernel/provide.ts'
import type { CaseInfo } from '../../run/cases.ts'
import { lookUpTree } from '../../tree/find.ts'
import type { Attempt } from '../ends.ts'
import type { Answers } from '../journal.ts'
import { type Symptom, stageOf } from '../question.ts'
import type { Candidate } from '../space/candidate.ts'
import type { Ahead } from './ahead.ts'
import { attempt, type Wanted } from './attempt.ts'
import { type Trial, trialSchema } from './trial.ts'

export interface AttemptOptions {
  answers: Answers
  symptom: Symptom
  /** Of symptoms that a case shows. */
  info: CaseInfo | null
  /** Directory of the bisection. */
  directory: string
  ahead: Ahead
  signal: AbortSignal
  emit: Emit
}

/** What makes attempts, or finds them in the journal. */
export function attemptsOf(options: AttemptOptions): Attempt {
  const { answers, symptom, info } = options
  const wanted = wantedOf(symptom, info)
  const emit = withoutRepeats(options.emit)
  let count = 0
  return (candidate) => {
    count += 1
    const name = join('attempts', `${String(count).padStart(3, '0')}-${candidate.id}`)
    return answers.answer(`try ${candidate.id}: ${candidate.title}`, trialSchema, async () =>
      make(candidate, wanted, await freshDirectory(options.directory, name), { ...options, emit }),
    )
  }
}

/** Most attempts would say the same as the one before. */
function withoutRepeats(emit: Emit): Emit {
  const said = new Set<string>()
  return (event) => {
    if (event.type === 'note') {
      if (said.has(event.message)) return
      said.add(event.message)
    }
    emit(event)
  }
}

/** An attempt that was interrupted, or does not count any more, has left its directory. */
async function freshDirectory(base: string, name: string): Promise<string> {
  await mkdir(dirname(join(base, name)), { recursive: true })
  for (let time = 1; ; time += 1) {
    const place = time === 1 ? name : `${name}-${time}`
    try {
      await mkdir(join(base, place))
      return place
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

/** How far an attempt has to go. @param info there is one where a case is needed */
export function wantedOf(symptom: Symptom, info: CaseInfo | null): Wanted {
  const until = stageOf(symptom)
  if (until === 'build') return { until, ...(symptom === 'warning' && { warnings: true }) }
  return until === 'case' && info ? { until, info } : { until: 'boot' }
}

async function make(
  candidate: Candidate,
  wanted: Wanted,
  place: string,
  { directory, ahead, signal, emit }: AttemptOptions,
): Promise<Trial> {
  await ahead.makeWayFor(candidate)
  const cell = await candidate.cell()
  const onProvided = () => ahead.start(cell.machine.cpus)
  const trial = await attempt(cell, wanted, {
    results: directory,
    directory: place,
    onProvided,
    signal,
    emit,
  })
  // What was built beside an earlier attempt was there, but not for nothing.
  const early = trial.built ? undefined : ahead.took(candidate)
  return early === undefined ? trial : { ...trial, built: true, buildMs: trial.buildMs + Math.round(early) }
}

/** Ids of the candidates whose kernel is there, as far as that is known without fetching anything. */
export async function cachedCandidates(
  candidates: readonly Candidate[],
  { signal, emit }: Pick<AttemptOptions, 'signal' | 'emit'>,
): Promise<string[]> {
  const cache = cacheDirectory()
  const found: string[] = []
  for (const candidate of candidates) {
    try {
      const { tree, series, kconfig } = await candidate.cell()
      const known = await lookUpTree(tree, { cache, signal, emit })
      if (known && (await lookUpKernel({ tree: known, series, fragments: kconfig, cache })).cached)
        found.push(candidate.id)
    } catch (error) {
      // Whoever asks for this candidate in earnest will be told.
      if (!(error instanceof Failure)) throw error
    }
  }
  return found
}
