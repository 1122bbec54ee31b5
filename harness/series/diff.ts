/** Reads unified diffs, as far as it takes to say what is wrong with one before git is let at a tree with it. */
import { posix } from 'node:path'

export interface Hunk {
  /** `@@ -12,7 +12,9 @@ name()`. */
  header: string
  /** Line of the text that was given, from 1. */
  line: number
}

export interface FileDiff {
  /** Without `a/` and `b/`: the names before and after, of which one may be missing. */
  paths: string[]
  /** The file's mode after it, when the diff says one: `120000` is a symbolic link. */
  mode?: string
  hunks: Hunk[]
  /** The file is not there before it. */
  created: boolean
  /** The lines that it takes away and those that it adds, joined. */
  removed: string
  added: string
}

export interface Diff {
  files: FileDiff[]
  /** Lines of context, of which `stuffed` begin with two blanks. */
  context: number
  stuffed: number
  /** Lines of the hunks that end in CR. */
  carriageReturns: number
  damage?: Damage
}

export interface Damage {
  /** `cut`: the text ends inside a hunk; `wrapped`: a line inside a hunk is none of a diff. */
  kind: 'cut' | 'wrapped'
  path: string
  hunk: string
  /** Line of the text that was given, from 1, and what it says. */
  line: number
  text: string
}

/** @param text a character a byte (latin1) */
export function parseDiff(text: string): Diff {
  const lines = text.split('\n')
  const diff: Diff = { files: [], context: 0, stuffed: 0, carriageReturns: 0 }
  let file: FileDiff | undefined
  // A plain diff has only --- and +++, a git one may have none of them.
  let hasGitHeader = false
  for (let index = 0; index < lines.length; index += 1) {
    const line = (lines[index] ?? '').replace(/\r$/, '')
    const git = /^diff --git (.+)$/.exec(line)?.[1]
    if (git !== undefined) {
      file = { paths: gitPaths(git), hunks: [], created: false, removed: '', added: '' }
      diff.files.push(file)
      hasGitHeader = true
      continue
    }
    if (line.startsWith('--- ') && lines[index + 1]?.startsWith('+++ ')) {
      if (!hasGitHeader || !file || file.hunks.length) {
        file = { paths: [], hunks: [], created: false, removed: '', added: '' }
        diff.files.push(file)
      }
      const named = [line, lines[index + 1] ?? ''].map((one) => namedPath(one.slice(4)))
      file.paths = named.filter((path) => path !== undefined)
      file.created ||= named[0] === undefined
      hasGitHeader = false
      index += 1
      continue
    }
    if (!file) continue
    const mode = /^(?:new file mode|new mode) (\d+)/.exec(line)?.[1] ?? /^index .* (\d{6})$/.exec(line)?.[1]
    if (mode !== undefined) file.mode = mode
    if (line.startsWith('new file mode ')) file.created = true
    const moved = /^(?:rename|copy) (?:from|to) (.+)$/.exec(line)?.[1]
    if (moved !== undefined) file.paths.push(utf8(unquote(moved)))
    if (/^@@ -\d+(,\d+)? \+\d+(,\d+)? @@/.test(line)) {
      index = readHunk(lines, index, file, diff)
      if (diff.damage) return diff
    }
  }
  return diff
}

