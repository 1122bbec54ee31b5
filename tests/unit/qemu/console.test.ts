import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConsoleLog, findSplat } from '../../../qemu/console.ts'
import { temporaryDirectory } from './support.ts'

function log(text = ''): ConsoleLog {
  const path = join(temporaryDirectory(), 'console.log')
  writeFileSync(path, text)
  return new ConsoleLog(path)
}

describe('splats', () => {
  test.each([
    '[    1.0] kernel BUG at block/bio.c:1!',
    '[    1.0] WARNING: CPU: 0 PID: 1 at block/bio.c:1',
    '[    1.0] BUG: KASAN: use-after-free in bio_endio',
    '[    1.0] Oops: general protection fault',
    '[    1.0] WARNING: possible recursive locking detected',
    '[    1.0] Internal error: synchronous abort',
    '[    1.0] INFO: suspicious RCU usage',
    '[    1.0] INFO: possible circular locking dependency detected',
    '[    1.0] general protection fault: 0000',
    '[    1.0] Kernel panic - not syncing: x',
  ])('%s', (line) => {
    expect(findSplat(`before\n${line}\nafter`)).toBe(line)
  })

  test('ordinary messages are none', () => {
    expect(findSplat('[    1.0] nvme nvme0: warning: no debug here\nWARN')).toBeUndefined()
  })
})

test('a splat is found once its line is there, and stays found', () => {
  const console = log('[ 1.0] fine\n[ 2.0] WARN')
  expect(console.splat()).toBeUndefined()
  appendFileSync(console.path, 'ING: CPU: 0 at x\r\n[ 3.0] on\n')
  expect(console.splat()).toBe('[ 2.0] WARNING: CPU: 0 at x')
  appendFileSync(console.path, 'Oops: another\n')
  expect(console.splat()).toBe('[ 2.0] WARNING: CPU: 0 at x')
})

test('carriage returns do not shift the place that was searched', () => {
  const console = log('[ 1.0] a\r\n[ 1.1] b\r\n[ 1.2] c\r\nkernel BU')
  expect(console.splat()).toBeUndefined()
  appendFileSync(console.path, 'G at x\r\n')
  expect(console.splat()).toBe('kernel BUG at x')
})

test('positions cut the log', () => {
  const console = log('one\ntwo\n')
  const position = console.position()
  appendFileSync(console.path, 'three\r\nfour\n')
  expect(console.since(position)).toBe('three\nfour\n')
  expect(console.since(0, 5)).toBe('four\n')
  expect(console.tail(2)).toBe('three\nfour')
})

test('a log that is not there yet is empty', () => {
  const console = new ConsoleLog(join(temporaryDirectory(), 'none'))
  expect([console.position(), console.tail(), console.splat()]).toEqual([0, '', undefined])
})
