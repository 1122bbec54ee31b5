/** Files with mails in them: one patch, or a mailbox as a mail archive saves it. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { Failure } from '../failure.ts'
import { readInput } from '../input.ts'
import { tryGit } from '../tree/git.ts'
import { type Mail, readMail } from './mail.ts'

/** Bytes: of a whole mailbox, unpacked, and of one mail. A patch that adds a large header of registers has some MB. */
const mostBytes = 256 << 20
const mostMailBytes = 32 << 20

/** The files of a folder without a file `series` that may hold patches. */
const patchFile = /\.(patch|eml|mbox|mbx)(\.gz)?$/i

/** The patch files of a folder, in the order of their names. */
export async function patchFiles(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => patchFile.test(name))
  const order = new Intl.Collator('en', { numeric: true })
  return names.sort(order.compare).map((name) => join(directory, name))
}

/**
 * The mails of a file, which may be gzipped.
 * @throws Failure('usage') when it cannot be read, is cut off or too large
 */
export async function readMailbox(file: string): Promise<Mail[]> {
  const content = await readBytes(file)
  if (content.toString('latin1').trim() === '') return []
  if (!/^(From |[\w-]+:)/.test(content.subarray(0, 200).toString('latin1').trimStart())) {
    throw new Failure(
      'usage',
      `${file} is no mailbox: it begins neither with From nor with a mail's header`,
      {
        remedy: 'save the mails with their headers, or make them with git format-patch',
      },
    )
  }
  return withPrivateDirectory('copylab-mail-', async (directory) => {
    const places = await splitMails(file, content, directory)
    const mails: Mail[] = []
    for (const [index, place] of places.entries()) {
      const { size } = await stat(place)
      const origin = places.length > 1 ? `${file}, mail ${index + 1}` : file
      if (size > mostMailBytes) throw tooLarge(origin, size, mostMailBytes)
      mails.push(await readMail(origin, await readFile(place), directory))
    }
    return mails
  })
}

async function splitMails(file: string, content: Buffer, directory: string): Promise<string[]> {
  const whole = join(directory, 'mailbox')
  await writeFile(whole, content, { mode: 0o600 })
  // public-inbox marks its mailboxes so; in those, every line of a mail that begins with From has a > before it.
  const quoting = content.subarray(0, 20).toString('latin1').startsWith('From mboxrd@z') ? ['--mboxrd'] : []
  const args = ['mailsplit', '-b', '-d6', '--keep-cr', ...quoting, `-o${directory}`, whole]
  const { status, stderr } = await tryGit(directory, args)
  if (status !== 0) {
    throw new Failure('usage', `git cannot split ${file} into mails: ${stderr.trim()}`, {
      remedy: 'save the mails again, each with its header',
    })
  }
  const names = (await readdir(directory)).filter((name) => /^\d{6}$/.test(name))
  return names.sort().map((name) => join(directory, name))
}

/** The bytes of a file, unpacked when they are those of gzip. */
async function readBytes(file: string): Promise<Buffer> {
  const { size } = await stat(file)
  if (size > mostBytes) throw tooLarge(file, size, mostBytes)
  const content = (await readInput(file)) ?? Buffer.alloc(0)
  if (content[0] !== 0x1f || content[1] !== 0x8b) return content
  try {
    return await promisify(gunzip)(content, { maxOutputLength: mostBytes })
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(`${file}, unpacked,`, undefined, mostBytes)
    const what = code === 'Z_BUF_ERROR' ? 'is cut off: the gzip data end too early' : `is damaged: ${message}`
    throw new Failure('usage', `${file} ${what}`, { remedy: 'save or fetch it again', cause })
  }
}

function tooLarge(what: string, bytes: number | undefined, most: number): Failure {
  const size = bytes === undefined ? '' : ` (${Math.ceil(bytes / 2 ** 20)} MiB)`
  return new Failure(
    'usage',
    `${what} is too large${size}: more than ${most / 2 ** 20} MiB are not read as patches`,
    {
      remedy: 'save the one thread that you want to test',
    },
  )
}

/** The name of a mailbox without what its kind adds: `v3_copy.mbox.gz` is `v3_copy`. */
export function mailboxName(file: string): string {
  return (
    basename(file)
      .replace(/\.gz$/i, '')
      .replace(/\.(mbox|mbx|eml|patch)$/i, '') || basename(file)
  )
}
