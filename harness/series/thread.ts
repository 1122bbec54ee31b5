/** Which mails of a mailbox are the series: pure, so that every odd thread can be a test. */
import { Failure } from '../failure.ts'
import type { Mail } from './mail.ts'

/** At most so many patches in a series: more is a mistake, or an attack. */
const mostPatches = 1000

export interface Thread {
  /** In the order in which they are applied. */
  patches: Mail[]
  cover: Mail | undefined
  version: number
  /** What was decided that somebody may want to know, a line each. */
  notes: string[]
}

/** Patches of one version that number themselves to the same total; 0: those without a number. */
interface Candidate {
  version: number
  total: number
  patches: Mail[]
  cover: Mail | undefined
  /** Why it cannot be the series. */
  lack?: Lack
}

interface Lack {
  what: string
  remedy: string
}

/**
 * Finds the series in the mails of a mailbox or of a folder: replies and covers are left out, patches put in the order of
 * their numbers. Of several versions the newest whole one is taken, or the one that is asked for.
 * @param name of the mailbox, for messages
 * @throws Failure('usage') when there is none, it is not whole, or a patch is damaged
 */
export function findThread(name: string, mails: Mail[], wanted?: number): Thread {
  if (mails.length === 0) {
    throw new Failure('usage', `${name} is empty`, { remedy: 'save the mails again, each with its header' })
  }
  const own = mails.filter(({ subject }) => !subject.reply)
  const candidates = candidatesOf(own).sort((a, b) => b.version - a.version || b.total - a.total)
  if (candidates.length === 0) {
    const html = mails.some((mail) => mail.html) ? ' (HTML is not read)' : ''
    const what =
      mails.length === 1 ? 'one mail, which is no patch' : `${mails.length} mails, and none is a patch`
    throw new Failure('usage', `${name} holds ${what}${html}`, {
      remedy: 'expected mails as git format-patch or git send-email makes them',
    })
  }
  const versions = [...new Set(candidates.map(({ version }) => version))]
  if (wanted !== undefined && !versions.includes(wanted)) {
    const known = versions.join(', ')
    throw new Failure(
      'usage',
      `--series-version ${wanted}: ${name} has no version ${wanted}; it has: ${known}`,
      { remedy: 'name one of these, or leave the option out for the newest whole one' },
    )
  }
  const open = candidates.filter(({ version }) => wanted === undefined || version === wanted)
  const newest = open.find(({ lack }) => lack === undefined)
  if (!newest) {
    const [first] = open
    const { what = '', remedy = '' } = first?.lack ?? {}
    const others = versions.length > 1 ? ', or choose another one of its versions with --series-version' : ''
    throw new Failure('usage', `${name}: ${what}`, { remedy: `${remedy}${others}` })
  }
  const rivals = open.filter(
    ({ version, total, lack }) => version === newest.version && total > 0 && total !== newest.total && !lack,
  )
  if (rivals.length) {
    const totals = [newest, ...rivals].map(({ total }) => `of ${total} patches`).join(' and one ')
    throw new Failure(
      'usage',
      `${name} holds more than one series of version ${newest.version}: one ${totals}`,
      {
        remedy: 'save the thread of one series to a file of its own',
      },
    )
  }
  const { patches, cover, version, total } = newest
  const notes = open
    .filter((one) => one.version > version)
    .map((one) => `${name}: version ${version} is taken, as ${one.lack?.what}`)
  const loose = open.find((one) => one.version === version && one.total === 0 && one !== newest)
  if (loose) notes.push(`${name}: left out, as they have no number: ${loose.patches.map(titleOf).join(', ')}`)
  if (total === 0 && patches.length > 1)
    notes.push(
      `${name}: its ${patches.length} patches have no numbers and are taken in the order they lie in`,
    )
  for (const patch of patches) notes.push(...checkPatch(patch, patches.indexOf(patch) + 1, patches.length))
  return { patches, cover, version, notes }
}

