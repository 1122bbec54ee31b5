import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { consoleReporter } from '../../../../harness/report/console.ts'
import { readResult, resultPath, resultsDirectory } from '../../../../harness/report/results-directory.ts'
import { summarySchema } from '../../../../harness/report/summary.ts'
import { summaryReporter } from '../../../../harness/report/summary-reporter.ts'
import type { GuestFacts } from '../../../../harness/run/guest-host.ts'
import { lastLookId, lastOutcome } from '../../../../harness/run/last-look.ts'
import type { CaseOutcome, CellFacts } from '../../../../harness/run/outcome.ts'
import type { Plan } from '../../../../harness/run/plan.ts'

const facts: CellFacts = {
  cell: {
    name: '6.12-mine',
    tree: { label: '6.12', debian: 'linux-source-6.12' },
    series: null,
    kconfig: ['/kconfigs/boot.config'],
    machine: {
      qemu: { label: 'system', program: 'qemu-system-x86_64' },
      accel: 'auto',
      cpus: 2,
      memory: 384,
    },
  },
  treeVersion: '6.12.1-1',
  series: { name: 'mine', hash: 'abc', patches: 7, total: 7 },
  kernel: { key: 'k', release: '6.12.1', compiler: 'gcc 12', image: '/cache/vmlinux' },
  machine: { qemu: 'qemu-system-x86_64', qemuVersion: '7.2.22', accel: 'tcg', cpus: 2, memoryMiB: 384 },
  topology: 'default',
  preparedMs: 2000,
}

function outcome(change: Partial<CaseOutcome> = {}): CaseOutcome {
  return {
    ...{
      id: 'nvme/003',
      group: 'nvme',
      description: 'split',
      verdict: 'pass',
      command: 'copylab run nvme/003',
    },
    startedAt: new Date(2026, 0, 23, 9, 5, 7),
    record: {
      copies: [
        {
          requests: [
            {
              path: 'nvme-same-namespace',
              from: { target: 'small', offset: 0 },
              to: { target: 'small', offset: 8192 },
              ...{ bytes: 512, error: '0', copied: '512', offloaded: '512' },
            },
          ],
          traced: { offloaded: 512, fallback: 0 },
          device: { copyCommands: 1, copiedBytes: 512, linkReadBytes: 0, linkWrittenBytes: 0, errors: [] },
          witnesses: { guest: true, device: true, host: true },
        },
      ],
      host: [{ disk: 'small', sha256: '00', changed: [{ offset: 8192, bytes: 512 }] }],
      ...{
        dmesg: '[    4.1] nvme: hello',
        boot: 1,
        qemu: ['qemu', '-append', 'a b'],
        runtimeMs: 1234.5,
        guestMs: 1000,
      },
    },
    ...change,
  }
}

const failed = outcome({
  verdict: 'fail',
  reason: 'device: nothing',
  details: Array.from({ length: 20 }, (_, line) => `line ${line}`).join('\n'),
})

let directory: string
let planned: Plan
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-unit-'))
  const info = { group: 'nvme', description: 'split', offloads: [], needs: [], file: '' }
  planned = { cells: [{ cell: facts.cell, cases: [{ ...info, id: 'nvme/003' }] }], results: directory }
})
afterEach(() => rmSync(directory, { recursive: true }))

function capture(terminal = false) {
  let text = ''
  const stream = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        text += chunk
        done()
      },
    }),
    { isTTY: terminal, columns: 100 },
  )
  return { stream, text: () => text }
}

test("console: the status in column 60, metrics beside the last run's", () => {
  const { stream, text } = capture()
  const reporters = [consoleReporter({ results: directory, stream }), resultsDirectory(directory)]
  for (const runtimeMs of [1234.5, 999]) {
    const one = outcome()
    one.record.runtimeMs = runtimeMs
    for (const reporter of reporters) reporter.onCaseEnd?.(facts, one)
  }
  expect(text().split('\n')).toEqual([
    'nvme/003 (split)                                             [passed]',
    '    runtime    ...  1.234s',
    '    copied     ...  512',
    '    offloaded  ...  512',
    'nvme/003 (split)                                             [passed]',
    '    runtime    1.234s  ...  0.999s',
    '    copied     512     ...  512',
    '    offloaded  512     ...  512',
    '',
  ])
})

