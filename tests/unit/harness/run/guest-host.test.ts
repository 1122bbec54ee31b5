import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type GuestFacts, type GuestHost, hostGuests } from '../../../../harness/run/guest-host.ts'
import { type Caller, dial } from '../../../../harness/run/rpc.ts'
import type { Guest } from '../../../../qemu/guest.ts'

/** As much of a guest as the host of guests uses. */
class FakeGuest {
  release = '6.12.0'
  bootMs = 1
  argv = ['qemu']
  consoleLog = ''
  traceLog = ''
  disks = new Map()
  alive = true
  async exec(argv: string[]) {
    if (argv[0] === 'panic') this.alive = false
    if (!this.alive)
      throw Object.assign(new Error('the kernel panicked'), { name: 'GuestLost', reason: 'panic' })
    return { status: 3, stdout: Buffer.from(argv.join(' ')), stderr: Buffer.from('') }
  }
  async kill() {
    this.alive = false
  }
}

let directory: string
let host: GuestHost
let caller: Caller
let guests: FakeGuest[]

async function start(boot: () => Promise<FakeGuest>) {
  host = await hostGuests({ directory, boot: boot as unknown as () => Promise<Guest> })
  caller = await dial(host.socket)
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
  guests = []
})
afterEach(async () => {
  caller.close()
  await host.close()
  rmSync(directory, { recursive: true })
})

async function fine() {
  const guest = new FakeGuest()
  guests.push(guest)
  return guest
}

test('one guest serves all calls, and is ended with its host', async () => {
  await start(fine)
  expect((await caller.call<GuestFacts>('guest')).boot).toBe(1)
  expect(await caller.call('exec', { argv: ['echo', 'x'] })).toEqual({
    status: 3,
    stdout: 'echo x',
    stderr: '',
  })
  expect((await caller.call<GuestFacts>('guest')).boot).toBe(1)
  await host.close()
  expect(guests.map(({ alive }) => alive)).toEqual([false])
})

test('a guest that is lost or discarded is replaced at the next call', async () => {
  await start(fine)
  await expect(caller.call('exec', { argv: ['panic'] })).rejects.toMatchObject({
    name: 'GuestLost',
    reason: 'panic',
  })
  expect((await caller.call<GuestFacts>('guest')).boot).toBe(2)
  await caller.call('discard')
  expect(guests[1]?.alive).toBe(false)
  expect((await caller.call<GuestFacts>('guest')).boot).toBe(3)
})

test('a kernel that does not boot is tried twice, not once for every case', async () => {
  let boots = 0
  await start(async () => {
    boots += 1
    throw new Error('no hello')
  })
  for (const _ of [1, 2, 3, 4]) await expect(caller.call('guest')).rejects.toThrow('no hello')
  expect(boots).toBe(2)
})
