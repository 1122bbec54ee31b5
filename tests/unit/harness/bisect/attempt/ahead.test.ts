import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Ahead } from '../../../../../harness/bisect/attempt/ahead.ts'
import type { Candidate } from '../../../../../harness/bisect/space/candidate.ts'

const candidate = (id: string): Candidate => ({
  id,
  title: id,
  cell: () => Promise.reject(new Error('no cell')),
})

/** Builds that end when they are told to, or are aborted. */
function builds() {
  const log: string[] = []
  const ends = new Map<string, () => void>()
  const build = ({ id }: Candidate, signal: AbortSignal) => {
    log.push(`begin ${id}`)
    return new Promise<boolean>((resolve, reject) => {
      ends.set(id, () => {
        log.push(`end ${id}`)
        resolve(id !== 'cached')
      })
      signal.addEventListener('abort', () => {
        log.push(`abort ${id}`)
        reject(signal.reason)
      })
    })
  }
  return { log, build, end: (id: string) => ends.get(id)?.() }
}

test('what may be asked next is built beside a VM, one after the other', async () => {
  const { log, build, end } = builds()
  const ahead = new Ahead(build, 4)
  ahead.expect([candidate('a'), candidate('b')])
  expect(log).toEqual([])
  ahead.start(2)
  end('a')
  await turn()
  expect(log).toEqual(['begin a', 'end a', 'begin b'])
  await ahead.stop()
  expect(log.at(-1)).toBe('abort b')
})

test('a machine without cores to spare builds nothing early', () => {
  const { log, build } = builds()
  const ahead = new Ahead(build, 3)
  ahead.expect([candidate('a')])
  ahead.start(2)
  expect(log).toEqual([])
})

test('what is asked now goes on, and anything else makes way', async () => {
  const { log, build } = builds()
  const ahead = new Ahead(build, 4)
  ahead.expect([candidate('a'), candidate('b')])
  ahead.start(2)
  await ahead.makeWayFor(candidate('a'))
  expect(log).toEqual(['begin a'])
  await ahead.makeWayFor(candidate('b'))
  expect(log).toEqual(['begin a', 'abort a'])
})

test('what has made way takes nothing with it that may be asked later', async () => {
  const { log, build } = builds()
  const ahead = new Ahead(build, 4)
  ahead.expect([candidate('a')])
  ahead.start(2)
  ahead.expect([candidate('c')])
  await ahead.makeWayFor(candidate('b'))
  ahead.start(2)
  expect(log).toEqual(['begin a', 'abort a', 'begin c'])
  await ahead.stop()
})

test('an early build that fails is nobody’s failure', async () => {
  const ahead = new Ahead(() => Promise.reject(new Error('it does not build')), 4)
  ahead.expect([candidate('a')])
  ahead.start(2)
  await turn()
  await ahead.stop()
})

test('an early build is told once, and what was there already is none', async () => {
  const { build, end } = builds()
  const ahead = new Ahead(build, 4)
  ahead.expect([candidate('a'), candidate('cached')])
  ahead.start(2)
  expect(ahead.took(candidate('a'))).toBeUndefined()
  end('a')
  await turn()
  end('cached')
  await turn()
  expect(ahead.took(candidate('cached'))).toBeUndefined()
  expect(ahead.took(candidate('a'))).toBeGreaterThanOrEqual(0)
  expect(ahead.took(candidate('a'))).toBeUndefined()
  await ahead.stop()
})
