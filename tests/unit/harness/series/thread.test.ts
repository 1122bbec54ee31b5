import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readMailbox } from '../../../../harness/series/mailbox.ts'
import { findThread } from '../../../../harness/series/thread.ts'
import { diffOf, mail, quotedPrintable } from './mails.ts'

// It starts git, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-thread-'))
})
afterEach(() => rm(directory, { recursive: true }))

const file = () => join(directory, 'thread.mbox')

async function thread(text: string | Uint8Array, wanted?: number) {
  await writeFile(file(), text)
  return findThread('thread', await readMailbox(file()), wanted)
}

async function titles(text: string, wanted?: number) {
  return (await thread(text, wanted)).patches.map(({ subject }) => subject.title)
}

async function refused(text: string | Uint8Array, wanted?: number): Promise<string> {
  const error = await thread(text, wanted).catch((failure) => failure)
  expect(error).toMatchObject({ name: 'Failure', kind: 'usage' })
  return error.message
}

const review = 'Looks good.\n\n> diff --git a/x b/x\n> --- a/x\n\nReviewed-by: B <b@example.org>\n'

describe('a series is found', () => {
  test('among its cover and the answers to it, in the order of the numbers', async () => {
    const text = [
      mail('[PATCH 0/3] the cover', { body: 'Why.\n\nbase-commit: 0123456789abcdef\n' }),
      mail('[PATCH 3/3] three'),
      mail('Re: [PATCH 1/3] one', { body: review }),
      mail('[PATCH 1/3] one'),
      // A reviewer's own idea, with a diff that would apply.
      mail('Re: [PATCH 3/3] three'),
      mail('[PATCH 2/3] two'),
    ]
    const found = await thread(text.join(''))
    expect(found.patches.map(({ subject }) => subject.title)).toEqual(['one', 'two', 'three'])
    expect(found).toMatchObject({ version: 1, notes: [], cover: { subject: { title: 'the cover' } } })
  })

  test('in its newest version, or in the one that is asked for', async () => {
    const text = [1, 2, 10].flatMap((version) => [
      mail(`[PATCH v${version} 1/2] one of ${version}`),
      mail(`[PATCH v${version} 2/2] two of ${version}`),
    ])
    expect(await titles(text.join(''))).toEqual(['one of 10', 'two of 10'])
    expect(await titles(text.join(''), 2)).toEqual(['one of 2', 'two of 2'])
    expect(await refused(text.join(''), 3)).toBe(
      '--series-version 3: thread has no version 3; it has: 10, 2, 1',
    )
  })

  test('in an older version when the newest is not whole, which is said', async () => {
    const text = ['[PATCH 1/2] a', '[PATCH 2/2] b', '[PATCH v2 2/3] c']
      .map((subject) => mail(subject))
      .join('')
    const { patches, notes } = await thread(text)
    expect(patches).toHaveLength(2)
    expect(notes).toEqual(['thread: version 1 is taken, as patches 1, 3 of 3 of version 2 are missing'])
    expect(await refused(text, 2)).toContain('patches 1, 3 of 3 of version 2 are missing')
  })

  test.each([
    ['[PATCH v2] x: [foo] bar', { version: 2, title: 'x: [foo] bar' }],
    ['[RFC PATCH V3 02/10] x', { version: 3, number: 2, total: 10 }],
    ['[PATCH 6.12 v4 1/2] x', { version: 4, number: 1, total: 2 }],
    ['[linux-next][PATCH 1/2 v5] x', { version: 5, number: 1, total: 2, title: 'x' }],
    ['[PATCH] no: 3/4 of it \u001b]0;title\u0007', { version: 1, title: 'no: 3/4 of it ]0;title' }],
    ['=?UTF-8?q?=5BPATCH_v2=5D_gr=C3=BCn?=', { version: 2, title: 'grün' }],
  ])('by the subject %j', async (subject, parsed) => {
    await writeFile(file(), mail(subject))
    expect((await readMailbox(file()))[0]?.subject).toMatchObject(parsed)
  })

  test('once, though two lists brought every mail', async () => {
    const one = mail('[PATCH 1/2] a', { id: 'same' })
    expect(await titles(one + mail('[PATCH 2/2] b') + one)).toEqual(['a', 'b'])
  })

  test('without numbers, in the order it lies in, but numbered patches go before those', async () => {
    const plain = await thread(mail('[PATCH] b') + mail('[PATCH] a', { body: `---\n${diffOf('y')}` }))
    expect(plain.patches.map(({ subject }) => subject.title)).toEqual(['b', 'a'])
    expect(plain.notes).toEqual([
      'thread: its 2 patches have no numbers and are taken in the order they lie in',
    ])
    const mixed = await thread(mail('[PATCH] stray') + mail('[PATCH 1/1] a'))
    expect(mixed.patches).toHaveLength(1)
    expect(mixed.notes).toEqual(["thread: left out, as they have no number: 'stray'"])
  })

  test('gzipped, with lines that end in CR LF, or with > before From', async () => {
    const text = mail('[PATCH] a', { body: `>From here on.\n---\n${diffOf('x')}` })
    expect((await thread(gzipSync(text))).patches[0]?.body).toMatch(/^From here on/)
    const windows = (await thread(text.replaceAll('\n', '\r\n'))).patches[0]
    expect(windows).toMatchObject({ crlf: true })
    expect(windows?.bytes.includes('\r')).toBe(false)
  })

  test('in quoted-printable and in base64, whose inner CR LF are taken off', async () => {
    const body = `grün\n---\n${diffOf('x', 'ä = 1', `ö = ${'2 + '.repeat(40)}0`)}`
    const encoded = (encoding: string, text: string) =>
      mail('[PATCH] a', {
        header: ['Content-Type: text/plain; charset=UTF-8', `Content-Transfer-Encoding: ${encoding}`],
        body: text,
      })
    const read = async (text: string) => {
      const [patch] = (await thread(text)).patches
      expect(patch?.diff.damage).toBeUndefined()
      return [
        patch?.crlf,
        Buffer.from(patch?.body ?? '', 'latin1')
          .toString()
          .trimEnd(),
      ]
    }
    expect(await read(encoded('quoted-printable', quotedPrintable(body)))).toEqual([false, body.trimEnd()])
    const base64 = (text: string) => Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n')
    expect(await read(encoded('base64', base64(body)))).toEqual([false, body.trimEnd()])
    expect(await read(encoded('base64', base64(body.replaceAll('\n', '\r\n'))))).toEqual([
      true,
      body.trimEnd(),
    ])
  })

  test('with the CRs that belong to a file, where only some lines have them', async () => {
    const [patch] = (await thread(mail('[PATCH] a', { body: `---\n${diffOf('x', 'a\r', 'b\r')}` }))).patches
    expect(patch).toMatchObject({ crlf: false, diff: { carriageReturns: 2 } })
  })
})

