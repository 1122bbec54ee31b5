import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { profileOf } from '../../../../../harness/bench/copies/bench.ts'
import { chooseCopies, copySizes } from '../../../../../harness/bench/copies/choice.ts'
import { copyFigures } from '../../../../../harness/bench/copies/figures.ts'
import { CopyGuest } from '../../../../../harness/bench/copies/guest.ts'
import { measureCopies } from '../../../../../harness/bench/copies/measure.ts'
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

async function measure(rounds: number, script: Script = {}, routes?: string[], sizes?: string[]) {
  const { guest, commands } = await scriptedGuest(directory, script)
  const asked = new CopyGuest(guest, new AbortController().signal)
  const choice = chooseCopies(routes, sizes)
  return { ...(await measureCopies(asked, { profile, rounds, choice, note: () => {} })), commands }
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
  const here = await measure(1, { asked: 'EOPNOTSUPP' }, ['nvme-across', 'dm-crypt'], ['4K'])
  expect(here.samples.filter(({ way }) => way === 'offload')).toEqual([])
  expect(here.prepared.get('dm-crypt')?.withoutOffload).toBe('dm-crypt is not offloaded')
  expect(here.prepared.get('nvme-across')?.withoutOffload).toBe(
    "this QEMU's NVMe controllers have no Copy descriptor format 2 (OCFS 0x3)",
  )
  // What was changed is put back, and what was made is taken away.
  const removal = here.commands.lastIndexOf('/bin/dmtable remove bench')
  expect(here.commands[removal - 1]).toMatch(/^\/bin\/blkcopy set \S+ 4194304 , set \S+ 4194304$/)
})

test('a kernel that complains is not timed', async () => {
  const asked = measure(1, { trouble: 'BUG: KASAN: x' }, ['nvme'], ['4K'])
  await expect(asked).rejects.toMatchObject({
    kind: 'infra',
    message: 'while copies were timed: BUG: KASAN: x\nits console: BUG: KASAN: x',
  })
})

test('a device that can, and does not when it is asked, is no reason but a fault', async () => {
  const asked = (route: string, asked: string, ocfs = 3) => measure(1, { asked, ocfs }, [route], ['4K'])
  const fault = { kind: 'infra', message: expect.stringContaining('is said to offload there, and does not') }
  await expect(asked('nvme', 'EOPNOTSUPP')).rejects.toMatchObject(fault)
  await expect(asked('scsi', 'EOPNOTSUPP')).rejects.toMatchObject(fault)
  await expect(asked('nvme-across', 'EOPNOTSUPP', 0xf)).rejects.toMatchObject(fault)
  await expect(asked('nvme-across', 'EIO')).rejects.toMatchObject(fault)
})

test('nothing of the destination is new to the host when the first sample is taken', async () => {
  const { commands } = await measure(1, {}, ['nvme'], ['4K', '1M'])
  expect(commands[1]).toBe('/bin/blkcopy fill /dev/nvme0n1 0 1048576 1 0 , flush /dev/nvme0n1')
  expect(commands[2]).toContain('--flags=1')
  // The largest size by each way, on to which all smaller ones go.
  const copies = commands.slice(3).filter((command) => / (copy|time) /.test(command))
  const to = '/dev/nvme0n1 0 /dev/nvme0n1 1073741824 1048576'
  expect(copies.slice(0, 4)).toEqual([
    `/bin/blkcopy copy --time --repeat=16 ${to}`,
    `/bin/blkcopy copy --time --repeat=16 ${to}`,
    `/bin/blkcopy copy --time --repeat=16 --call=read_write --direct=both --block=1048576 ${to}`,
    expect.stringContaining('/bin/dmtable time mirror 0 2048 '),
  ])
})

test('the first error is the one that is told', async () => {
  const broken = measure(1, { times: 'none', fails: '/bin/dmtable remove' }, ['dm-linear'], ['4K'])
  await expect(broken).rejects.toThrow('the guest says no times')
})

test('what one sample does not tell is no figure', () => {
  const sample = (way: 'offload' | 'fallback', rest: object) => ({
    ...{ route: 'scsi', bytes: 4096, way, ms: 1, cpu: 1, link: 2, commands: 1, ...rest },
  })
  const figures = copyFigures([
    ...[sample('offload', {}), sample('fallback', {}), sample('offload', { cpu: null })],
    ...[sample('fallback', { link: null }), sample('offload', {}), sample('fallback', {})],
  ])
  const ids = figures.map(({ id }) => id)
  expect(ids).not.toContain('copy.scsi.4096.offload.cpu')
  expect(ids).not.toContain('copy.scsi.4096.fallback.link')
  expect(figures.find(({ id }) => id === 'copy.scsi.4096.fallback.cpu')?.samples).toEqual([1, 1, 1])
  // One sample has no spread.
  expect(copyTables(copyFigures([sample('fallback', {})]))[0]).toMatch(/\n4 KiB +1\.00 ms$/)
  // The column stays.
  expect(copyTables(figures)[1]?.split('\n')[1]).toMatch(/^4 KiB +- +2\.00 +1 +1\.00 +- +1$/)
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
