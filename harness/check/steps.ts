/**
 * Builds a series patch by patch at little more than the cost of one build.
 *
 * The kernel is built whole after the last patch, as that tells which object includes what. After each patch before
 * it are compiled: what it touches, the objects that include a header which it changes and use most of the words that it
 * changes there, and whatever was found broken or complained about elsewhere; and the linker's question is put to the
 * symbols of the objects. With `full`, all of the kernel is built after each patch.
 */
import type { Emit } from '../events.ts'
import type { Diff } from '../series/diff.ts'
import { affectedBy, identifiersIn } from './affected.ts'
import { blame } from './blame.ts'
import { type MakeOutput, newMessages } from './output.ts'
import type { CheckName, CheckResult } from './result.ts'
import { missingSymbols, type Symbols, symbolsOf } from './symbols.ts'
import { Workshop, type WorkshopOptions } from './workshop.ts'

export interface StepOptions extends WorkshopOptions {
  /** The tree's base, and the commit of each patch. */
  commits: readonly string[]
  /** Of each patch. */
  diffs: readonly Diff[]
  checks: ReadonlySet<CheckName>
  full: boolean
}

export interface StepResults {
  /** For each patch. */
  results: Partial<Record<CheckName, CheckResult>>[]
  /** Objects compiled after each patch but the last. */
  compiled: number[]
  log: string
}

/** Objects that are compiled only because of a header, all patches together: this part of a whole build. */
const headerShare = 0.3

/** The checks that are a run of make with a setting, over what a patch touches. */
const settings: Partial<Record<CheckName, string[]>> = { w1: ['W=1'], sparse: ['C=2'] }

export async function buildSteps(options: StepOptions): Promise<StepResults> {
  const { commits, diffs, checks, full, signal, emit } = options
  const workshop = await Workshop.open(options)
  const last = commits.length - 1
  const paths = diffs.flatMap(({ files }) => files.flatMap((file) => file.paths))
  const visit = (step: number) => workshop.at(commits[step] ?? '', paths)

  /** After each patch, and at the base: what is broken, and what is complained about, for each kind of check. */
  const wrong = commits.map(() => new Map<string, string>())
  const complaints = new Map<CheckName, Map<string, string[]>[]>()
  for (const name of ['warnings', ...Object.keys(settings)] as CheckName[])
    complaints.set(
      name,
      commits.map(() => new Map()),
    )
  const record = (step: number, output: MakeOutput) => {
    for (const [object, words] of output.failed) wrong[step]?.set(object, words)
    for (const words of output.errors) wrong[step]?.set(words.replace(/\d+/g, ''), words)
    note('warnings', step, output)
  }
  // A file that does not compile may complain of what follows from that.
  const note = (name: CheckName, step: number, { warnings, failed }: MakeOutput) => {
    for (const [object, found] of warnings)
      if (!failed.has(object)) complaints.get(name)?.[step]?.set(object, found)
  }

  const image = await timed(
    emit,
    'build',
    `all after patch ${last} of ${last}, log ${workshop.log}`,
    async () => {
      await visit(last)
      const target = await workshop.image()
      record(last, await workshop.make([target]))
      return target
    },
  )
  for (const [object, found] of workshop.warnings()) complaints.get('warnings')?.[last]?.set(object, found)
  const objects = await workshop.objects()
  const sourceOf = new Map(objects.map(({ object, source }) => [object, source]))
  const there = (names: Iterable<string>) =>
    [...new Set(names)].filter((name) => workshop.has(sourceOf.get(name) ?? ''))
  const affected = await Promise.all(
    diffs.map((diff) => affectedBy(diff, objects, changedInHeaders(diff), (source) => workshop.text(source))),
  )
  const touched = affected.flatMap((one) => one.touched)
  const suspects = new Set([
    ...objects.map(({ object }) => object).filter((object) => wrong[last]?.has(object)),
    ...[...(complaints.get('warnings')?.[last] ?? [])]
      .filter(([, found]) => found.length)
      .map(([object]) => object),
  ])
  const most = Math.max(8, Math.floor((objects.length * headerShare) / Math.max(1, last)))

  const symbols = await symbolsOf(
    workshop.directory,
    objects.map(({ object }) => object),
    signal,
  )
  const unmade = objects.filter(({ object }) => wrong[last]?.has(object))
  const texts = await Promise.all(unmade.map(({ source }) => workshop.text(source)))
  const given = givenByLinker(symbols, wrong[last] ?? new Map(), touched, texts)
  /** Defined before the patches: who takes one of these away may break an object that no patch touches. */
  const before = new Set<string>()
  const linked = (step: number, now: ReadonlyMap<string, Symbols>) => {
    // Objects that no patch touches are as the last one leaves them: what their headers have come to call may not be there.
    const gone = [...missingSymbols(now, now.keys(), given)].filter(
      ([name]) => step === last || before.has(name),
    )
    const missing = new Map([...gone, ...missingSymbols(now, [...touched, ...suspects], given)])
    const state = wrong[step] ?? new Map()
    // The linker's own words, where there are any, are the same again.
    for (const [what, words] of state) if (isExplained(words, missing)) state.delete(what)
    for (const [name, users] of missing)
      state.set(`symbol ${name}`, `${users[0]}: undefined reference to '${name}'`)
  }
  linked(last, symbols)

  /** The symbols as the kernel would have them after the step that was made last. */
  const now = new Map(symbols)
  const compiled: number[] = []
  const failing = new Set<string>()
  for (let step = 0; step < last; step += 1) {
    const {
      touched: own = [],
      including = [],
      folders = [],
    } = step ? (affected[step - 1] ?? {}) : { touched }
    const detail = step ? `after patch ${step} of ${last}` : 'what the patches touch, before them'
    await timed(emit, 'build', detail, async () => {
      await visit(step)
      const wanted = there([...own, ...including.slice(0, most), ...suspects, ...failing])
      const targets = full && step ? [image] : [...wanted, ...folders.filter((one) => workshop.has(one))]
      if (targets.length === 0) return
      const output = await workshop.make(targets)
      record(step, output)
      compiled.push(output.compiled.size)
      for (const object of wanted) {
        if (output.failed.has(object)) failing.add(object)
        else failing.delete(object)
      }
      // One that does not compile keeps the symbols that it had: others must not suffer for it.
      await refresh(
        now,
        [...output.compiled].filter((object) => !output.failed.has(object)),
      )
      for (const object of touched) if (!workshop.has(sourceOf.get(object) ?? '')) now.delete(object)
      if (step === 0) for (const { defined } of now.values()) for (const name of defined) before.add(name)
      linked(step, now)
    })
    await lookBack(step)
    for (const [name, how] of Object.entries(settings) as [CheckName, string[]][]) {
      if (checks.has(name)) await extra(name, how, step, own)
    }
  }
  for (const [name, how] of Object.entries(settings) as [CheckName, string[]][]) {
    if (!checks.has(name)) continue
    await visit(last)
    await extra(name, how, last, affected[last - 1]?.touched ?? [])
  }

  const built = blame(wrong)
  const results = diffs.map((_diff, index) => {
    const result: StepResults['results'][number] = {}
    if (checks.has('build') && built[index]) result.build = built[index]
    for (const [name, states] of complaints) {
      if (checks.has(name)) result[name] = complaintsOf(states, index + 1)
    }
    return result
  })
  return { results, compiled, log: workshop.log }

  async function refresh(into: Map<string, Symbols>, names: string[]): Promise<void> {
    const fresh = await symbolsOf(workshop.directory, names, signal)
    for (const name of names) into.set(name, fresh.get(name) ?? { defined: new Set(), undefined: new Set() })
  }

  /** What complains after a patch and was not compiled before it: whether it complained then, too. */
  async function lookBack(step: number): Promise<void> {
    const states = complaints.get('warnings')
    const found = [...(states?.[step] ?? [])].filter(([, words]) => words.length).map(([object]) => object)
    const unknown = found.filter((object) => !states?.slice(0, step).some((state) => state.has(object)))
    if (step === 0 || unknown.length === 0) return
    await visit(step - 1)
    const before = await workshop.make(there(unknown))
    note('warnings', step - 1, before)
  }

  async function extra(name: CheckName, how: string[], step: number, names: Iterable<string>): Promise<void> {
    const targets = there(names)
    if (targets.length === 0) return
    await timed(emit, name, step ? `after patch ${step} of ${last}` : 'before the patches', async () => {
      const output = await workshop.make(targets, how)
      note(name, step, output)
    })
  }
}

