import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { withLock } from '../../../../harness/cache/lock.ts'
import type { Event } from '../../../../harness/events.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
const children: ChildProcess[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-lock-'))
  vi.stubEnv('XDG_CACHE_HOME', directory)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const child of children.splice(0)) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  }
  await rm(directory, { recursive: true })
})

/** Another copylab that holds the lock until it is killed. */
async function otherProcess(name: string): Promise<ChildProcess> {
  const program = `
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
    register()
    const { withLock } = await import(${JSON.stringify(new URL('../../../../harness/cache/lock.ts', import.meta.url).href)})
    await withLock(${JSON.stringify(name)}, () => new Promise((resolve) => {
      console.log('locked')
      setInterval(() => {}, 1000)
    }))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, 'a', 'build'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

test('holders of one lock take turns, and holders of two do not wait', async () => {
  const order: string[] = []
  const hold = (name: string, who: string) =>
    withLock(name, async () => {
      order.push(`${who} in`)
      await new Promise((resolve) => setImmediate(resolve))
      order.push(`${who} out`)
    })
  await Promise.all([hold('tree', 'a'), hold('tree', 'b')])
  expect(order).toEqual(
    order[0] === 'a in' ? ['a in', 'a out', 'b in', 'b out'] : ['b in', 'b out', 'a in', 'a out'],
  )
  await withLock('tree', () => withLock('other', async () => order.push('both')))
  expect(order.at(-1)).toBe('both')
})

test('whoever waits says for whom, and goes on when the holder is killed', async () => {
  const other = await otherProcess('tree')
  const events: Event[] = []
  let entered = false
  const waiting = withLock(
    'tree',
    async () => {
      entered = true
    },
    { emit: (event) => events.push(event) },
  )
  await vi.waitFor(() => expect(events).toHaveLength(1), 5000)
  expect(events[0]).toEqual({
    type: 'note',
    message: `waiting for process ${other.pid} (copylab build), which is using tree`,
  })
  expect(entered).toBe(false)
  other.kill('SIGKILL')
  await waiting
  expect(entered).toBe(true)
})

test('waiting can be aborted', async () => {
  await otherProcess('tree')
  const controller = new AbortController()
  const waiting = withLock('tree', async () => expect.unreachable(), {
    signal: controller.signal,
    emit: () => controller.abort(new Error('interrupted')),
  })
  await expect(waiting).rejects.toThrow('interrupted')
})

test('a child that inherits the descriptor keeps the lock when its parent lets go', async () => {
  let heir: ChildProcess | undefined
  await withLock('tree', async (descriptor) => {
    heir = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] })
    children.push(heir)
  })
  const waited: string[] = []
  const next = withLock('tree', async () => waited.push('entered'), { emit: () => waited.push('waiting') })
  await vi.waitFor(() => expect(waited).toEqual(['waiting']), 5000)
  heir?.kill('SIGKILL')
  await next
  expect(waited).toEqual(['waiting', 'entered'])
})

test('work that throws frees the lock', async () => {
  await expect(withLock('tree', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await withLock('tree', async () => 'free')).toBe('free')
})

test('a lock file deleted with the cache keeps nobody out and lets nobody in twice', async () => {
  await withLock('tree', async () => {
    await rm(join(directory, 'copylab'), { recursive: true })
    expect(await withLock('tree', async () => 'a new cache')).toBe('a new cache')
  })
})