/** @returns the index of the hunk's last line. */
function readHunk(lines: string[], start: number, file: FileDiff, diff: Diff): number {
  const header = (lines[start] ?? '').trimEnd()
  const [, before = '1', after = '1'] = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(header) ?? []
  let [old, now] = [Number(before), Number(after)]
  file.hunks.push({ header, line: start + 1 })
  let index = start
  while (old > 0 || now > 0) {
    index += 1
    const line = lines[index]
    const last = index >= lines.length - 1 && !line
    const first = line === undefined || last ? undefined : (line[0] ?? ' ')
    if (first === '-') {
      old -= 1
      file.removed += `${line?.slice(1)}\n`
    } else if (first === '+') {
      now -= 1
      file.added += `${line?.slice(1)}\n`
    } else if (first === ' ' || first === '\r') {
      old -= 1
      now -= 1
      if (line?.trim()) {
        diff.context += 1
        if (line.startsWith('  ')) diff.stuffed += 1
      }
    } else if (first !== '\\') {
      const kind = isEnd(lines, index) ? 'cut' : 'wrapped'
      diff.damage = {
        kind,
        path: file.paths.at(-1) ?? '?',
        hunk: header,
        line: index + 1,
        text: utf8(line ?? ''),
      }
      return index
    }
    if (line?.endsWith('\r')) diff.carriageReturns += 1
  }
  return index
}

/** From a character a byte to text. */
export function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

/** Nothing but the signature that git or a mailing list appends. */
function isEnd(lines: string[], index: number): boolean {
  const rest = lines.slice(index).join('\n')
  return rest.trim() === '' || /^-- ?\n/.test(rest)
}

/** The two names of `diff --git a/X b/X`; one with a blank in it is cut where the halves are the same. */
function gitPaths(text: string): string[] {
  if (text.startsWith('"'))
    return [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([quoted]) => strip(unquote(quoted)))
  const half = (text.length - 1) / 2
  const [first, second] = [text.slice(0, half), text.slice(half + 1)]
  if (Number.isInteger(half) && text[half] === ' ' && strip(first) === strip(second)) return [strip(second)]
  const at = text.indexOf(' b/')
  return at < 0 ? [strip(text)] : [strip(text.slice(0, at)), strip(text.slice(at + 1))]
}

function namedPath(text: string): string | undefined {
  // A date may follow a tab, as diff(1) writes it.
  const name = unquote(text.replace(/\r$/, '').replace(/\t.*$/, ''))
  return name === '/dev/null' ? undefined : strip(name)
}

/** As -p1 does. */
function strip(name: string): string {
  return utf8(name.replace(/^[^/]*\//, ''))
}

/** git's C-style quotes. */
function unquote(name: string): string {
  if (!name.startsWith('"')) return name
  return name
    .slice(1, -1)
    .replace(/\\([0-7]{3}|.)/g, (_all, escaped: string) =>
      /^[0-7]{3}$/.test(escaped)
        ? String.fromCharCode(Number.parseInt(escaped, 8))
        : ({ n: '\n', t: '\t', r: '\r' }[escaped] ?? escaped),
    )
}

/** Why a diff must not be applied, whatever the tree: it reaches out of it, or into git's own files. */
export function trespass({ files }: Diff): string | undefined {
  for (const { paths, mode, added } of files) {
    for (const path of paths) {
      const shown = JSON.stringify(path)
      const parts = path.split('/')
      if (path.startsWith('/')) return `writes to the absolute path ${shown}`
      if (parts.includes('..')) return `writes to ${shown}, outside of the tree`
      // As git names them: also NTFS's short name, and with characters that HFS+ ignores.
      if (parts.some((part) => /^(\.git|git~1)$/i.test(part.replace(/[\p{Cf}. ]+$|\p{Cf}/gu, ''))))
        return `writes to ${shown}, which is git's own`
      if (/\p{Cc}/u.test(path)) return `writes to ${shown}, a name with control characters`
    }
    const path = paths.at(-1) ?? ''
    if (mode === '160000') return `makes ${JSON.stringify(path)} a submodule, whose content is elsewhere`
    if (mode === '120000') {
      const target = added.split('\n', 1)[0] ?? ''
      const place = posix.normalize(posix.join(posix.dirname(path), target))
      if (target.startsWith('/') || place === '..' || place.startsWith('../'))
        return `makes ${JSON.stringify(path)} a symbolic link to ${JSON.stringify(target)}, outside of the tree`
    }
  }
  return undefined
}
