import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loadSeries } from '../../../../harness/series/load.ts'
import { diffOf, mail } from './mails.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

let directory: string
const at = (name: string) => join(directory, name)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-b4-'))
  vi.stubEnv('XDG_CACHE_HOME', at('cache'))
  await mkdir(at('bin'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

/** A b4 that tells how it was called, does `body`, a shell script, and knows its output directory as $out. */
async function fakeB4(body: string): Promise<void> {
  const script = `#!/bin/sh\necho "$@" >> ${at('calls')}\nout=$(echo "$*" | sed 's/.* -o \\([^ ]*\\) .*/\\1/')/series.maildir/new\nmkdir -p $out\n${body}\n`
  await writeFile(at('bin/b4'), script)
  await chmod(at('bin/b4'), 0o755)
  vi.stubEnv('PATH', `${at('bin')}${delimiter}${process.env.PATH}`)
}

const patch = (message: string, path = 'x') => `${message}\n\n---\n${diffOf(path)}-- \n2.39.5\n`
const answer = (text: string) =>
  mail('Re: [PATCH] change x', { id: 'answer', header: ['In-Reply-To: <1@example.org>'], body: text })
const reviewed = 'Reviewed-by: R <r@example.org>'

async function thread(...mails: string[]): Promise<string> {
  await writeFile(at('t.mbox'), mails.join(''))
  return at('t.mbox')
}

test('the trailers of answers are put into the patches by b4', async () => {
  const b4 = mail('[PATCH] change x', { body: patch(`Why.\n\n${reviewed}`) }).replace(/^From .*\n/, '')
  await writeFile(at('b4.mail'), b4)
  await fakeB4(`cp ${at('b4.mail')} $out/0001_change_x.eml`)
  const file = await thread(mail('[PATCH] change x', { body: patch('Why.') }), answer(reviewed))
  const series = await loadSeries(file, '6.12')
  expect(series.notes).toEqual([`${file}: trailers that b4 has added out of answers: 1`])
  expect(await readFile(series.patches[0]?.path ?? '', 'utf8')).toContain(reviewed)
  expect(await readFile(at('calls'), 'utf8')).toMatch(
    /^am --no-cache --no-cover -M -o \S+ -n series -v1 -m \S+\n$/,
  )
})

test('b4 is not asked where no answer has a trailer', async () => {
  await fakeB4('exit 1')
  const series = await loadSeries(await thread(mail('[PATCH] change x'), answer('Why?')), '6.12')
  expect([series.notes, series.total]).toEqual([[], 1])
})

test.each([
  ['b4 ended with status 1: No network', 'echo "No network" >&2; exit 1'],
  ['b4 found no patches: Nothing', 'echo Nothing'],
  [
    'b4 gives other patches than the mailbox has',
    `printf 'From: A <a@b.org>\\nSubject: [PATCH] change x\\n\\n${patch('Why.', 'etc').replaceAll('\n', '\\n')}' > $out/1.eml`,
  ],
])('the patches stay as they are when %s', async (why, body) => {
  await fakeB4(body)
  const file = await thread(mail('[PATCH] change x'), answer(reviewed))
  const series = await loadSeries(file, '6.12')
  expect(series.notes).toEqual([`${file}: the trailers in answers (1) are left out: ${why}`])
  expect(await readFile(series.patches[0]?.path ?? '', 'utf8')).toContain('b/x\n')
})

test('a series that a cover names as needed is fetched once, and comes first', async () => {
  await writeFile(
    at('first.mail'),
    mail('[PATCH] the first', { body: patch('Base.', 'y') }).replace(/^From .*\n/, ''),
  )
  await fakeB4(`cp ${at('first.mail')} $out/0001.eml`)
  const cover = mail('[PATCH 0/1] two', { body: 'Two.\n\nprerequisite-message-id: <first@example.org>\n' })
  const file = await thread(cover, mail('[PATCH 1/1] the second', { body: patch('Second.') }))
  const series = await loadSeries(file, '6.12')
  expect(series.patches.map(({ subject }) => subject)).toEqual(['the first', 'the second'])
  expect(series.notes).toEqual([`${file} needs the series first@example.org, which comes first with 1 patch`])
  expect((await loadSeries(file, '6.12')).hash).toBe(series.hash)
  expect((await readFile(at('calls'), 'utf8')).trim().split('\n')).toHaveLength(1)
})

test('a series that needs itself by way of another one is fetched once', async () => {
  const body = `prerequisite-message-id: <a@example.org>\nprerequisite-message-id: <b@example.org>\n\n${patch('Why.')}`
  await writeFile(at('one.mail'), mail('[PATCH] one', { body }).replace(/^From .*\n/, ''))
  await fakeB4(`cp ${at('one.mail')} $out/0001.eml`)
  const series = await loadSeries(await thread(mail('[PATCH] change x', { body })), '6.12')
  expect(series.patches.map(({ subject }) => subject)).toEqual(['one', 'one', 'change x'])
})

test('one that cannot be fetched is told, with what to do', async () => {
  await fakeB4('echo "Cannot retrieve threads" >&2; exit 1')
  const body = `prerequisite-message-id: <first@example.org>\n\n${patch('Why.')}`
  const file = await thread(mail('[PATCH] change x', { body }))
  expect((await loadSeries(file, '6.12')).notes).toEqual([
    `${file} needs the series first@example.org: b4 ended with status 1: Cannot retrieve threads; ` +
      'save it and give it with a --series of its own before this one',
  ])
})

test('a message-id that could be an option or a path is not taken for one', async () => {
  await fakeB4('exit 1')
  const body = `prerequisite-message-id: <--help@x>\nprerequisite-message-id: <../a@x>\n\n${patch('Why.')}`
  expect((await loadSeries(await thread(mail('[PATCH] change x', { body })), '6.12')).notes).toEqual([])
})

const installed = (() => {
  try {
    execFileSync('b4', ['--version'])
    return true
  } catch {
    return false
  }
})()

test.runIf(installed)('b4 itself puts a trailer where it belongs', async () => {
  const second = mail('[PATCH 2/2] change y', {
    id: 'two',
    body: patch('Why.\n\nSigned-off-by: A <a@example.org>', 'y'),
  })
  const to = ['In-Reply-To: <two@example.org>', 'References: <two@example.org>']
  const file = await thread(
    mail('[PATCH 1/2] change x', { id: 'one', body: patch('Why.\n\nSigned-off-by: A <a@example.org>') }),
    second,
    mail('Re: [PATCH 2/2] change y', { id: 'r', header: to, body: `> Why.\n\n${reviewed}\n` }).replace(
      /^From: .*$/m,
      'From: R <r@example.org>',
    ),
  )
  const { patches, notes } = await loadSeries(file, '6.12')
  expect(notes).toEqual([`${file}: trailers that b4 has added out of answers: 1`])
  const texts = await Promise.all(patches.map(({ path }) => readFile(path, 'utf8')))
  expect(texts.map((text) => text.includes(reviewed))).toEqual([false, true])
})
