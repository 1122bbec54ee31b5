import { expect, test } from 'vitest'
import { estimator, noTimes, type Times, timesOf, withTimes } from '../../../../harness/run/times.ts'

const plain = ['/a/kconfigs/boot.config', '/a/kconfigs/nvme.config']
const debug = [...plain, '/a/kconfigs/debug.config']
const times: Times = {
  times: 1,
  cells: {
    '6.12': { kconfig: 'boot,nvme', overheadMs: 10_000, cases: { 'nvme/001': 100, 'nvme/002': 300 } },
    '7.3': { kconfig: 'boot,nvme', overheadMs: 20_000, cases: { 'nvme/001': 200, 'dm/001': 50 } },
    '7.3+debug': { kconfig: 'boot,debug,nvme', overheadMs: 120_000, cases: { 'nvme/001': 4000 } },
  },
}

test('a case takes what it took in the cell, else in cells of its kconfig, else anywhere, else what cases take', () => {
  const estimate = estimator(times)
  const known = estimate({ name: '7.3', kconfig: plain })
  expect([known.overheadMs, known.caseMs('nvme/001'), known.caseMs('nvme/002')]).toEqual([20_000, 200, 300])
  // The same fragments elsewhere and in another order are the same.
  const fresh = estimate({ name: '7.2', kconfig: ['nvme', 'boot'] })
  expect([fresh.overheadMs, fresh.caseMs('nvme/001'), fresh.caseMs('scsi/001')]).toEqual([10_000, 100, 100])
  const slow = estimate({ name: '6.12+debug', kconfig: debug })
  expect([slow.overheadMs, slow.caseMs('nvme/001'), slow.caseMs('dm/001')]).toEqual([120_000, 4000, 50])
  const other = estimate({ name: 'x', kconfig: ['x'] })
  expect([other.overheadMs, other.caseMs('nvme/001'), other.caseMs('x/001')]).toEqual([20_000, 200, 200])
})

test('without times every case is the same, and a name of the language is a cell like any other', () => {
  const one = estimator(noTimes)({ name: 'constructor', kconfig: [] })
  expect([one.overheadMs, one.caseMs('constructor')]).toEqual([60_000, 1000])
})

test('a run leaves its times, but not those of cases that the machine has failed', () => {
  const base = { description: '', startedAt: '', guestMs: 0, boot: 1, copies: [], host: [], command: '' }
  const cases = [
    { ...base, id: 'nvme/001', verdict: 'pass' as const, runtimeMs: 12.4 },
    { ...base, id: 'nvme/002', verdict: 'infra' as const, runtimeMs: 60_000 },
    { ...base, id: 'nvme/003', verdict: 'fail' as const, runtimeMs: 7 },
  ]
  const facts = {
    ...{ tree: { label: '6.12', version: '' }, series: null, topology: '' },
    kernel: { key: '', release: '', compiler: '', image: '' },
    machine: { qemu: '', qemuVersion: '', accel: 'tcg' as const, cpus: 2, memoryMiB: 1 },
    totals: { passed: 0, failed: 0, skipped: 0, infra: 0, known: 0 },
  }
  const cells = [
    { ...facts, name: '6.12', kconfig: plain, overheadMs: 99.6, cases },
    { ...facts, name: 'dead', kconfig: plain, overheadMs: 1, cases: cases.slice(1, 2) },
  ]
  expect(timesOf({ cells })).toEqual({
    times: 1,
    cells: { '6.12': { kconfig: 'boot,nvme', overheadMs: 100, cases: { 'nvme/001': 12, 'nvme/003': 7 } } },
  })
})

test('newer times replace older ones case by case, and the oldest cells go', () => {
  const newer: Times = {
    times: 1,
    cells: { '6.12': { kconfig: 'boot', overheadMs: 1, cases: { 'nvme/002': 2, 'nvme/003': 3 } } },
  }
  const both = withTimes(times, newer, 2)
  expect(Object.keys(both.cells)).toEqual(['7.3+debug', '6.12'])
  expect(both.cells['6.12']).toEqual({
    kconfig: 'boot',
    overheadMs: 1,
    cases: { 'nvme/001': 100, 'nvme/002': 2, 'nvme/003': 3 },
  })
})
