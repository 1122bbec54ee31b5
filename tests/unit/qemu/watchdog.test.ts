import { expect, test } from 'vitest'
import { Watchdog } from '../../../qemu/watchdog.ts'

/** A guest that is watched every 2 ms; `tick` is what happens to it in between. */
function watched(
  limits: { busyMs: number; silentMs: number },
  tick: (guest: { heard: number; time: number }) => void,
) {
  const guest = { heard: 0, time: 0 }
  return new Promise<string>((resolve) => {
    const watchdog = new Watchdog({
      heard: () => guest.heard,
      ping: () => tick(guest),
      processorTime: () => guest.time,
      onHung: resolve,
      intervalMs: 2,
      ...limits,
    })
    const work = new Promise<string>((done) => setTimeout(done, 100, 'ended'))
    watchdog.during(work).then(resolve)
  })
}

test('a guest that answers is left alone, however busy', async () => {
  const answering = watched({ busyMs: 50, silentMs: 60 }, (guest) => {
    guest.heard += 1
    guest.time += 40
  })
  expect(await answering).toBe('ended')
})

test('a guest that had time to answer and did not hangs', async () => {
  const spinning = watched({ busyMs: 5000, silentMs: 60_000 }, (guest) => {
    guest.time += 1000
  })
  expect(await spinning).toMatch(/said nothing for 0 s, of which QEMU ran 5 s/)
})

test('a guest that gets no processor time is waited for', async () => {
  expect(await watched({ busyMs: 10, silentMs: 60_000 }, () => {})).toBe('ended')
})

test('a guest that sleeps for ever hangs in the end', async () => {
  expect(await watched({ busyMs: 10, silentMs: 20 }, () => {})).toMatch(/said nothing/)
})

test('nobody is watched without work', async () => {
  let looks = 0
  const options = { heard: () => 0, processorTime: () => 0, onHung: () => {}, intervalMs: 1 }
  const watchdog = new Watchdog({ ...options, ping: () => looks++ })
  await watchdog.during(new Promise((resolve) => setTimeout(resolve, 20)))
  const after = looks
  expect(after).toBeGreaterThan(0)
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(looks).toBe(after)
})
