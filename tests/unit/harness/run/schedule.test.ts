import { expect, test } from 'vitest'
import { nextToStart, overheadMiB, type Slot, type Stage } from '../../../../harness/run/schedule.ts'

const roomy = { cores: 8, memoryMiB: 64_000 }
const slot = (stage: Stage, cpus = 2, memoryMiB = 384): Slot => ({ stage, cpus, memoryMiB })
const starts = (cores: number, ...stages: Stage[]) =>
  nextToStart(
    stages.map((stage) => slot(stage)),
    { ...roomy, cores },
  )

test.each<[string, number, Stage[], number[]]>([
  ['cells whose kernel is cached come first', 2, ['missing', 'cached', 'cached'], [1]],
  ['one VM at a time where its vCPUs take all cores', 2, ['running', 'cached'], []],
  ['as many as there are cores for', 8, ['cached', 'running', 'cached', 'cached', 'cached'], [0, 2, 3]],
  ['no build beside a VM', 8, ['running', 'missing'], []],
  ['no VM beside a build', 8, ['providing', 'cached', 'provided'], []],
  ['one build at a time', 8, ['missing', 'missing'], [0]],
  ['what fills the machine runs before the next build', 2, ['provided', 'missing'], [0]],
  ['builds go on until the VMs fill the machine', 4, ['provided', 'missing', 'missing'], [1]],
  ['and then those run', 4, ['provided', 'provided', 'missing'], [0, 1]],
  ['or when there is nothing more to build', 8, ['provided', 'ended', 'provided'], [0, 2]],
  ['cached ones are not kept waiting for builds', 8, ['missing', 'cached'], [1]],
  ['a VM with more vCPUs than cores runs alone', 1, ['cached', 'cached'], [0]],
  ['nothing is left', 2, ['ended', 'ended'], []],
])('%s', (_name, cores, stages, expected) => {
  expect(starts(cores, ...stages)).toEqual(expected)
})

test('memory bounds the VMs, with what QEMU takes for itself', () => {
  const slots = [slot('cached', 1, 1024), slot('cached', 1, 1024), slot('cached', 1, 1024)]
  const memoryMiB = 2 * (1024 + overheadMiB)
  expect(nextToStart(slots, { cores: 8, memoryMiB })).toEqual([0, 1])
  expect(nextToStart(slots, { cores: 8, memoryMiB: memoryMiB - 1 })).toEqual([0])
  expect(nextToStart(slots, { cores: 8, memoryMiB: 100 })).toEqual([0])
})

test('a small VM may go before a large one that has to wait', () => {
  const slots = [slot('running', 2), slot('cached', 8), slot('cached', 2)]
  expect(nextToStart(slots, { ...roomy, cores: 4 })).toEqual([2])
})