function candidatesOf(mails: Mail[]): Candidate[] {
  const groups = new Map<string, Mail[]>()
  for (const mail of mails) {
    const { version, total } = mail.subject
    if (total === undefined && mail.diff.files.length === 0) continue
    const key = `${version} ${total ?? 0}`
    groups.set(key, [...(groups.get(key) ?? []), mail])
  }
  return [...groups.values()].flatMap((group) => {
    const { version = 1, total = 0 } = group[0]?.subject ?? {}
    // The same mail may have come by several lists.
    const unique = group.filter((mail, index) => !group.slice(0, index).some((other) => isSame(mail, other)))
    const cover = unique.find(({ subject, diff }) => subject.number === 0 && diff.files.length === 0)
    const patches = unique.filter(({ subject }) => subject.number !== 0)
    if (patches.length === 0 && total === 0) return []
    patches.sort((a, b) => (a.subject.number ?? 0) - (b.subject.number ?? 0))
    const lack = total === 0 ? tooMany(patches.length) : lackOf(version, total, patches)
    return [{ version, total, patches, cover, ...(lack === undefined ? {} : { lack }) }]
  })
}

function isSame(a: Mail, b: Mail): boolean {
  if (a.messageId !== undefined && a.messageId === b.messageId) return true
  return a.subject.number === b.subject.number && a.body === b.body && a.subject.title === b.subject.title
}

/** Why numbered patches are no whole series. */
function lackOf(version: number, total: number, patches: Mail[]): Lack | undefined {
  if (tooMany(total)) return tooMany(total)
  const of = version > 1 ? `of version ${version} ` : ''
  const at = (number: number) => patches.filter(({ subject }) => subject.number === number)
  for (let number = 1; number <= total; number += 1) {
    const [first, second] = at(number)
    if (!first || !second) continue
    const what = `patch ${number} of ${total} ${of}is there twice: ${titleOf(first)} and ${titleOf(second)}`
    return { what, remedy: 'take the wrong one out' }
  }
  const missing = Array.from({ length: total }, (_, index) => index + 1).filter(
    (number) => !at(number).length,
  )
  const remedy = 'save the whole thread'
  if (missing.length === 1) return { what: `patch ${missing[0]} of ${total} ${of}is missing`, remedy }
  if (missing.length) return { what: `patches ${ranges(missing)} of ${total} ${of}are missing`, remedy }
  const stray = patches.find(({ subject }) => (subject.number ?? 0) > total)
  if (!stray) return undefined
  const what = `there is a patch ${stray.subject.number} of ${total}: ${titleOf(stray)}`
  return { what, remedy: 'mend its subject, or take it out' }
}

function tooMany(count: number): Lack | undefined {
  if (count <= mostPatches) return undefined
  const what = `it has ${count} patches; more than ${mostPatches} are not taken`
  return { what, remedy: 'save the one thread that you want to test' }
}

/** `1-3, 5`. */
function ranges(numbers: number[]): string {
  const runs: [number, number][] = []
  for (const number of numbers) {
    const last = runs.at(-1)
    if (last && last[1] === number - 1) last[1] = number
    else runs.push([number, number])
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}

/**
 * Refuses a mail that holds no patch, or one that a mailer damaged.
 * @returns what is odd about it, a line each
 */
export function checkPatch(mail: Mail, number: number, total: number): string[] {
  const { origin, diff, flowed } = mail
  const which = `${origin}: patch ${number} of ${total}, ${titleOf(mail)},`
  const attach = 'send it with git send-email, or attach what git format-patch wrote'
  if (diff.files.length === 0) {
    const why = mail.html ? ': it was sent as HTML' : ''
    throw new Failure('usage', `${which} has no diff${why}`, { remedy: attach })
  }
  const { damage } = diff
  if (damage?.kind === 'cut') {
    const place = `inside the hunk ${damage.hunk} of ${damage.path}, in line ${damage.line} of its text`
    throw new Failure('usage', `${which} is cut off ${place}`, { remedy: 'save or fetch it again' })
  }
  const sent = flowed
    ? 'it was sent as format=flowed, which lets mailers change blanks and line ends'
    : undefined
  if (damage) {
    const line = JSON.stringify(damage.text.slice(0, 60))
    const why = sent ?? 'a mailer wrapped or cut a line'
    throw new Failure(
      'usage',
      `${which} is damaged: line ${damage.line} of its text, ${line}, cannot be in the hunk ${damage.hunk} of ${damage.path}; ${why}`,
      { remedy: attach },
    )
  }
  // RFC 3676, 4.4: a line that begins with a blank gets another one; in a diff those are the lines of context.
  if (flowed && diff.context > 0 && diff.stuffed === diff.context)
    throw new Failure(
      'usage',
      `${which} is damaged: every line of context has a second blank in front; ${sent}`,
      {
        remedy: attach,
      },
    )
  return flowed ? [`${which} may be damaged: ${sent}`] : []
}

function titleOf({ subject }: Mail): string {
  return `'${subject.title}'`
}
