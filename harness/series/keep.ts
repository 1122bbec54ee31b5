/** Patches that came in a mailbox or a repository, as files of the cache that `git am` and people can read. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory, publish } from '../cache/directory.ts'
import type { Mail } from './mail.ts'

/**
 * A directory of the cache that holds what `key` stands for, filled when it is not there yet.
 * @param fill gets an empty directory
 */
export async function keep(key: string, fill: (directory: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16)
  const directory = join(cacheDirectory(), 'series', hash)
  if (existsSync(directory)) return directory
  await publish(directory, async (temporary) => {
    await mkdir(temporary, { mode: 0o700 })
    await fill(temporary)
  })
  return directory
}

/** Writes mails as files, in order, and returns their paths. */
export async function keepMails(mails: readonly Mail[]): Promise<string[]> {
  const files = mails.map(({ bytes, subject }, index) => ({
    name: patchFileName(index + 1, subject.title),
    content: withoutFromLines(bytes),
  }))
  const hash = createHash('sha256')
  for (const { name, content } of files) hash.update(`${name} ${content.length}\n`).update(content)
  const directory = await keep(hash.digest('hex'), async (temporary) => {
    for (const { name, content } of files) await writeFile(join(temporary, name), content, { mode: 0o600 })
  })
  return files.map(({ name }) => join(directory, name))
}

/** As git format-patch names it, whatever the subject says: letters, digits, `.`, `_` and `-`, and no more than 63. */
export function patchFileName(number: number, title: string): string {
  const slug = title
    .replace(/[^\w.]+/g, '-')
    .replace(/\.+/g, '.')
    .replace(/^-/, '')
  const stem = `${String(number).padStart(4, '0')}-${slug}`.slice(0, 57).replace(/[.-]+$/, '')
  return `${stem}.patch`
}

/** Without the line that begins it in a mailbox. */
export function withoutFromLine(mail: Buffer): Buffer {
  return Buffer.from(mail.toString('latin1').replace(/^From .*\n/, ''), 'latin1')
}

/** So that git am does not take a line of the message for the beginning of the next mail. */
function withoutFromLines(mail: Buffer): Buffer {
  const text = withoutFromLine(mail).toString('latin1')
  return Buffer.from(text.replace(/^From (?=.*\d:\d\d)/gm, '>From '), 'latin1')
}
