import { expect, test } from 'vitest'
import { type BenchReport, benchSchema, figure } from '../../../../harness/bench/figures.ts'
import { showReport, showValue } from '../../../../harness/bench/table.ts'

const report: BenchReport = {
  schema: 2,
  copylab: '0.1.0',
  startedAt: '2026-01-23T09:05:07.000Z',
  durationMs: 1,
  kind: 'copies',
  rounds: 2,
  host: {
    ...{ processor: 'Some CPU', processors: 2, memoryMiB: 1024, kernel: '6.1', node: 'v20' },
    load: { start: [0.1, 0.2, 0.3], end: [1, 1, 1] },
  },
  tree: { label: '6.12', version: '6.12.1-1' },
  series: { name: 'mine', hash: 'abc', patches: 7, total: 7 },
  kconfig: [],
  kernel: { key: 'k', release: '6.12.1', compiler: 'gcc' },
  machine: { qemuVersion: '7.2.22', accel: 'tcg', cpus: 2, memoryMiB: 384 },
  notes: ['A note.'],
  figures: [
    figure('boot.agent', 'boot', 'ms', [1500, 1600], 2000),
    figure('suite.wall', 'suite', 'ms', [900]),
  ],
}

test('a report says what was measured on what, then figures, then notes', () => {
  expect(showReport(benchSchema.parse(report)).split('\n')).toEqual([
    '6.12: 6.12.1 with 7 patches of mine, QEMU 7.2.22, tcg',
    '2 × Some CPU, load average 0.10 0.20 0.30 before, 1.00 1.00 1.00 after, 2 rounds',
    '',
    '       median  spread         n  aim',
    'boot   1.55 s  1.50 … 1.60 s  2  ≤ 2.00 s',
    'suite  900 ms                 1',
    '',
    'A note.',
    '',
  ])
})

test('values have the digits that tell', () => {
  const shown = [0.312, 14.23, 999.4, 1520, 31_400, 612_000, -1500].map((ms) => showValue(ms, 'ms'))
  expect(shown).toEqual(['0.31 ms', '14.2 ms', '999 ms', '1.52 s', '31.4 s', '612 s', '-1.50 s'])
  expect([0, 0.00391, 0.0952, 1.146, 2].map((ratio) => showValue(ratio, 'ratio'))).toEqual([
    '0.00',
    '0.0039',
    '0.095',
    '1.15',
    '2.00',
  ])
})
