/**
 * What b4 does for a mailbox, where it is installed: the trailers that people gave in their answers are put into the
 * patches, and series that must come before it are fetched. https://b4.docs.kernel.org/en/latest/maintainer/am-shazam.html
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { gitEnvironment } from '../tree/git.ts'
import { keep, withoutFromLine } from './keep.ts'
import { type Mail, printable, readMail } from './mail.ts'
import type { Thread } from './thread.ts'

/** b4 has hung on name servers. Milliseconds. */
const patience = 120_000

const trailer = /^(Reviewed|Acked|Tested|Reported|Suggested|Signed-off|Co-developed)[\w-]*-by: \S/m

/**
 * The patches of a thread with the trailers of the answers to them. b4 is only let add these: where it gives other
 * patches, those of the mailbox are kept.
 * @param mails all those that the thread was found in
 * @returns with what was decided, a line each
 */
export async function withTrailers(
  name: string,
  { patches, version }: Pick<Thread, 'patches' | 'version'>,
  mails: readonly Mail[],
): Promise<{ patches: Mail[]; notes: string[] }> {
  const answers = mails.filter(({ subject, body }) => subject.reply && trailer.test(body)).length
  if (answers === 0) return { patches: [...patches], notes: [] }
  const without = (why: string) => ({
    patches: [...patches],
    notes: [`${name}: the trailers in answers (${answers}) are left out: ${why}`],
  })
  return withPrivateDirectory('copylab-b4-', async (directory) => {
    const maildir = join(directory, 'in')
    // A mailbox file would need its lines that begin with From quoted, in one of three ways.
    for (const part of ['cur', 'new', 'tmp']) await mkdir(join(maildir, part), { recursive: true })
    for (const [index, { bytes }] of mails.entries())
      await writeFile(join(maildir, 'new', `${String(index).padStart(6, '0')}`), withoutFromLine(bytes))
    const result = await am(directory, [`-v${version}`, '-m', maildir])
    if ('why' in result) return without(result.why)
    const read: Mail[] = []
    for (const [index, bytes] of result.mails.entries())
      read.push(await readMail(`${name}, patch ${index + 1} as b4 gives it`, bytes, directory))
    if (read.length !== patches.length || read.some((mail, index) => !isSamePatch(mail, patches[index])))
      return without('b4 gives other patches than the mailbox has')
    const origins = read.map((mail, index) => ({ ...mail, origin: patches[index]?.origin ?? mail.origin }))
    const added = origins.reduce(
      (sum, mail, index) => sum + (trailersOf(mail) - trailersOf(patches[index])),
      0,
    )
    return {
      patches: origins,
      notes: added ? [`${name}: trailers that b4 has added out of answers: ${added}`] : [],
    }
  })
}

/**
 * The file of a series that has to be applied first, by the message-id that a cover names it by. It is fetched once:
 * what has a message-id never changes.
 * @returns the path of a directory of patches, or why there is none, in a few words
 */
export async function fetchThread(messageId: string): Promise<{ path: string } | { why: string }> {
  let why = ''
  try {
    const directory = await keep(`b4 ${messageId}`, async (temporary) => {
      const result = await am(temporary, [messageId])
      if ('why' in result) {
        why = result.why
        throw new Error(why)
      }
      for (const [index, bytes] of result.mails.entries())
        await writeFile(join(temporary, `${String(index + 1).padStart(4, '0')}.patch`), bytes, {
          mode: 0o600,
        })
    })
    return { path: directory }
  } catch (error) {
    if (!why) throw error
    return { why }
  }
}

/** The message-ids after `prerequisite-message-id:`, as b4 writes them into a cover. */
export function prerequisites(mails: readonly Mail[]): string[] {
  const lines = mails.flatMap(({ body }) => [
    ...body.matchAll(/^prerequisite-message-id:[ \t]*<?([^\s<>@/-][^\s<>@/]*@[^\s<>@/]+)>?[ \t]*$/gm),
  ])
  return [...new Set(lines.map(([, id = '']) => id))]
}

/** Runs `b4 am` without colour, cache or questions, and returns what it says is to be applied, in order. */
async function am(directory: string, args: string[]): Promise<{ mails: Buffer[] } | { why: string }> {
  const out = join(directory, 'out')
  await mkdir(out)
  const words = ['am', '--no-cache', '--no-cover', '-M', '-o', out, '-n', 'series', ...args]
  const { exitCode, failed, code, timedOut, all } = await execa('b4', words, {
    // b4 is the user's own, and knows where the user's archive is; whom to trust is no question that a test has.
    env: {
      ...gitEnvironment({ asUser: true }),
      ...{ GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'b4.attestation-policy', GIT_CONFIG_VALUE_0: 'off' },
    },
    ...{ extendEnv: false, cwd: directory, stdin: 'ignore', all: true, reject: false, timeout: patience },
  })
  if (code === 'ENOENT') return { why: 'b4 is not installed' }
  if (timedOut) return { why: `b4 did not end within ${patience / 1000} s` }
  const last = printable(all.trim().split('\n').at(-1) ?? '')
  if (failed) return { why: `b4 ended with status ${exitCode}: ${last}` }
  const place = join(out, 'series.maildir', 'new')
  const names = await readdir(place).catch(() => [])
  if (names.length === 0) return { why: `b4 found no patches: ${last}` }
  // They begin with the patch's number.
  const mails = await Promise.all(names.sort().map((name) => readFile(join(place, name))))
  await rm(out, { recursive: true })
  return { mails }
}

function isSamePatch(mail: Mail, other: Mail | undefined): boolean {
  return mail.subject.title === other?.subject.title && changesOf(mail) === changesOf(other)
}

/** From the first diff to the signature. */
function changesOf({ body }: Mail): string {
  const begin = body.search(/^(diff --git|--- )/m)
  return body
    .slice(Math.max(begin, 0))
    .replace(/^-- \n[\s\S]*$/m, '')
    .trimEnd()
}

function trailersOf(mail: Mail | undefined): number {
  return mail?.body.match(new RegExp(trailer, 'gm'))?.length ?? 0
}
