import { isMap, LineCounter, type Node, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { Failure } from '../failure.ts'

export interface Parsed<T> {
  value: T
  /** `file:line` of what a path of keys leads to, or of the nearest thing above it that is there. */
  where(path: readonly PropertyKey[]): string
}

/** A map with these keys and no others; a wrong one is told which there are. */
export function map<S extends z.ZodRawShape>(fields: S) {
  return z.strictObject(fields, { error: `expected ${Object.keys(fields).join(', ')}` })
}

/**
 * Reads YAML text and checks it against a schema.
 * @throws Failure('usage') that lists every problem as `file:line: key: what was expected`.
 */
export function parseYaml<S extends z.ZodType>(file: string, text: string, schema: S): Parsed<z.output<S>> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const refuse = (offset: number, message: string) => {
    throw new Failure('usage', `${file}:${lines.linePos(offset).line}: ${message}`, {
      remedy: 'mend the YAML there, or just above',
    })
  }
  const syntax = document.errors[0]
  if (syntax?.code === 'DUPLICATE_KEY') {
    const key = /^[\w."'-]+/.exec(text.slice(syntax.pos[0]))?.[0] ?? ''
    refuse(syntax.pos[0], `the key ${key} is there twice`)
  } else if (syntax) refuse(syntax.pos[0], syntax.message)
  const where = (path: readonly PropertyKey[]) => `${file}:${line(path)}`
  const line = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = position(document.contents, path.slice(0, length))
      if (offset !== undefined) return lines.linePos(offset).line
    }
    return 1
  }
  let content: unknown
  try {
    content = document.toJS()
  } catch (error) {
    // Aliases without an anchor, and those that would grow without end.
    const { message } = error as Error
    let offset = 0
    visit(document, {
      Alias: (_key, { source, range }) => {
        if (message.endsWith(`: ${source}`)) offset = range?.[0] ?? 0
      },
    })
    refuse(offset, message)
  }
  const result = schema.safeParse(content)
  if (result.success) return { value: result.data, where }
  const { issues } = result.error
  // What else is wrong with a map follows from a key of it that was misspelt.
  const misspelt = issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => path.join('.'))
  const problems = issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      // A schema may say what it expects instead.
      const instead = issue.message.startsWith('expected') ? `; ${issue.message}` : ''
      return issue.keys.map(
        (key) => `${where([...issue.path, key])}: unknown key ${[...issue.path, key].join('.')}${instead}`,
      )
    }
    if (issue.code === 'custom' && misspelt.includes(issue.path.join('.'))) return []
    const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message
    return [`${where(issue.path)}: ${issue.path.join('.') || 'the file'}: ${inWords(message)}`]
  })
  throw new Failure('usage', problems.join('\n'))
}

/** zod speaks of values of JavaScript. */
function inWords(message = ''): string {
  return message
    .replace(/^Invalid input: /, '')
    .replace(/expected (object|record)/, 'expected a map of keys and values')
    .replace(/, received undefined$/, '; it is missing')
    .replace(/, received null$/, '; it is empty')
}

/** Where the key (in a map) or the item (in a list) that `path` names begins in the text. */
function position(root: Node | null, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = root
  let offset: number | undefined
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === String(key))
      if (!pair) return undefined
      offset = (pair.key as Node).range?.[0]
      node = pair.value
    } else {
      node = (node as { items?: unknown[] } | null)?.items?.[Number(key)]
      if (!node) return undefined
      offset = (node as Node).range?.[0]
    }
  }
  return offset
}
