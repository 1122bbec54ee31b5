import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { runChild, startChild, timeToQemu } from '../../../../harness/bench/child.ts'
import { processTree } from '../../../../harness/bench/processes.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-test-'))
  mkdirSync(join(directory, 'harness'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const options = (signal = new AbortController().signal) => ({
  cwd: directory,
  environment: process.env,
  log: join(directory, 'log'),
  signal,
})

/** Puts a program in place of harness/copylab.mjs. It takes down each SIGTERM, and ends on the first what it started. */
function copylab(body: string): string[] {
  const path = join(directory, 'harness/copylab.mjs')
  writeFileSync(
    path,
    `import { spawn } from 'node:child_process'
     import { appendFileSync } from 'node:fs'
     const children = []
     process.on('SIGTERM', () => {
       appendFileSync('${directory}/terms', 'T')
       for (const child of children) child.kill()
       setTimeout(() => process.exit(143), 100)
     })
     ${body}`,
  )
  return [process.execPath, path]
}

function emulator(): string {
  const path = join(directory, 'qemu')
  writeFileSync(path, '#!/bin/sh\nread forever\n')
  chmodSync(path, 0o755)
  return path
}

const start = (...argv: string[]) =>
  `const [program, ...words] = ${JSON.stringify(argv)}
   children.push(spawn(program, words, { stdio: ['pipe', 'ignore', 'inherit'], detached: true }))`

test('the moment that the emulator runs is seen, and all is ended by one signal', async () => {
  const qemu = emulator()
  // As startQemu does it: what stands before the emulator has its path in argv, too.
  const wrapped = start('sh', '-c', 'exec "$@"', 'sh', qemu, '-kernel', 'vmlinux')
  const argv = copylab(`setTimeout(() => { ${wrapped} }, 300)`)
  const ms = await timeToQemu(argv, qemu, options())
  expect(ms).toBeGreaterThan(300)
  expect(readFileSync(join(directory, 'terms'), 'utf8')).toBe('T')
})

test('copylab is found behind npm and its shell, and it alone is told to end', async () => {
  const qemu = emulator()
  const argv = copylab(start(qemu, '-kernel', 'vmlinux'))
  const npm = ['sh', '-c', `"${argv.join('" "')}"; status=$?; echo $status > ${directory}/status`]
  await timeToQemu(npm, qemu, options())
  expect(readFileSync(join(directory, 'status'), 'utf8')).toBe('143\n')
  expect(readFileSync(join(directory, 'terms'), 'utf8')).toBe('T')
})

test('an emulator that boots nothing, and a copylab that ends without one, give no figure', async () => {
  const qemu = emulator()
  const probe = start(qemu, '--version')
  const argv = copylab(
    `${probe}; setTimeout(() => { console.error('cannot boot'); children[0].kill(); process.exit(3) }, 200)`,
  )
  await expect(timeToQemu(argv, qemu, options())).rejects.toThrow(
    /status 3 before .* a machine\n {2}\| cannot boot/,
  )
})

test('an abort ends what runs and rejects with its reason', async () => {
  const controller = new AbortController()
  const argv = copylab(`setInterval(() => {}, 1000); appendFileSync('${directory}/ready', '')`)
  const result = runChild(argv, options(controller.signal))
  while (!existsSync(join(directory, 'ready'))) await delay(10)
  controller.abort(new Error('interrupted by SIGINT'))
  await expect(result).rejects.toThrow('interrupted by SIGINT')
  expect(readFileSync(join(directory, 'terms'), 'utf8')).toBe('T')
})

test('a child is timed to its end', async () => {
  const { ms, status, child } = await runChild(
    copylab("console.log('out'); setTimeout(() => process.exit(1), 200)"),
    options(),
  )
  expect(ms).toBeGreaterThan(200)
  expect(status).toBe(1)
  expect(child.running).toBe(false)
  expect(child.failure('no').message).toBe('no\n  | out')
})

test('a process tree has all descendants, and is empty when the process is gone', async () => {
  const argv = copylab(start('sleep', '60'))
  const child = await startChild(argv, options())
  const words = () => processTree(child.pid).map((one) => one.argv.join(' '))
  while (!words().includes('sleep 60')) await delay(10)
  expect(words()).toEqual([argv.join(' '), 'sleep 60'])
  await child.end()
  expect(words()).toEqual([])
})
