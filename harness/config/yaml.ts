import { isMap, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'
import { Failure } from '../failure.ts'

export interface Parsed<T> {
  value: T
  /** `file:line` of what a path of keys leads to, or of the nearest thing above it that is there. */
  where(path: readonly PropertyKey[]): string
}

/**
 * Reads YAML text and checks it against a schema.
 * @throws Failure('usage') that lists every problem as `file:line: key: what was expected`.
 */
export function parseYaml<S extends z.ZodType>(file: string, text: string, schema: S): Parsed<z.output<S>> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = document.errors[0]
  if (syntax) {
    throw new Failure('usage', `${file}:${lines.linePos(syntax.pos[0]).line}: ${syntax.message}`)
  }
  const where = (path: readonly PropertyKey[]) => `${file}:${line(path)}`
  const line = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = position(document.contents, path.slice(0, length))
      if (offset !== undefined) return lines.linePos(offset).line
    }
    return 1
  }
  const result = schema.safeParse(document.toJS())
  if (result.success) return { value: result.data, where }
  const problems = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      // A schema may say what it expects instead.
      const instead = issue.message.startsWith('expected') ? `; ${issue.message}` : ''
      return issue.keys.map(
        (key) => `${where([...issue.path, key])}: unknown key ${[...issue.path, key].join('.')}${instead}`,
      )
    }
    const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message
    return [`${where(issue.path)}: ${issue.path.join('.') || 'the file'}: ${message}`]
  })
  throw new Failure('usage', problems.join('\n'))
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
