import { expect, test } from 'vitest'
import type { Config } from '../../../../harness/config/load.ts'
import { planRun, showPlan } from '../../../../harness/run/plan.ts'
import type { Series } from '../../../../harness/series/load.ts'

const config = {
  tree: { label: '6.12', debian: 'linux-source-6.12' },
  kconfig: ['/k/boot.config'],
  machine: { qemu: { label: 'system', program: 'qemu' }, accel: 'auto', cpus: 2, memory: 384 },
  results: '/r',
} as Config

function series(applied: number): Series {
  const patches = Array.from({ length: applied }, (_, index) => ({ path: `/p/${index}`, subject: '' }))
  return { name: 'mine', directory: '/patches/copy-offload', hash: '', patches, total: 14, profile: null }
}

test.each([
  [null, '6.12', 'none'],
  [series(14), '6.12-copy-offload', '/patches/copy-offload, 14 patches'],
  [series(5), '6.12-copy-offload-5of14', '/patches/copy-offload, 5 of 14 patches'],
  [series(0), '6.12-copy-offload-0of14', '/patches/copy-offload, 0 of 14 patches'],
])('a cell is named after its tree and series, and where that is cut off: %#', (one, name, shown) => {
  const plan = planRun(config, one, [])
  expect(plan.cells.map((cell) => cell.name)).toEqual([name])
  expect(showPlan(plan)).toContain(`  series   ${shown}\n`)
})

test.each([
  ['10.0', '6.12-qemu-10.0'],
  ['/opt/my qemu', '6.12-qemu-my-qemu'],
])('runs on another emulator have a directory of their own: %s', (label, name) => {
  const machine = { ...config.machine, qemu: { label, program: 'qemu' } }
  expect(planRun({ ...config, machine }, null, []).cells[0]?.name).toBe(name)
})
