/** One series out of what a user may name: a directory, a mailbox, a range of commits. */
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { Failure } from '../failure.ts'
import { readInput } from '../input.ts'
import { fetchThread, prerequisites, withTrailers } from './b4.ts'
import { trespass } from './diff.ts'
import { listedPatches, patchesOfAll, seriesFiles } from './folder.ts'
import { keepMails } from './keep.ts'
import { type Mail, readMail } from './mail.ts'
import { mailboxName, patchFiles, readMailbox } from './mailbox.ts'
import { blobPack, rangePatches } from './range.ts'
import { sourceOf } from './source.ts'
import { checkPatch, findThread, type Thread } from './thread.ts'

/** A directory has patches for other trees, maybe, but none for this one. */
export class NoSeriesForTree extends Failure {}

/** One of several series that are applied one upon the other. */
export interface Part {
  name: string
  label: string
  patches: { mail: Mail; path: string }[]
  /** Where a profile is looked for, in this order. */
  profiles: string[]
  /** Names of the patches that a profile may speak of beside these. */
  everywhere: () => Promise<string[]>
  notes: string[]
  madeOn?: string | undefined
  packs: string[]
}

export type ReadPart = (spec: string, label: string, version: number | undefined) => Promise<Part>

/**
 * loadPart() that reads each series only once, though it is asked for it for many trees: what it has for a tree of its
 * own is another one.
 */
export function rememberingLoadPart(): ReadPart {
  const known = new Map<string, Promise<Part>>()
  return (spec, label, version) => {
    const own = seriesFiles(spec, label).find((file) => existsSync(file))
    const key = JSON.stringify([spec, own, version])
    const part = known.get(key) ?? loadPart(spec, label, version)
    known.set(key, part)
    return part
  }
}

/**
 * @param fetched message-ids of the series that have been fetched, since this one or another one needs them
 * @throws Failure('usage') when there is no such series, or it is not whole and sound.
 */
export async function loadPart(
  spec: string,
  label: string,
  version: number | undefined,
  fetched = new Set<string>(),
): Promise<Part> {
  const part = await readPart(spec, label, version, fetched)
  for (const { mail } of part.patches) {
    const wrong = trespass(mail.diff)
    if (wrong)
      throw new Failure('usage', `${mail.origin}: '${mail.subject.title}' ${wrong}: it is not applied`, {
        remedy: 'leave the patch out; ask whoever sent it what it is for',
      })
  }
  return part
}

async function readPart(
  spec: string,
  label: string,
  version: number | undefined,
  fetched: Set<string>,
): Promise<Part> {
  const source = sourceOf(spec)
  const { path } = source
  const nothing = async () => []
  if (source.kind === 'range') {
    const paths = await rangePatches(source)
    const short = (commit: string) => (/^[0-9a-f]{40,}$/.test(commit) ? commit.slice(0, 12) : commit)
    const name = `${basename(path)}:${short(source.from)}..${short(source.to)}`
    const mails = await readPatches(paths.map((patch) => ({ path: patch, where: patch })))
    const patches = mails.map((mail, index) => ({ mail, path: paths[index] ?? '' }))
    const packs = [join(dirname(paths[0] ?? ''), blobPack)]
    return { name, label: name, patches, profiles: [], everywhere: nothing, notes: [], packs }
  }
  if (source.kind === 'directory') {
    const listed = await listedPatches(path, label)
    if (listed) {
      const read = await readPatches(listed.patches)
      const notes = lineEnds(path, read)
      return {
        ...{ name: basename(path), label: basename(path), notes, packs: [] },
        patches: await placed(read, notes.length ? undefined : listed.patches),
        profiles: [join(path, 'profile.yaml')],
        everywhere: () => patchesOfAll(path),
      }
    }
  }
  const files = source.kind === 'file' ? [path] : await patchFiles(path)
  if (files.length === 0) {
    const [first = '', second] = seriesFiles(path, label)
    throw new NoSeriesForTree(
      'usage',
      `${path} has no series for the tree ${label}: neither ${first} nor ${second}, nor patch files`,
      { remedy: `write the patches' names, in order, to ${first}, or use --series none` },
    )
  }
  const mails: Mail[] = []
  for (const file of files) mails.push(...(await readMailbox(file)))
  const thread = findThread(path, mails, version)
  const before = await needed(path, thread, label, fetched)
  const own = await withTrailers(path, thread, mails)
  const name = mailboxName(path)
  return {
    ...{ name: thread.version > 1 ? `${name} v${thread.version}` : name, packs: [] },
    notes: [...before.notes, ...thread.notes, ...own.notes, ...lineEnds(path, own.patches)],
    label: thread.version > 1 ? `${name}-v${thread.version}` : name,
    patches: [...before.patches, ...(await placed(own.patches))],
    profiles:
      source.kind === 'file' ? [join(dirname(path), `${name}.profile.yaml`)] : [join(path, 'profile.yaml')],
    everywhere: nothing,
    madeOn: baseOf([...(thread.cover ? [thread.cover] : []), ...thread.patches]),
  }
}

