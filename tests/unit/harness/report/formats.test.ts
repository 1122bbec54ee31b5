import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { report } from '../../../../harness/commands/report.ts'
import { escaped } from '../../../../harness/report/formats/escape.ts'
import { parseFormat } from '../../../../harness/report/formats/formats.ts'
import { summarySchema } from '../../../../harness/report/summary.ts'
import { wantedReports, writeReports } from '../../../../harness/report/write-reports.ts'
import type { CaseOutcome } from '../../../../harness/run/outcome.ts'
import { timesSchema } from '../../../../harness/run/times.ts'
import { type ToyRun, toyCell, toyRun, toyShard } from './toy-run.ts'

vi.setConfig({ testTimeout: 60_000 })

let directory: string
let printed: string
let said: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-formats-'))
  printed = ''
  said = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(directory, { recursive: true })
})

const verdicts: Record<string, CaseOutcome['verdict']> = {
  ...{ 'nvme/001': 'pass', 'nvme/002': 'fail', 'nvme/003': 'not run' },
  ...{ 'nvme/004': 'infra', 'nvme/005': 'known failure' },
}
const plan = { cells: [toyCell('6.12', Object.keys(verdicts))], results: '' }
const verdict = (id: string) => verdicts[id] ?? 'pass'
const context = () => ({ cwd: directory, signal: new AbortController().signal })
const run = (name: string, of: ToyRun = { verdict }, cells = plan.cells) =>
  toyRun({ cells, results: join(directory, name) }, of)
const show = async (format: string, ...names: string[]) => {
  const status = await report(names.length ? names : ['a'], { format: [format] }, context())
  return { status, lines: printed.split('\n') }
}

test('blktests: what a run prints, with the title of each cell and what went wrong once more', async () => {
  run('a')
  expect(await report(['a'], {}, context())).toBe(1)
  expect(printed.split('\n')).toEqual([
    '6.12: 6.12.1 without patches, QEMU 7.2.22, tcg',
    'nvme/001 (case nvme/001)                                     [passed]',
    '    runtime  ...  1.234s',
    'nvme/002 (case nvme/002)                                     [failed]',
    '    runtime  ...  1.234s',
    '    device: # nvme/002',
    '    see boot-1.console',
    '    ]]> <b>\u0007',
    '    again: copylab run nvme/002',
    'nvme/003 (case nvme/003)                                     [not run]',
    '    no dmsetup',
    'nvme/004 (case nvme/004)                                     [infra]',
    '    runtime  ...  1.234s',
    '    device: # nvme/004',
    '    see boot-2.console',
    '    ]]> <b>\u0007',
    '    again: copylab run nvme/004',
    'nvme/005 (case nvme/005)                                     [known failure]',
    '    runtime  ...  1.234s',
    '    device: # nvme/005',
    '    QEMU forgets',
    '    https://example.org/1',
    'failed: nvme/002',
    'infra: nvme/004',
    'known failure: nvme/005',
    '1 passed, 1 failed, 1 skipped, 1 known failure, 1 without a verdict (infra)',
    '',
  ])
})

test('blktests: of a cell that has come to nothing, why; with several cells, each has its line in the end', async () => {
  run('a', { verdict, fails: 'b' }, [
    toyCell('a', ['nvme/001', 'nvme/002']),
    toyCell('b', ['nvme/001', 'nvme/002']),
  ])
  expect(await report(['a'], {}, context())).toBe(1)
  expect(printed.split('\n').slice(-7)).toEqual([
    'b',
    '    make: *** [vmlinux] Error 2',
    '      log:     /cache/build.log',
    '      2 cases have no verdict',
    'a: failed: nvme/002',
    '1 passed, 1 failed, 0 skipped, 2 without a verdict (infra)',
    '',
  ])
})

test('ktap: version 1, a cell a test, its cases below it', async () => {
  run('a')
  expect((await show('ktap')).lines).toEqual([
    'KTAP version 1',
    '1..1',
    '  KTAP version 1',
    '  # Subtest: 6.12',
    '  1..5',
    '  ok 1 nvme/001 case nvme/001',
    '  # device: # nvme/002',
    '  # see boot-1.console',
    '  # ]]> <b>',
    '  # [ 1.0] <nvme/002> & more',
    '  not ok 2 nvme/002 case nvme/002',
    '  ok 3 nvme/003 case nvme/003 # SKIP no dmsetup',
    '  # device: # nvme/004',
    '  # see boot-2.console',
    '  # ]]> <b>',
    '  # [ 1.0] <nvme/004> & more',
    '  not ok 4 nvme/004 case nvme/004 # ERROR device:  nvme/004',
    '  # device: # nvme/005',
    '  # see boot-3.console',
    '  # ]]> <b>',
    '  # [ 1.0] <nvme/005> & more',
    '  ok 5 nvme/005 case nvme/005 # XFAIL device:  nvme/005',
    'not ok 1 6.12',
    '',
  ])
  expect(said).toBe('1 passed, 1 failed, 1 skipped, 1 known failure, 1 without a verdict (infra)\n')
})

