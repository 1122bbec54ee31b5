import { expect, test } from 'vitest'
import { together } from '../../../../harness/run/together.ts'

/** Work that ends some time after it was aborted, as a process does. */
function worker() {
  const state = { running: false }
  const work = async (signal: AbortSignal) => {
    state.running = true
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    await new Promise((resolve) => setImmediate(resolve))
    state.running = false
    signal.throwIfAborted()
  }
  return { state, work }
}

test('the results come back in order', async () => {
  const results = await together(new AbortController().signal, () => [
    Promise.resolve(1),
    Promise.resolve('b'),
  ])
  expect(results).toEqual([1, 'b'])
})

test('the first failure ends the others before it is thrown', async () => {
  const { state, work } = worker()
  const failing = together(new AbortController().signal, (signal) => {
    const works = [work(signal), Promise.reject(new Error('no such QEMU'))] as const
    expect(state.running).toBe(true)
    return works
  })
  await expect(failing).rejects.toThrow('no such QEMU')
  expect(state.running).toBe(false)
})

test("the caller's signal ends all of them", async () => {
  const controller = new AbortController()
  const { state, work } = worker()
  const running = together(controller.signal, (signal) => [work(signal)])
  controller.abort(new Error('interrupted'))
  await expect(running).rejects.toThrow('interrupted')
  expect(state.running).toBe(false)
})