test('console: a failure shows its first lines and how to repeat it, infra and not run their reason', () => {
  const { stream, text } = capture()
  const reporter = consoleReporter({ results: directory, stream })
  reporter.onCaseEnd?.(facts, failed)
  expect(text()).toContain(' [failed]\n')
  expect(text()).toContain('    line 11\n    ...\n    again: copylab run nvme/003\n')
  reporter.onCaseEnd?.(facts, outcome({ verdict: 'not run', reason: 'no dmsetup' }))
  expect(text()).toMatch(/ \[not run\]\n {4}no dmsetup\n$/)
  reporter.onCaseEnd?.(facts, outcome({ verdict: 'infra', reason: 'killed', details: 'QEMU was killed' }))
  expect(text()).toMatch(/ \[infra\]\n(.*\n)*.*QEMU was killed\n/)
})

const known = outcome({
  verdict: 'known failure',
  reason: 'BUG: x',
  known: { reason: 'QEMU forgets it', link: 'https://example.org/1' },
})

test('console: a known failure says why it is one; what went wrong is listed again at the end', () => {
  const { stream, text } = capture()
  const reporter = consoleReporter({ results: directory, stream })
  reporter.onCaseEnd?.(facts, known)
  expect(text()).toMatch(
    / \[known failure\]\n(.*\n)* {4}BUG: x\n {4}QEMU forgets it\n {4}https:\/\/example.org\/1\n$/,
  )
  for (const one of [failed, outcome(), outcome({ ...failed, id: 'dm/001' })])
    reporter.onCaseEnd?.(facts, one)
  reporter.onRunEnd?.({ interrupted: false })
  expect(text()).toMatch(/\nknown failure: nvme\/003\nfailed: nvme\/003 dm\/001\n$/)
})

test('results: a known failure is a failure with the reason why it is known', () => {
  resultsDirectory(directory).onCaseEnd?.(facts, known)
  const result = readResult(resultPath(directory, '6.12-mine', 'nvme/003'))
  expect(Object.fromEntries(result)).toMatchObject({
    ...{ status: 'fail', reason: 'output', exit_status: '1' },
    known_failure: 'QEMU forgets it https://example.org/1',
  })
})

test('console: a terminal gets the title at once, then colour', () => {
  const { stream, text } = capture(true)
  const reporter = consoleReporter({ results: directory, stream, colour: true })
  reporter.onCaseStart?.(facts, { id: 'nvme/003', description: 'split' })
  expect(text()).toBe('nvme/003 (split)'.padEnd(60))
  reporter.onCaseEnd?.(facts, outcome())
  expect(text()).toContain('\r\u001b[Knvme/003 (split)')
  expect(text()).toContain('[\u001b[32mpassed\u001b[0m]\n')
})

test('results: key TAB value as blktests has them, with .full beside', () => {
  const reporter = resultsDirectory(directory)
  const path = resultPath(directory, '6.12-mine', 'nvme/003')
  expect(path).toBe(join(directory, '6.12-mine/nodev/nvme/003'))
  reporter.onCaseEnd?.(facts, outcome())
  expect(readFileSync(path, 'utf8')).toBe(
    'date\t2026-01-23 09:05:07\ndescription\tsplit\nstatus\tpass\nexit_status\t0\nruntime\t1.234s\ncopied\t512\noffloaded\t512\n',
  )
  const full = readFileSync(`${path}.full`, 'utf8')
  expect(full).toContain('again: copylab run nvme/003')
  expect(full).toContain("by hand: qemu -append 'a b'")
  expect(full).toContain('host: small has sha256 00, to be changed at 8192+512')
})

test('results: what a call does not say is no metric', () => {
  const one = outcome()
  for (const request of one.record.copies.flatMap(({ requests }) => requests)) request.offloaded = 'unknown'
  resultsDirectory(directory).onCaseEnd?.(facts, one)
  const result = readResult(resultPath(directory, '6.12-mine', 'nvme/003'))
  expect([result.get('copied'), result.get('offloaded')]).toEqual(['512', undefined])
})

test('results: copies made at once are told apart, and what nobody saw is no number', () => {
  const one = outcome()
  const [call] = one.record.copies
  if (!call) throw new Error('an outcome without a copy')
  one.record.copies = [
    { ...call, requests: [...call.requests, ...call.requests], traced: null, device: null },
  ]
  resultsDirectory(directory).onCaseEnd?.(facts, one)
  const path = resultPath(directory, '6.12-mine', 'nvme/003')
  expect(readResult(path)).toContainEqual(['copied', '1024'])
  const full = readFileSync(`${path}.full`, 'utf8')
  expect(full.match(/^copy 1: 512 bytes, small\+0 to small\+8192/gm)).toHaveLength(2)
  expect(full).toContain(
    '  traced: nothing is known\n  devices: nothing is known\n  borne out by: guest true',
  )
})