/** The series that must be applied before this one, as its cover says, and those that these need. */
async function needed(
  path: string,
  { cover, patches }: Thread,
  label: string,
  fetched: Set<string>,
): Promise<Pick<Part, 'patches' | 'notes'>> {
  const parts: Pick<Part, 'patches' | 'notes'>[] = []
  for (const id of prerequisites([...(cover ? [cover] : []), ...patches])) {
    if (fetched.has(id)) continue
    fetched.add(id)
    const found = await fetchThread(id)
    if ('why' in found) {
      const remedy = 'save it and give it with a --series of its own before this one'
      parts.push({ patches: [], notes: [`${path} needs the series ${id}: ${found.why}; ${remedy}`] })
      continue
    }
    const part = await loadPart(found.path, label, undefined, fetched)
    const count = `${part.patches.length} ${part.patches.length === 1 ? 'patch' : 'patches'}`
    parts.push(part, {
      patches: [],
      notes: [`${path} needs the series ${id}, which comes first with ${count}`],
    })
  }
  return { patches: parts.flatMap((part) => part.patches), notes: parts.flatMap((part) => part.notes) }
}

/** With the files that git am reads: those that were given, or copies in the cache. */
async function placed(mails: Mail[], files?: readonly { path: string }[]): Promise<Part['patches']> {
  const paths = files?.map(({ path }) => path) ?? (await keepMails(mails))
  return mails.map((mail, index) => ({ mail, path: paths[index] ?? '' }))
}

function lineEnds(path: string, mails: Mail[]): string[] {
  const count = mails.filter(({ crlf }) => crlf).length
  if (count === 0) return []
  return [
    `${path}: the lines of ${count} of ${mails.length} patches end in CR LF, as a Windows mailer leaves them; taken as LF`,
  ]
}

/** Files of one patch each. */
async function readPatches(files: readonly { path: string; where: string }[]): Promise<Mail[]> {
  return withPrivateDirectory('copylab-mail-', async (directory) => {
    const read: Mail[] = []
    for (const [index, { path, where }] of files.entries()) {
      const bytes = (await readInput(path)) ?? Buffer.alloc(0)
      checkMail(bytes, path, where)
      const mail = await readMail(where === path ? path : `${where}: ${basename(path)}`, bytes, directory)
      checkPatch(mail, index + 1, files.length)
      read.push(mail)
    }
    return read
  })
}

/** Checks that a file is one mail, as git format-patch writes them. */
function checkMail(bytes: Buffer, path: string, where: string): void {
  const name = basename(path)
  const text = bytes.toString('latin1')
  const mails = text.match(/^From [0-9a-f]{40} /gm)?.length ?? 0
  if (mails > 1) {
    throw new Failure('usage', `${where}: ${name} holds ${mails} mails; expected one patch a file`, {
      remedy: `git mailsplit -o DIRECTORY ${name}`,
    })
  }
  const header = text.split(/\r?\n\r?\n/, 1)[0] ?? ''
  if (/^From: /im.test(header) && /^Subject: /im.test(header)) return
  const what = `${where}: ${name} is no patch mail: From: or Subject: is missing at its top`
  throw new Failure('usage', what, { remedy: 'make it with git format-patch' })
}

/** From the lines that `git format-patch --base` and b4 append to the cover or to the first patch. */
function baseOf(mails: Mail[]): string | undefined {
  const said = mails.map(({ body }) => body).find((body) => /^base-commit: [0-9a-f]{12,}/m.test(body))
  const commit = /^base-commit: ([0-9a-f]{12})/m.exec(said ?? '')?.[1]
  if (said === undefined || commit === undefined) return undefined
  const others = said.match(/^prerequisite-(patch|change)-id: /gm)?.length ?? 0
  const more = others
    ? ` and ${others} other ${others === 1 ? 'patch' : 'patches'} that must come before it`
    : ''
  return `the series says that it was made on commit ${commit}${more}`
}
