import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { duration, type Progress, showProgress } from '../../../../harness/report/progress.ts'

let written: string
let progress: Progress
const open = (isTTY: boolean) => {
  const stream = { isTTY, columns: 30, write: (text: string) => (written += text) }
  progress = showProgress({ stream: stream as unknown as NodeJS.WriteStream })
}

beforeEach(() => {
  vi.useFakeTimers()
  written = ''
})
afterEach(() => {
  progress.close()
  vi.useRealTimers()
})

describe('in a log', () => {
  test('a step is a line when it starts and one when it ends, and a sign of life every 30 seconds', () => {
    open(false)
    progress.emit({ type: 'step-started', step: 'build', detail: 'vmlinux' })
    vi.advanceTimersByTime(29_000)
    expect(written).toBe('build: vmlinux\n')
    progress.emit({ type: 'step-progress', step: 'build', done: 5, total: 20, note: 'objects' })
    vi.advanceTimersByTime(2000)
    progress.emit({ type: 'step-progress', step: 'build', done: 9, total: 20, note: 'objects' })
    vi.advanceTimersByTime(31_000)
    progress.emit({ type: 'step-finished', step: 'build', cached: false, ms: 62_000 })
    vi.advanceTimersByTime(90_000)
    expect(written.split('\n')).toEqual([
      'build: vmlinux',
      'build: 30 s  5/20 (25 %)  objects',
      'build: 1 min 00 s  9/20 (45 %)  objects',
      'build: vmlinux, 1 min 02 s',
      '',
    ])
  })

  test('what came from the cache is silent', () => {
    open(false)
    progress.emit({ type: 'step-finished', step: 'build', cached: true, ms: 1 })
    progress.emit({ type: 'note', message: 'heard' })
    expect(written).toBe('heard\n')
  })
})

describe('on a terminal', () => {
  test('one line is rewritten in place, cut to the width, and cleared for what stays', () => {
    open(true)
    progress.emit({ type: 'step-started', step: 'unpack', detail: 'a detail that is longer than the line' })
    vi.advanceTimersByTime(1000)
    expect(written).not.toContain('\n')
    const shown = written.split('\r\u001b[K').at(-1)
    expect(shown).toBe('unpack: 1.0 s  a detail that ')
    progress.emit({ type: 'step-finished', step: 'unpack', cached: false, ms: 1000, detail: 'done' })
    expect(written.endsWith('\r\u001b[Kunpack: done, 1.0 s\n')).toBe(true)
  })

  test('closing clears the line and ends the clock', () => {
    open(true)
    progress.emit({ type: 'step-started', step: 'boot' })
    progress.close()
    expect(written.endsWith('\r\u001b[K')).toBe(true)
    const before = written
    progress.emit({ type: 'note', message: 'late' })
    vi.advanceTimersByTime(5000)
    expect(written).toBe(before)
    expect(vi.getTimerCount()).toBe(0)
  })
})

test.each([
  [400, '0.4 s'],
  [12_300, '12 s'],
  [59_700, '1 min 00 s'],
  [363_000, '6 min 03 s'],
])('%i ms is %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})
