import { expect, test, vi } from 'vitest'
import { tryMachine } from '../../../qemu/trial.ts'
import { script, temporaryDirectory } from './support.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

/** The machine's own QEMU, started with something else in place of a word. */
function without(word: string) {
  const body = `exec bash -c 'exec qemu-system-x86_64 "\${@//${word}/missing}"' -- "$@"`
  return tryMachine(script(temporaryDirectory(), 'qemu', body))
}

test('a QEMU that has all that a guest needs says nothing', async () => {
  expect(await tryMachine('qemu-system-x86_64')).toBeUndefined()
})

test('one that lacks the firmware, the machine, a device or a property is told by its words', async () => {
  expect(await without('qboot.rom')).toMatch(/missing/)
  expect(await without('q35')).toMatch(/machine/)
  expect(await without('nvme-subsys')).toMatch(/'missing' is not a valid device model name/)
  expect(await without('mssrl')).toMatch(/nvme-ns.missing' not found/)
})

test('one that ends without a word is told by its exit status, and an abort by its reason', async () => {
  expect(await tryMachine(script(temporaryDirectory(), 'qemu', 'exit 7'))).toBe('exit status 7')
  const controller = new AbortController()
  const running = tryMachine(script(temporaryDirectory(), 'qemu', 'exec sleep 60'), controller.signal)
  controller.abort(new Error('interrupted'))
  await expect(running).rejects.toThrow('interrupted')
})
