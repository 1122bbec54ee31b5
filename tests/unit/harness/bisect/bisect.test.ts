import { expect, test } from 'vitest'
import type { Trial } from '../../../../harness/bisect/attempt/trial.ts'
import { type Bisection, bisect } from '../../../../harness/bisect/bisect.ts'
import type { Symptom } from '../../../../harness/bisect/question.ts'
import { resultOf } from '../../../../harness/bisect/report/result.ts'
import { resultText } from '../../../../harness/bisect/report/text.ts'
import type { Candidate, Unable } from '../../../../harness/bisect/space/candidate.ts'
import { type Line, lineSpace } from '../../../../harness/bisect/space/line.ts'
import type { Event } from '../../../../harness/events.ts'

const candidate = (index: number): Candidate => ({
  id: `patches-${index}`,
  title: `patch ${index}`,
  change: { subject: `change ${index}`, author: 'A U Thor <a@example.org>' },
  cell: () => Promise.reject(new Error('nothing is built here')),
})

const about = {
  startedAt: '2026-01-01T00:00:00Z',
  buildMs: 60_000,
  testMs: 8_000,
  kernelKey: 'k',
  directory: 'd',
}
const common = { ...about, built: false }
const pass = (more = {}): Trial => ({
  ...common,
  ...{
    result: 'pass',
    runtimeMs: 1000,
    copied: 4096,
    offloaded: 4096,
    evidence: ['the host agrees'],
    ...more,
  },
})
const fail = (text = 'expected 1 to be 2', more = {}): Trial => ({
  ...common,
  ...{ result: 'fail', signature: { kind: 'assertion', text, frames: [] }, reason: text },
  ...{ copied: 4096, offloaded: 0, ...more },
})
const notRun: Trial = { ...common, result: 'not run', reason: 'there is no BLKCOPY ioctl' }
const infra: Trial = { ...common, result: 'infra', reason: 'the disk is full' }
const noBuild = (text = "'x' undeclared"): Trial => ({
  ...common,
  ...{ result: 'no build', signature: { kind: 'build', text, frames: [] }, reason: text },
})

interface Options extends Partial<Omit<Line, 'candidates'>> {
  count?: number
  symptom?: Symptom
  fixed?: boolean
  emit?: (event: Event) => void
}

/** Bisects over candidates that behave as `behaviour` says, by index and by how often it was tried before. */
async function run(behaviour: (index: number, time: number) => Trial, options: Options = {}) {
  const { count = 17, symptom = 'fail', fixed = false, emit = () => {}, ...line } = options
  const tried: number[] = []
  const space = lineSpace({
    candidates: Array.from({ length: count }, (_, index) => candidate(index)),
    ...{ cached: new Set<string>(), notRun: 'skip', ...line },
  })
  const bisection: Bisection = {
    ...{ space, symptom, fixed, confidence: 0.99, emit },
    async attempt({ id }) {
      const index = Number(/\d+/.exec(id)?.[0])
      tried.push(index)
      return behaviour(index, tried.filter((one) => one === index).length - 1)
    },
  }
  const conclusion = await bisect(bisection)
  const asked = { kind: 'series' as const, startedAt: about.startedAt, case: 'nvme/001' }
  return { result: resultOf(conclusion, { ...asked, symptom, fixed, confidence: 0.99 }), tried }
}

