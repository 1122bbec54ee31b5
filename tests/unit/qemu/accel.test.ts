import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { chooseAccelerator, qemuVersion } from '../../../qemu/accel.ts'
import { probePassed, probeRom } from '../../../qemu/probe-rom.ts'
import { script, temporaryDirectory } from './support.ts'

/** A QEMU that runs `body`, counting its runs, beside a KVM device that opens. */
function fake(body: string) {
  const directory = temporaryDirectory()
  const runs = join(directory, 'runs')
  const device = join(directory, 'kvm')
  writeFileSync(device, '')
  const qemu = script(directory, 'qemu', `echo run >> '${runs}'\n${body}`)
  const count = () => (existsSync(runs) ? readFileSync(runs, 'utf8').split('\n').length - 1 : 0)
  return { options: { qemu, device, stateDir: join(directory, 'state'), deadlineMs: 300 }, count }
}

test('kvm is taken where guest code runs, and asked only once', async () => {
  const { options, count } = fake(`exit ${probePassed}`)
  expect(await chooseAccelerator({ ...options, wanted: 'auto' })).toMatchObject({ accel: 'kvm' })
  expect(await chooseAccelerator({ ...options, wanted: 'kvm' })).toMatchObject({ accel: 'kvm' })
  expect(count()).toBe(1)
})

test('a guest that does not end in time means tcg, and a line says so', async () => {
  const { options, count } = fake('exec sleep 30')
  const notes: string[] = []
  const choose = () =>
    chooseAccelerator({
      ...options,
      wanted: 'auto',
      emit: (event) => event.type === 'note' && notes.push(event.message),
    })
  const reason = 'tcg, since kvm does not work here: a guest program of 0.1 s did not end within 300 ms'
  expect(await choose()).toEqual({ accel: 'tcg', reason })
  expect(await choose()).toEqual({ accel: 'tcg', reason })
  expect(notes).toEqual([reason, reason])
  expect(count()).toBe(1)
})

test('kvm that was asked for and fails is a failure with what QEMU said', async () => {
  const { options } = fake('echo "Could not access KVM kernel module" >&2; exit 1')
  await expect(chooseAccelerator({ ...options, wanted: 'kvm' })).rejects.toMatchObject({
    kind: 'infra',
    message:
      'kvm does not work here: a guest program failed (exit status 1): Could not access KVM kernel module',
    remedy: expect.stringContaining('--accel tcg'),
  })
})

test('without the device nothing is run', async () => {
  const { options, count } = fake(`exit ${probePassed}`)
  const device = '/no/kvm'
  expect(await chooseAccelerator({ ...options, device, wanted: 'auto' })).toMatchObject({ accel: 'tcg' })
  expect(count()).toBe(0)
})

test('another QEMU is proved anew', async () => {
  const { options, count } = fake(`exit ${probePassed}`)
  await chooseAccelerator({ ...options, wanted: 'auto' })
  writeFileSync(options.qemu, `${readFileSync(options.qemu, 'utf8')}# upgraded\n`)
  await chooseAccelerator({ ...options, wanted: 'auto' })
  expect(count()).toBe(2)
})

test('an absent QEMU is a failure that names it', async () => {
  const missing = chooseAccelerator({ wanted: 'tcg', qemu: 'qemu-nosuch', stateDir: temporaryDirectory() })
  await expect(missing).rejects.toMatchObject({ message: 'there is no qemu-nosuch', kind: 'infra' })
})

test('the version is read once', async () => {
  const { options, count } = fake('echo "QEMU emulator version 7.2.22 (Debian 1:7.2)"')
  expect([await qemuVersion(options), await qemuVersion(options)]).toEqual(['7.2.22', '7.2.22'])
  expect(count()).toBe(1)
})

test('the probe starts at the reset vector and fits a firmware image', () => {
  const rom = probeRom()
  expect(rom).toHaveLength(65536)
  expect(rom.subarray(0xfff0, 0xfff5).toString('hex')).toBe('ea000000f0')
})
