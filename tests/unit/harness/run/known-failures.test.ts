import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { projectRoot } from '../../../../harness/config/load.ts'
import { findCases } from '../../../../harness/run/cases.ts'
import { type KnownFailure, readKnownFailures, withKnown } from '../../../../harness/run/known-failures.ts'
import { lastLookId } from '../../../../harness/run/last-look.ts'
import type { CaseOutcome, CellFacts } from '../../../../harness/run/outcome.ts'
import { emptyRecord } from '../../../../harness/run/record.ts'

const facts = {
  cell: { kconfig: ['/k/boot.config', '/k/debug.config'] },
  treeVersion: '6.12.117-1',
  machine: { qemuVersion: '10.0.2' },
} as CellFacts

const failed: CaseOutcome = {
  ...{ id: 'nvme/067', group: 'nvme', description: 'x', verdict: 'fail', command: '' },
  ...{
    reason: 'BUG: leaked',
    details: 'the kernel complained: BUG: leaked atomic\n at x',
    startedAt: new Date(),
  },
  record: { ...emptyRecord, splat: 'BUG: leaked' },
}

const entry: KnownFailure = {
  ...{ cases: ['nvme/067'], message: 'BUG: leaked', reason: 'why', link: 'https://example.org' },
  ...{ tree: '6.12.', qemu: '10.0.', kconfig: 'debug' },
}
const verdict = (known: Partial<KnownFailure>, outcome: Partial<CaseOutcome> = {}) =>
  withKnown([{ ...entry, ...known }], facts, { ...failed, ...outcome }).verdict

test('what is known has its reason and link', () => {
  expect(withKnown([entry], facts, failed)).toEqual({
    ...failed,
    verdict: 'known failure',
    known: { reason: 'why', link: 'https://example.org' },
  })
  expect(verdict({ tree: undefined, qemu: undefined, kconfig: undefined })).toBe('known failure')
  expect(verdict({}, { verdict: 'infra' })).toBe('known failure')
  expect(verdict({ kconfig: ['kasan', 'debug'] })).toBe('known failure')
})

test.each<[string, Partial<KnownFailure>]>([
  ['another case', { cases: ['nvme/068'] }],
  ['another message', { message: 'WARNING:' }],
  ['another tree', { tree: '6.1.' }],
  ['another QEMU', { qemu: '7.2.' }],
  ['another kconfig', { kconfig: 'kasan' }],
  ['other kconfigs', { kconfig: ['kasan', 'lockdep'] }],
])('%s is not known', (_, known) => {
  expect(verdict(known)).toBe('fail')
})

test('a complaint on top of another failure does not excuse that', () => {
  expect(verdict({}, { details: 'host: the destination differs\nBUG: leaked' })).toBe('fail')
})

test('what has passed or was not run stays so', () => {
  expect(verdict({}, { verdict: 'pass' })).toBe('pass')
  expect(verdict({}, { verdict: 'not run' })).toBe('not run')
})

test('an entry without a link is refused with its line', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'copylab-known-'))
  const file = join(directory, 'known.yaml')
  try {
    await writeFile(file, '- cases: [nvme/001]\n  message: x\n  reason: y\n')
    await expect(readKnownFailures(file)).rejects.toThrow(`${file}:1: 0.link: `)
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('the cases of the project that are known to fail are there', async () => {
  const known = await readKnownFailures(join(projectRoot, 'tests/known-failures.yaml'))
  const ids = new Set([lastLookId, ...(await findCases(join(projectRoot, 'tests'))).map(({ id }) => id)])
  expect(known.flatMap(({ cases }) => cases).filter((id) => !ids.has(id))).toEqual([])
})
