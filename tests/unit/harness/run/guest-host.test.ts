import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type GuestFacts, type GuestHost, hostGuests } from '../../../../harness/run/guest-host.ts'
import { type Caller, dial } from '../../../../harness/run/rpc.ts'
import { findSplat } from '../../../../qemu/console.ts'
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
  lost: Error | undefined
  messages = ''
  leaks = ''
  console = { splat: () => findSplat(this.messages), tail: () => this.messages }
  panic() {
    this.alive = false
    this.lost = Object.assign(new Error('the kernel panicked'), { name: 'GuestLost', reason: 'panic' })
  }
  ioError: string | undefined
  async trouble() {
    return this.console.splat() ?? this.ioError
  }
  async exec(argv: string[]) {
    if (argv[0] === 'panic') this.panic()
    if (this.lost) throw this.lost
    if (argv.at(-1)?.includes('kmemleak'))
      return { status: 0, stdout: Buffer.from(this.leaks), stderr: Buffer.from('') }
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

async function start(boot: () => Promise<FakeGuest>, more: { bootAttempts?: number } = {}) {
  host = await hostGuests({ directory, boot: boot as unknown as () => Promise<Guest>, ...more })
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

test('one boot is enough when no more are wanted', async () => {
  let boots = 0
  const boot = async () => {
    boots += 1
    throw new Error('no hello')
  }
  await start(boot, { bootAttempts: 1 })
  for (const _ of [1, 2, 3]) await expect(caller.call('guest')).rejects.toThrow('no hello')
  expect(boots).toBe(1)
})

const warning = '[    0.5] WARNING: CPU: 0 PID: 1 at block/bio.c:1'

test('a complaint of the boot or between cases is told with the guest', async () => {
  await start(fine)
  expect((await caller.call<GuestFacts>('guest')).splat).toBeUndefined()
  if (guests[0]) guests[0].messages = warning
  expect((await caller.call<GuestFacts>('guest')).splat).toBe(warning)
  await caller.call('discard')
  expect((await caller.call<GuestFacts>('guest')).splat).toBeUndefined()
})

test('a kernel that complains in every boot is booted twice, not once for every case', async () => {
  await start(async () => Object.assign(await fine(), { messages: warning }))
  for (const _ of [1, 2, 3, 4]) {
    expect((await caller.call<GuestFacts>('guest')).splat).toBe(warning)
    await caller.call('discard')
  }
  expect(guests).toHaveLength(2)
  expect(await host.lastLook()).toBeUndefined()
})

test('a guest that is lost between cases is told of once', async () => {
  await start(fine)
  await caller.call('guest')
  guests[0]?.panic()
  await expect(caller.call('guest')).rejects.toMatchObject({ name: 'GuestLost', reason: 'panic' })
  expect((await caller.call<GuestFacts>('guest')).boot).toBe(2)
})

test('the last look finds complaints, leaks and a lost guest, and nothing on a sound one', async () => {
  await start(fine)
  await caller.call('guest')
  expect(await host.lastLook()).toBeUndefined()
  const [guest] = guests as [FakeGuest]
  const leak = (...by: string[]) =>
    [
      ...['unreferenced object 0xffff888003a1c000 (size 64):', '  comm "blkcopy", pid 1, jiffies 2'],
      ...['  backtrace (crc 1f2e):', '    __kmalloc_cache_node_noprof+0x1a/0x2b0'],
      ...by.map((name) => `    ${name}+0x10/0x20`),
    ].join('\n')
  guest.leaks = `${leak('blk_throtl_init', 'tg_set_limit')}\n${leak('blk_copy_alloc')}\n${leak('blk_throtl_init')}\n`
  expect(await host.lastLook()).toMatchObject({
    verdict: 'fail',
    reason: 'kmemleak: unreferenced objects of blk_copy_alloc, blk_throtl_init: 3',
    messages: guest.leaks.trim(),
    facts: { boot: 1 },
  })
  guest.ioError = 'the host has no space left for a disk image'
  expect(await host.lastLook()).toMatchObject({ verdict: 'infra', reason: guest.ioError })
  guest.messages = warning
  expect(await host.lastLook()).toMatchObject({ verdict: 'fail', reason: warning })
  guest.panic()
  expect(await host.lastLook()).toMatchObject({ verdict: 'fail', reason: 'the kernel panicked' })
})
