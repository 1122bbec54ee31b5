/** One mail of a mailbox: what its subject says, and the text that git would take from it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { gitCommand, gitEnvironment } from '../tree/git.ts'
import { type Diff, parseDiff, utf8 } from './diff.ts'

export interface Mail {
  /** For messages: the file, and which mail of it. */
  origin: string
  bytes: Buffer
  subject: Subject
  messageId: string | undefined
  /** The decoded text after the header, a character a byte (latin1): patches need not be UTF-8. */
  body: string
  diff: Diff
  /** Content-Type says format=flowed (RFC 3676): a mailer was free to wrap lines and to put blanks before them. */
  flowed: boolean
  /** Content-Type says that it is HTML. */
  html: boolean
  /** All its lines ended in CR LF, which `bytes` and `body` no longer have. */
  crlf: boolean
}

export interface Subject {
  /** Without `[PATCH …]`, and without control characters. */
  title: string
  /** An answer to a mail, or a mail passed on. */
  reply: boolean
  /** Of `[PATCH v3 2/5]`, 3; 1 when there is none. */
  version: number
  /** Of `[PATCH v3 2/5]`, 2 and 5. */
  number?: number
  total?: number
}

/** Reads `Subject:` as it stands in a mail, with all its prefixes. */
export function parseSubject(text: string): Subject {
  const clean = printable(text)
  const reply = /^\s*((re|fwd?|aw|sv|vs|antw|wg)(\[\d+\])?:|\(fwd\))/i.test(clean)
  const [, prefixes = '', title = ''] = /^((?:\s*\[[^\]]*\])*)\s*(.*)$/.exec(clean) ?? []
  const version = /\bv(\d{1,4})\b/i.exec(prefixes)?.[1]
  const [, number, total] = /\b(\d{1,4})\/(\d{1,4})\b/.exec(prefixes) ?? []
  return {
    ...{ title, reply, version: version === undefined ? 1 : Number(version) },
    ...(total === undefined ? {} : { number: Number(number), total: Number(total) }),
  }
}

/** Without what a terminal would take for a command: mails come from anybody. */
export function printable(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, '')
    .trim()
}

/**
 * Reads a mail as `git am` would, whose own decoder is asked where anything is encoded.
 * @param directory an existing private one, for git's output
 */
export async function readMail(origin: string, bytes: Buffer, directory: string): Promise<Mail> {
  const raw = withoutCarriageReturns(bytes)
  const text = raw.toString('latin1')
  const { header, body } = split(text)
  const encoded =
    /^(content-transfer-encoding:\s*(quoted-printable|base64)|content-type:\s*multipart)/im.test(header) ||
    /^(subject|from):.*=\?/im.test(header)
  const decoded = encoded ? await decode(raw, directory) : undefined
  const type = field(header, 'content-type') ?? ''
  const mail = {
    ...{ origin, bytes: raw, messageId: field(header, 'message-id')?.trim() },
    subject: parseSubject(decoded?.subject ?? utf8(field(header, 'subject') ?? '')),
    body: decoded?.body ?? body,
    flowed: /format\s*=\s*"?flowed/i.test(type),
    html: /^\s*text\/html/i.test(type),
  }
  // Line ends of a Windows mailer inside an encoded body; git am would leave them in and then not apply.
  const windows = mail.body.includes('\r\n') && !/[^\r]\n/.test(mail.body)
  if (!windows) return { ...mail, crlf: raw !== bytes, diff: parseDiff(mail.body) }
  const unixBody = mail.body.replaceAll('\r\n', '\n')
  return { ...mail, crlf: true, body: unixBody, bytes: compose(header, unixBody), diff: parseDiff(unixBody) }
}

/** A mail all of whose lines end in CR LF: as it came over the wire. One that mixes them has the CRs in its content. */
function withoutCarriageReturns(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  if (!text.includes('\r\n') || /(^|[^\r])\n/.test(text)) return bytes
  return Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1')
}

/** The header and the text after the first empty line. */
function split(text: string): { header: string; body: string } {
  const end = text.search(/\r?\n\r?\n/)
  if (end < 0) return { header: text, body: '' }
  return { header: text.slice(0, end), body: text.slice(end).replace(/^\r?\n\r?\n/, '') }
}

/** The value of a header field, unfolded. */
function field(header: string, name: string): string | undefined {
  const found = new RegExp(`^${name}:[ \\t]*(.*(?:\\r?\\n[ \\t].*)*)`, 'im').exec(header)
  return found?.[1]?.replace(/\r?\n(?=[ \t])/g, '')
}

async function decode(mail: Buffer, directory: string): Promise<{ subject: string; body: string }> {
  const args = ['mailinfo', '-k', '--encoding=UTF-8', '--quoted-cr=nowarn', 'message', 'patch']
  const { stdout } = await execa(...gitCommand(directory, args), {
    env: gitEnvironment(),
    extendEnv: false,
    input: mail,
    reject: false,
  })
  const [message, patch] = await Promise.all(
    ['message', 'patch'].map((name) => readFile(join(directory, name), 'latin1').catch(() => '')),
  )
  return { subject: /^Subject: (.*)$/m.exec(stdout)?.[1] ?? '', body: `${message}${patch}` }
}

/** The same mail with a body that is not encoded. */
function compose(header: string, body: string): Buffer {
  const kept = ['from', 'date', 'subject', 'message-id'].flatMap((name) => {
    const value = field(header, name)
    return value === undefined ? [] : [`${name[0]?.toUpperCase()}${name.slice(1)}: ${value}`]
  })
  const type = [
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=UTF-8',
    'Content-Transfer-Encoding: 8bit',
  ]
  return Buffer.concat([
    Buffer.from(`${[...kept, ...type].join('\n')}\n\n`, 'latin1'),
    Buffer.from(body, 'latin1'),
  ])
}