/** A seeded generator: the same numbers in every run. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

test('each culprit is found in the fewest steps, tried again, and tried without', async () => {
  for (let culprit = 1; culprit < 17; culprit += 1) {
    const { result } = await run((index) => (index >= culprit ? fail() : pass()))
    expect(result).toMatchObject({
      outcome: 'found',
      culprit: { id: `patches-${culprit}`, change: { subject: `change ${culprit}` } },
      parent: { id: `patches-${culprit - 1}` },
      verification: { culprit: { says: 'symptom' }, parent: { says: 'clean' } },
    })
    expect(result.steps).toHaveLength(4)
  }
})

test('the revert is tried, and what it shows is told', async () => {
  const without = async (): Promise<Candidate> => ({ ...candidate(99), title: 'all but patch 5' })
  const { result } = await run((index) => (index >= 5 && index < 50 ? fail() : pass()), { without })
  expect(result.without).toMatchObject({ candidate: { title: 'all but patch 5' }, says: 'clean' })
  expect(resultText(result)).toContain('without it: all but patch 5: has it not')
})

test('a failure of three in ten is found, again and again', async () => {
  const chance = random(7)
  for (let culprit = 1; culprit < 17; culprit += 1) {
    const { result } = await run((index) => (index >= culprit && chance() < 0.3 ? fail() : pass()))
    expect(result).toMatchObject({ outcome: 'found', culprit: { id: `patches-${culprit}` } })
  }
})

test('another failure is no evidence, and what cannot be told is stepped over', async () => {
  const { result } = await run((index) => {
    if (index === 8) return fail('another failure')
    if (index === 4) return noBuild()
    return index >= 11 ? fail() : pass()
  })
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-11' } })
  expect(result.steps).toContainEqual(expect.objectContaining({ says: 'skip', reason: 'another failure' }))
})

test('where what is skipped hides it, the range is told', async () => {
  const { result } = await run((index) => {
    if (index > 6 && index < 10) return noBuild()
    return index >= 9 ? fail() : pass()
  })
  expect(result).toMatchObject({ outcome: 'left', culprit: null })
  expect(result.left.map(({ id }) => id)).toEqual(['patches-7', 'patches-8', 'patches-9', 'patches-10'])
  expect(resultText(result)).toMatch(/^cannot tell: .*one of these/)
})

test('what is lost to the host is tried again and does not count', async () => {
  const { result } = await run((index, time) => (time % 2 === 0 ? infra : index >= 3 ? fail() : pass()))
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-3' } })
  expect(result.steps.every(({ tried, trials }) => trials.length > tried)).toBe(true)
})

test('a host that goes on failing ends it as infra, to be resumed', async () => {
  const failing = run((index) => (index === 8 ? infra : index >= 3 ? fail() : pass()))
  await expect(failing).rejects.toMatchObject({ kind: 'infra', remedy: expect.stringContaining('resume') })
})

test('ends that are not what they were said to be are refused before the first step', async () => {
  await expect(run(() => pass())).rejects.toThrow(/patch 16 does not show the symptom 'fail', in 40 attempts/)
  await expect(run(() => fail())).rejects.toThrow(/the ends do not differ in the symptom 'fail'/)
  await expect(run((index) => (index === 0 ? fail() : pass()))).rejects.toThrow(/does not show the symptom/)
  await expect(run((index) => (index === 0 ? notRun : fail()))).rejects.toThrow(
    /the case cannot run on an end/,
  )
  await expect(run((index) => (index === 0 ? noBuild() : fail()))).rejects.toThrow(/something else hides/)
})

const unable: Unable = { candidates: [candidate(99)], reason: 'there is no BLKCOPY ioctl' }

test('a case that has failed ever since it can run: the patch that lets it run is it', async () => {
  const { result } = await run((index) => (index === 99 ? notRun : fail()), { unable })
  expect(result).toMatchObject({
    ...{ outcome: 'found', culprit: { id: 'patches-0' }, hidden: null },
    verification: { parent: { says: 'not run' } },
  })
})

test('a failure of three in ten ever since the case can run is no other patch either', async () => {
  const { result } = await run((index, time) => (index === 99 ? notRun : time % 10 < 3 ? fail() : pass()), {
    unable,
  })
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-0' } })
})

test('what shows only since the case can run may come from a patch before that', async () => {
  const candidates = [candidate(97), candidate(98), candidate(99)] as const
  const { result } = await run((index) => (index === 99 ? notRun : fail()), {
    unable: { ...unable, candidates },
  })
  expect(result.hidden?.changes).toMatchObject([{ id: 'patches-98' }, { id: 'patches-99' }])
  expect(resultText(result)).toContain(
    'or by one of these before it, with which the case cannot run (there is no BLKCOPY ioctl):\n  patch 98\n',
  )
})

test('a case that has failed ever since it can run is mended by nothing, and is asked once for its cost', async () => {
  const behaviour = (index: number) => (index === 99 ? notRun : fail())
  await expect(run(behaviour, { unable, fixed: true })).rejects.toThrow(/the ends do not differ/)
  const { result, tried } = await run(behaviour, { unable })
  expect(result.costs.attempts).toBe(tried.length)
})

test('bad luck in the verification is settled by all attempts at that candidate', async () => {
  const flaky = (index: number, time: number) => (index >= 9 && time % 10 < 3 ? fail() : pass())
  const { result } = await run(flaky)
  const before = result.steps.find(({ candidate: { id } }) => id === 'patches-9')?.tried ?? 0
  const unlucky = (index: number, time: number) =>
    index === 9 && time >= before && time < before + 30 ? pass() : flaky(index, time)
  const again = await run(unlucky)
  expect(again.result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-9' } })
  const { seen = 0, tried = 0 } = again.result.verification?.culprit ?? {}
  expect([tried > before, seen > 0]).toEqual([true, true])
  // What was seen before and counts again was not done again.
  expect(again.result.costs.attempts).toBe(again.tried.length)
})

test('a patch that the case cannot run with, after the change, hides nothing', async () => {
  const { result } = await run((index) => (index === 12 ? notRun : index >= 9 ? fail() : pass()))
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-9' } })
})

test('patches that the case cannot run with, before the change, are stepped over', async () => {
  const { result } = await run((index) => {
    if (index > 0 && index < 9) return notRun
    return index >= 12 ? fail() : pass()
  })
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-12' } })
})

test('the other way: what mends it', async () => {
  const { result } = await run((index) => (index < 6 ? fail() : pass()), { fixed: true })
  expect(result).toMatchObject({
    outcome: 'found',
    culprit: { id: 'patches-6' },
    ends: { before: { says: 'symptom' } },
  })
  expect(resultText(result)).toContain('mended by')
})

test('offload that is lost, although the case says something else of it', async () => {
  const { result } = await run(
    (index) => (index >= 10 ? (index % 2 ? fail() : pass({ offloaded: 0 })) : pass()),
    {
      symptom: 'offload',
    },
  )
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-10' } })
})

test('a case that fails otherwise has not come to the copies that are offloaded', async () => {
  const lost = fail('the kernel oopsed', {
    signature: { kind: 'splat', text: 'BUG: unable to handle page fault', frames: ['f'] },
  })
  const { result } = await run(
    (index) => (index >= 10 ? fail() : index === 8 ? lost : index === 4 ? fail('EIO') : pass()),
    { symptom: 'offload' },
  )
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-10' } })
  expect(result.steps).toContainEqual(expect.objectContaining({ says: 'skip', reason: 'the kernel oopsed' }))
})

test('a slow-down of a third in a tenth of noise', async () => {
  const chance = random(3)
  const noise = () => 1 + 0.1 * (chance() + chance() + chance() - 1.5)
  for (let culprit = 1; culprit < 17; culprit += 3) {
    const { result } = await run((index) => pass({ runtimeMs: (index >= culprit ? 1330 : 1000) * noise() }), {
      symptom: 'slow',
    })
    expect(result).toMatchObject({ outcome: 'found', culprit: { id: `patches-${culprit}` } })
  }
})

test('no slow-down is no symptom', async () => {
  const chance = random(5)
  const even = run(() => pass({ runtimeMs: 1000 + 100 * chance() }), { symptom: 'slow' })
  await expect(even).rejects.toThrow(/the ends do not differ/)
})

test('a build that breaks, and one that breaks otherwise on the way', async () => {
  const { result, tried } = await run(
    (index) => (index >= 13 ? noBuild() : index === 8 ? noBuild('missing brace') : pass()),
    { symptom: 'build' },
  )
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-13' } })
  // What comes from the sources alone is asked once, and the verdict's two sides once more.
  expect(tried).toHaveLength(2 + result.steps.length + 2)
})

test('a warning that is new, among others that are not', async () => {
  const warnings = (index: number) => [
    'old',
    ...(index >= 2 ? ['x unused'] : []),
    ...(index > 9 ? ['y unused'] : []),
  ]
  const { result } = await run((index) => pass({ warnings: warnings(index) }), { symptom: 'warning' })
  expect(result).toMatchObject({ outcome: 'found', culprit: { id: 'patches-2' } })
})

test('warnings that are not known are no evidence that there are none', async () => {
  const blind = run((index) => pass(index === 8 ? {} : { warnings: index > 3 ? ['x unused'] : [] }), {
    symptom: 'warning',
  })
  await expect(blind).rejects.toMatchObject({ kind: 'infra', message: expect.stringContaining('patch 8') })
})

test('a verdict that its own verification contradicts is none', async () => {
  let verifying = false
  const emit = (event: Event) => {
    if (event.type === 'note' && event.message.startsWith('found: ')) verifying = true
  }
  const { result } = await run((index) => (index >= 13 && !(verifying && index === 13) ? fail() : pass()), {
    emit,
  })
  expect(result).toMatchObject({ outcome: 'contradicted', culprit: { id: 'patches-13' } })
  expect(resultText(result)).toContain('the attempts contradict each other')
})