describe('refused with one clear message', () => {
  const of5 = (...numbers: number[]) => numbers.map((n) => mail(`[PATCH ${n}/5] patch ${n}`)).join('')
  test.each([
    ['an empty mailbox', '', 'thread is empty'],
    ['patch 3 of 5 missing', of5(0, 1, 2, 4, 5), 'thread: patch 3 of 5 is missing'],
    ['the end of a series missing', of5(0, 1, 2), 'thread: patches 3-5 of 5 are missing'],
    [
      'a number twice',
      `${of5(1, 2, 3, 4, 5)}${mail('[PATCH 2/5] another')}`,
      "patch 2 of 5 is there twice: 'patch 2' and 'another'",
    ],
    ['a number that is too high', `${of5(1, 2, 3, 4, 5, 6)}`, "there is a patch 6 of 5: 'patch 6'"],
    ['more patches than anybody sends', mail('[PATCH 1/2000] a'), 'it has 2000 patches; more than 1000'],
    ['answers only', mail('Re: [PATCH] a'), 'holds one mail, which is no patch'],
    [
      'talk only',
      mail('hello', { body: 'Hi' }) + mail('hi', { body: 'Hello' }),
      'holds 2 mails, and none is a patch',
    ],
    [
      'two series at once',
      ['[PATCH 1/1] a', '[PATCH 1/2] b', '[PATCH 2/2] c'].map((subject) => mail(subject)).join(''),
      'holds more than one series of version 1: one of 2 patches and one of 1 patches',
    ],
    [
      'a patch without a diff',
      mail('[PATCH 1/2] a') + mail('[PATCH 2/2] b', { body: 'see the attachment' }),
      "mail 2: patch 2 of 2, 'b', has no diff",
    ],
    [
      'a diff that is cut off',
      mail('[PATCH] a', { body: `---\n${diffOf('dir/x').replace('+b\n context\n', '')}` }),
      "patch 1 of 1, 'a', is cut off inside the hunk @@ -1,2 +1,2 @@ int f() of dir/x, in line 8",
    ],
    [
      'a line that a mailer wrapped',
      mail('[PATCH] a', { body: `---\n${diffOf('x', 'a', 'b\nwrapped')}` }),
      'line 8 of its text, "wrapped", cannot be in the hunk @@ -1,2 +1,2 @@ int f() of x; a mailer wrapped or cut a line',
    ],
    [
      'format=flowed that wrapped a line',
      mail('[PATCH] a', {
        header: ['Content-Type: text/plain; charset=utf-8; format=flowed'],
        body: `---\n${diffOf('x', 'a', 'b\nwrapped')}`,
      }),
      'it was sent as format=flowed',
    ],
    [
      'format=flowed that put blanks in front',
      mail('[PATCH] a', {
        header: ['Content-Type: text/plain;', '\tformat="flowed"'],
        body: `---\n${diffOf('x').replace(' context', '  context')}`,
      }),
      'every line of context has a second blank in front; it was sent as format=flowed',
    ],
    ['no mailbox', '\u007fELF and so on', 'is no mailbox: it begins neither with From nor'],
    ['gzip that is cut off', gzipSync(of5(1, 2, 3, 4, 5)).subarray(0, 200), 'the gzip data end too early'],
  ])('%s', async (_what, text, words) => {
    expect(await refused(text)).toContain(words)
  })

  test('a packed file that would not end', async () => {
    // 17 members of 16 MiB each.
    const member = gzipSync(Buffer.alloc(16 << 20))
    await writeFile(file(), Buffer.concat(Array.from({ length: 17 }, () => member)))
    await expect(readMailbox(file())).rejects.toThrow('unpacked, is too large: more than 256 MiB')
    expect((await readFile(file())).length).toBeLessThan(2 << 20)
  })

  test('format=flowed that did no harm is only noted', async () => {
    const header = ['Content-Type: text/plain; format=flowed']
    const { notes } = await thread(mail('[PATCH] a', { header }))
    expect(notes).toEqual([expect.stringContaining('may be damaged: it was sent as format=flowed')])
  })
})
