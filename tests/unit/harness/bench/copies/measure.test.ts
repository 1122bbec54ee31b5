import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { profileOf } from '../../../../../harness/bench/copies/bench.ts'
import { copyFigures } from '../../../../../harness/bench/copies/figures.ts'
import { CopyGuest } from '../../../../../harness/bench/copies/guest.ts'
import { copySizes, measureCopies } from '../../../../../harness/bench/copies/measure.ts'
import { copyPlot } from '../../../../../harness/bench/copies/plot.ts'
import { copyTables } from '../../../../../harness/bench/copies/table.ts'
import type { Profile } from '../../../../../harness/series/profile.ts'
import { type Script, scriptedGuest } from './scripted-guest.ts'

// Traces of thousands of small copies are written and read, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-test-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const profile: Profile = {
  name: 'mine',
  sysfs: { limit: 'copy_max_bytes', hardwareLimit: 'copy_max_hw_bytes' },
  tracepoints: null,
  lacks: { 'dm-crypt': 'dm-crypt is not offloaded' },
  madeFor: {},
  checkpatch: { ignore: [] },
}

async function measure(rounds: number, script: Script = {}) {
  const { guest, commands } = await scriptedGuest(directory, script)
  const asked = new CopyGuest(guest, new AbortController().signal)
  return { ...(await measureCopies(asked, { profile, rounds, note: () => {} })), commands }
}

test('each size goes each way in every round, every other round in the other order', async () => {
  const { samples } = await measure(2)
  const first = samples.filter(({ route, bytes }) => route === 'nvme' && bytes === 4096)
  expect(first.map(({ way }) => way)).toEqual([
    ...['offload', 'fallback', 'dd', 'kcopyd'],
    ...['kcopyd', 'dd', 'fallback', 'offload'],
  ])
  expect(new Set(samples.filter(({ route }) => route === 'nvme').map(({ bytes }) => bytes))).toEqual(
    new Set(copySizes),
  )
})

test('what the series or the device does not offload has the other ways only, and the reason', async () => {
  const { samples, withoutOffload, commands } = await measure(1, { asked: 'EOPNOTSUPP' })
  expect(samples.filter(({ way }) => way === 'offload')).toEqual([])
  expect(withoutOffload.get('dm-crypt')).toBe('dm-crypt is not offloaded')
  expect(withoutOffload.get('nvme')).toBe('this QEMU does not copy there')
  // What was changed is put back, and what was made is taken away.
  const removal = commands.lastIndexOf('/bin/dmtable remove bench')
  expect(commands[removal - 1]).toMatch(/^\/bin\/blkcopy set \S+ 4194304 , set \S+ 4194304$/)
})

test('the figures have a table and a picture', async () => {
  const { samples } = await measure(2)
  const figures = copyFigures(samples)
  expect(figures.find(({ id }) => id === 'copy.nvme.1048576.offload.ratio')?.samples).toEqual([0.25, 0.25])
  const [times = '', others = ''] = copyTables(figures)
  expect(times.split('\n').slice(0, 3)).toEqual([
    'NVMe, inside of a namespace',
    '         offload       fallback      dd            kcopyd        offload ÷ fallback  dd ÷ fallback  kcopyd ÷ fallback',
    '4 KiB    1.00 ms ±0 %  4.00 ms ±0 %  4.00 ms ±0 %  9.00 ms ±0 %  0.25                1.00           2.25',
  ])
  expect(others.split('\n')[1]).toMatch(/^4 KiB +64\.0 +0\.0078 +1 +64\.0 +2\.00 +2 /)
  const plot = copyPlot(figures, 'a < b')
  expect(plot).toContain('a &#60; b')
  expect(plot.match(/<g transform/g)).toHaveLength(6)
  expect(plot).not.toMatch(/NaN|Infinity/)
})

test('a series without the ioctl, without limits or without a profile has nothing to compare', () => {
  expect(() => profileOf(null)).toThrow(/a kernel without a series lacks/)
  const series = { name: 's', profile: { ...profile, lacks: { BLKCOPY: 'no ioctl' } } } as never
  expect(() => profileOf(series)).toThrow('bench compares offload with fallback; no ioctl')
})