test('results: a failure leaves .out.bad and .dmesg, a later pass takes them away', () => {
  const reporter = resultsDirectory(directory)
  const path = resultPath(directory, '6.12-mine', 'nvme/003')
  reporter.onCaseEnd?.(facts, failed)
  expect(Object.fromEntries(readResult(path))).toMatchObject({
    status: 'fail',
    reason: 'output',
    exit_status: '1',
  })
  expect(readFileSync(`${path}.out.bad`, 'utf8')).toContain('line 19\n')
  expect(readFileSync(`${path}.dmesg`, 'utf8')).toBe('[    4.1] nvme: hello\n')

  const splat = outcome({
    verdict: 'fail',
    details: 'x',
    record: { ...outcome().record, splat: 'WARNING: x' },
  })
  reporter.onCaseEnd?.(facts, splat)
  expect(readResult(path).get('reason')).toBe('dmesg')

  reporter.onCaseEnd?.(facts, outcome())
  expect(() => readFileSync(`${path}.out.bad`)).toThrow('ENOENT')
  expect(() => readFileSync(`${path}.dmesg`)).toThrow('ENOENT')
})

test('results: infra is not run with a reason that says so', () => {
  resultsDirectory(directory).onCaseEnd?.(facts, outcome({ verdict: 'infra', reason: 'QEMU was killed' }))
  const result = readResult(resultPath(directory, '6.12-mine', 'nvme/003'))
  expect(result.get('status')).toBe('not run')
  expect(result.get('reason')).toBe('infra: QEMU was killed')
})

test('summary: valid after every case, and says whether the run came to its end', () => {
  const reporter = summaryReporter(planned, '0.1.0')
  const read = () => summarySchema.parse(JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8')))
  reporter.onCellStart?.(facts)
  reporter.onCaseEnd?.(facts, outcome())
  expect(read()).toMatchObject({ finished: false, totals: { passed: 1 }, exitStatus: 0 })
  reporter.onCaseEnd?.(facts, { ...failed, id: 'nvme/004' })
  reporter.onRunEnd?.({ interrupted: false })
  const summary = read()
  expect(summary).toMatchObject({ finished: true, interrupted: false, exitStatus: 1, findings: [] })
  expect(summary).toMatchObject({ plan: [{ cell: '6.12-mine', cases: ['nvme/003'] }], shard: null })
  expect(summary.cells[0]).toMatchObject({
    name: '6.12-mine',
    series: { hash: 'abc' },
    overheadMs: facts.preparedMs,
    machine: { qemuVersion: '7.2.22' },
    cases: [
      { id: 'nvme/003', verdict: 'pass' },
      { verdict: 'fail', reason: 'device: nothing' },
    ],
  })
})

test('a complaint after the last case is a failure in every report, and no later run inherits it', () => {
  const { stream, text } = capture()
  const reporters = [
    consoleReporter({ results: directory, stream }),
    resultsDirectory(directory),
    summaryReporter(planned, '0.1.0'),
  ]
  const guest = { boot: 2, argv: ['qemu'] } as GuestFacts
  const complaint = {
    verdict: 'fail' as const,
    reason: 'WARNING: x',
    messages: 'WARNING: x\nRIP',
    facts: guest,
  }
  const last = lastOutcome(complaint, 'copylab run nvme')
  for (const reporter of reporters) {
    reporter.onCellStart?.(facts)
    reporter.onCaseEnd?.(facts, outcome())
    reporter.onCaseEnd?.(facts, last)
    reporter.onRunEnd?.({ interrupted: false })
  }
  expect(text()).toContain('after the last case, see boot-2.console: WARNING: x')
  const path = resultPath(directory, '6.12-mine', lastLookId)
  expect(Object.fromEntries(readResult(path))).toMatchObject({ status: 'fail', reason: 'dmesg' })
  const summary = summarySchema.parse(JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8')))
  expect(summary).toMatchObject({ exitStatus: 1, totals: { passed: 1, failed: 1 } })
  resultsDirectory(directory).onCellStart?.(facts)
  expect([existsSync(path), existsSync(`${path}.dmesg`)]).toEqual([false, false])
})
