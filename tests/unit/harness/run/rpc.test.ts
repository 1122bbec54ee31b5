import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Failure } from '../../../../harness/failure.ts'
import { type Caller, dial, serve } from '../../../../harness/run/rpc.ts'

let directory: string
let server: { close: () => Promise<void> }
let caller: Caller

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
  server = await serve(join(directory, 'socket'), {
    double: async (x: number) => x * 2,
    fail: async () => {
      throw new Failure('infra', 'no room', { remedy: 'make some' })
    },
    never: () => new Promise(() => {}),
  })
  caller = await dial(join(directory, 'socket'))
})
afterEach(async () => {
  caller.close()
  await server.close()
  rmSync(directory, { recursive: true })
})

test('calls in flight at once get their own answers', async () => {
  expect(await Promise.all([caller.call('double', 2), caller.call('double', 3)])).toEqual([4, 6])
})

test('an error keeps its name and its properties', async () => {
  await expect(caller.call('fail')).rejects.toMatchObject({
    ...{ name: 'Failure', message: 'no room', kind: 'infra', remedy: 'make some' },
  })
  await expect(caller.call('nonesuch')).rejects.toThrow("there is no method 'nonesuch'")
})

test('closing the server rejects what waits, and later calls', async () => {
  const waiting = caller.call('never')
  waiting.catch(() => {})
  await caller.call('double', 1)
  await server.close()
  await expect(waiting).rejects.toThrow('copylab has closed the channel')
  await expect(caller.call('double', 1)).rejects.toThrow('copylab has closed the channel')
})