test('ktap: cells that pass, that skip all, and a case without a result', async () => {
  run('a', { verdict: () => 'pass' }, [toyCell('a', ['nvme/001'])])
  run('b', { verdict: () => 'not run' }, [toyCell('b', ['nvme/001'])])
  toyRun({
    ...toyShard({ cells: [toyCell('c', ['nvme/001', 'nvme/002'])], results: '' }, 1, 2, join(directory, 'c')),
  })
  const { status, lines } = await show('ktap', 'a', 'b', 'c')
  expect(lines).toContain('ok 1 a')
  expect(lines).toContain('ok 2 b # SKIP')
  expect(lines).toContain('  not ok 2 nvme/002 # ERROR it has no result')
  expect(lines).toContain('not ok 3 c')
  expect(lines.slice(0, 4)).toEqual([
    ...['KTAP version 1', '# shard 2/2 is missing'],
    ...['# c: 1 of 2 cases have no result: nvme/002', '1..3'],
  ])
  expect(status).toBe(3)
  expect(said).toContain('shard 2/2 is missing\n')
})

/** Tags with their attributes and text, of XML as we write it; throws where tags do not match. */
function parseXml(text: string) {
  const open: string[] = []
  const found: { tag: string; attributes: Record<string, string>; text: string }[] = []
  const decode = (raw: string) => raw.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
  const token = /<(\/?)([\w-]+)((?: [\w.]+="[^"<]*")*)(\/?)>|<\?xml [^>]*\?>|([^<]+)/gy
  let end = 0
  for (const match of text.matchAll(token)) {
    end = match.index + match[0].length
    const [, closing, tag, attributes = '', empty, content] = match
    const last = found.at(-1)
    if (content !== undefined && last) last.text += decode(content)
    if (tag === undefined) continue
    if (closing) {
      if (open.pop() !== tag) throw new Error(`</${tag}> closes nothing`)
      continue
    }
    const pairs = [...attributes.matchAll(/([\w.]+)="([^"]*)"/g)]
    const decoded = pairs.map(([, key = '', value = '']) => [key, decode(value)])
    found.push({ tag, attributes: Object.fromEntries(decoded), text: '' })
    if (!empty) open.push(tag)
  }
  if (end !== text.length || open.length) throw new Error(`no XML from character ${end} on`)
  return found
}

test('junit: a suite a cell, infra is an error, and any text is XML', async () => {
  run('a')
  await show('junit')
  const elements = parseXml(printed)
  const of = (tag: string) => elements.filter((one) => one.tag === tag)
  expect(of('testsuites')[0]?.attributes).toMatchObject({
    tests: '5',
    failures: '1',
    errors: '1',
    skipped: '2',
  })
  expect(of('testsuite')[0]?.attributes).toMatchObject({
    ...{ name: '6.12', tests: '5', failures: '1', errors: '1', skipped: '2' },
    ...{ time: '6.173', timestamp: '2026-01-23T09:05:07' },
  })
  expect(of('testcase').map(({ attributes }) => attributes)[1]).toEqual({
    ...{ classname: '6.12.nvme', name: 'nvme/002 case nvme/002', time: '1.234' },
  })
  expect(of('failure')[0]).toMatchObject({
    attributes: { message: 'device: # nvme/002', type: 'output' },
    text: expect.stringContaining(
      'device: # nvme/002\nsee boot-1.console\n]]> <b>\ufffd\nagain: copylab run nvme/002',
    ),
  })
  expect(of('error')[0]?.attributes).toEqual({ message: 'device: # nvme/004', type: 'infra' })
  expect(of('skipped').map(({ attributes }) => attributes.message)).toEqual([
    'no dmsetup',
    'known failure: device: # nvme/005: QEMU forgets https://example.org/1',
  ])
  expect(of('system-err').map(({ text }) => text.trim())).toContain('[ 1.0] <nvme/002> & more')
  expect(of('property').map(({ attributes }) => attributes)).toContainEqual({ name: 'qemu', value: '7.2.22' })
})

test('junit: what is missing is an error, so that a pipeline that reads nothing else sees it', async () => {
  const cells = [toyCell('6.12', ['nvme/001', 'nvme/002'])]
  toyRun(toyShard({ cells, results: '' }, 1, 2, join(directory, 'a')), { verdict: () => 'pass' })
  expect((await show('junit')).status).toBe(3)
  const elements = parseXml(printed)
  expect(elements[0]?.attributes).toMatchObject({ tests: '4', failures: '0', errors: '3' })
  const errors = elements.filter(({ tag }) => tag === 'error').map(({ attributes }) => attributes.message)
  expect(errors).toEqual([
    ...['it has no result', 'shard 2/2 is missing'],
    '6.12: 1 of 2 cases have no result: nvme/002',
  ])
})

test('html: one page that loads nothing and in which no text becomes a tag', async () => {
  run('a')
  await show('html')
  expect(printed).not.toMatch(/<script|<link|<img|src=|@import|url\(/)
  expect(printed).not.toContain('<b>')
  expect(printed).toContain('&#60;b&#62;\ufffd')
  expect(printed).toContain('<title>copylab: 1 passed, 1 failed, 1 skipped')
  expect(printed).toContain('href="#6.12/nvme/002">fail</a>')
  expect(printed).toContain('<details id="6.12/nvme/002">')
})

test('json is the summary, and times are what run --times reads', async () => {
  run('a')
  await report(
    ['a'],
    { format: ['json=s.json', 'times=t.json', 'junit=a=b.xml'], output: 'merged' },
    context(),
  )
  const read = (name: string) => readFileSync(join(directory, name), 'utf8')
  expect(summarySchema.parse(JSON.parse(read('s.json')))).toEqual(JSON.parse(read('merged/summary.json')))
  expect(Object.keys(timesSchema.parse(JSON.parse(read('t.json'))).cells['6.12']?.cases ?? {})).toEqual([
    ...['nvme/001', 'nvme/002'],
    ...['nvme/003', 'nvme/005'],
  ])
  expect(read('a=b.xml')).toMatch(/^<\?xml /)
  // Without a format to print, what a run prints is printed.
  expect(printed).toMatch(/^6\.12: [\s\S]*\[failed\]/)
})

test("the values of the last report stand beside this one's when both go to one place", async () => {
  run('a')
  await report(['a'], { output: 'merged' }, context())
  printed = ''
  await report(['a'], { output: 'merged' }, context())
  expect(printed).toContain('    runtime  1.234s  ...  1.234s\n')
})

test('a run writes reports beside its results or where it is told to, of a shard its part alone', async () => {
  const results = join(directory, 'a')
  const shard = toyShard({ cells: [toyCell('6.12', ['nvme/001', 'nvme/002'])], results: '' }, 2, 2, results)
  toyRun(shard)
  await writeReports(shard, await wantedReports(['junit', 'ktap=k.txt'], directory))
  expect(readFileSync(join(results, 'junit.xml'), 'utf8')).toContain('<testsuites name="copylab" tests="1" ')
  expect(readFileSync(join(directory, 'k.txt'), 'utf8')).toMatch(/^KTAP version 1\n1\.\.1\n/)
  for (const words of ['junit=none/j.xml', 'xml'])
    await expect(wantedReports([words], directory)).rejects.toMatchObject({ kind: 'usage' })
})

test.each([
  [['xml'], '--format: there is no format "xml"'],
  [['constructor'], 'there is no format "constructor"'],
  [['junit='], '"junit=" names no file'],
  [['json', 'ktap'], 'json and ktap cannot both be printed'],
  [['json=nowhere/x.json'], 'cannot write '],
])('%j is a usage error', async (format, words) => {
  run('a')
  const error = await report(['a'], { format }, context()).catch((error: unknown) => error)
  expect(error).toMatchObject({ kind: 'usage', message: expect.stringContaining(words) })
})

test('a format may be given with a file', () => {
  expect(parseFormat('ktap', '--format').file).toBeUndefined()
  expect(parseFormat('ktap=a=b', '--format')).toMatchObject({ name: 'ktap', file: 'a=b' })
})

test('what XML cannot say is replaced', () => {
  expect(escaped('a\u0000\u001b[31m\ufffe<&>"\'\t\n\u{1f600}')).toBe(
    'a\ufffd\ufffd[31m\ufffd&#60;&#38;&#62;&#34;&#39;\t\n\u{1f600}',
  )
})