/** The messages that each object has after a patch and had not when it was compiled before. */
function complaintsOf(states: readonly ReadonlyMap<string, string[]>[], step: number): CheckResult {
  const findings = [...(states[step] ?? [])].flatMap(([object, after]) => {
    const before = states.slice(0, step).findLast((state) => state.has(object))
    return newMessages(before?.get(object) ?? [], after)
  })
  const unique = [...new Set(findings)]
  return { state: unique.length ? 'fail' : 'ok', findings: unique }
}

/**
 * What nobody defines in a kernel that links is the linker's to make. One that does not link is asked for what the objects
 * lack that no patch touches; what those that did not compile would have defined is in their sources.
 */
function givenByLinker(
  symbols: ReadonlyMap<string, Symbols>,
  wrong: ReadonlyMap<string, string>,
  touched: readonly string[],
  unmade: readonly string[],
): Set<string> {
  const users = wrong.size
    ? [...symbols.keys()].filter((object) => !touched.includes(object))
    : symbols.keys()
  const given = new Set([...missingSymbols(symbols, users).keys(), ...unmade.flatMap(identifiersIn)])
  for (const words of wrong.values()) {
    const name = undefinedName(words)
    if (name !== undefined) given.delete(name)
  }
  return given
}

function isExplained(words: string, missing: ReadonlyMap<string, unknown>): boolean {
  const name = undefinedName(words)
  if (name !== undefined) return missing.has(name)
  return missing.size > 0 && /: in function [`'][^`']+':$/.test(words)
}

function undefinedName(words: string): string | undefined {
  return /undefined reference to [`'](\w+)'/.exec(words)?.[1]
}

function changedInHeaders({ files }: Diff): string {
  return files
    .filter(({ paths }) => paths.some((path) => path.endsWith('.h')))
    .map(({ added, removed }) => `${removed}\n${added}`)
    .join('\n')
}

async function timed<T>(
  emit: Emit | undefined,
  step: string,
  detail: string,
  work: () => Promise<T>,
): Promise<T> {
  const started = Date.now()
  emit?.({ type: 'step-started', step, detail })
  const result = await work()
  emit?.({ type: 'step-finished', step, cached: false, ms: Date.now() - started, detail })
  return result
}
