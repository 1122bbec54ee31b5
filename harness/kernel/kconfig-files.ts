import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Expression, evaluate, parseExpression, show } from './kconfig-expression.ts'

/** One `config NAME` block. An option may have several. */
export interface Definition {
  where: string
  /** All of them must hold: the block's own `depends on` and those of the `if`, `menu` and `choice` around it. */
  depends: Expression[]
  /** A user can set it: there is a prompt. */
  prompt: boolean
  /** `file:line` of the choice that it is one of. */
  choice?: string
}

/** By name, without `CONFIG_`. */
export type Definitions = Map<string, Definition[]>

/**
 * Reads the Kconfig files of a kernel tree, following `source`. Only what explains why an option is off is kept.
 * Documentation/kbuild/kconfig-language.rst has the grammar.
 * @param variables values of `$(NAME)` in file names.
 */
export async function readKconfig(source: string, variables: Record<string, string>): Promise<Definitions> {
  const definitions: Definitions = new Map()
  await readFileInto(source, 'Kconfig', variables, [], definitions)
  return definitions
}

type Scope = { kind: 'if' | 'menu' | 'choice'; depends: Expression[]; where?: string }

async function readFileInto(
  source: string,
  file: string,
  variables: Record<string, string>,
  outer: Scope[],
  definitions: Definitions,
): Promise<void> {
  const text = await readFile(join(source, file), 'utf8').catch(() => '')
  const scopes: Scope[] = [...outer]
  /** The block that attributes belong to: its list of dependencies, and its definition if it is an option. */
  let block: { depends: Expression[]; definition?: Definition } | undefined
  let helpIndent: number | undefined
  const lines = text.replace(/\\\n/g, ' ').split('\n')
  for (const [index, line] of lines.entries()) {
    const indent = /^\s*/.exec(line)?.[0].replaceAll('\t', '        ').length ?? 0
    if (helpIndent !== undefined) {
      if (!line.trim() || indent > helpIndent) continue
      helpIndent = undefined
    }
    const [, word = '', rest = ''] = /^\s*([\w-]+)\s*(.*?)\s*$/.exec(line) ?? []
    switch (word) {
      case 'config':
      case 'menuconfig': {
        const choice = scopes.findLast(({ kind }) => kind === 'choice')?.where
        const definition: Definition = {
          where: `${file}:${index + 1}`,
          depends: scopes.flatMap((scope) => scope.depends),
          prompt: false,
          ...(choice && { choice }),
        }
        block = { depends: definition.depends, definition }
        definitions.set(rest, [...(definitions.get(rest) ?? []), definition])
        break
      }
      case 'if':
        scopes.push({ kind: 'if', depends: [parseExpression(rest)] })
        block = undefined
        break
      case 'menu':
      case 'choice': {
        const scope: Scope = { kind: word, depends: [], where: `${file}:${index + 1}` }
        scopes.push(scope)
        block = { depends: scope.depends }
        break
      }
      case 'endif':
      case 'endmenu':
      case 'endchoice':
        scopes.pop()
        block = undefined
        break
      case 'comment':
        block = { depends: [] }
        break
      case 'depends':
        block?.depends.push(
          parseExpression(rest.replace(/^on\s+/, '').replace(/^(.*)\s+if\s+(.*)$/, '($1) || !($2)')),
        )
        break
      case 'bool':
      case 'tristate':
      case 'string':
      case 'int':
      case 'hex':
      case 'prompt':
        if (block?.definition && /^["']/.test(rest)) {
          block.definition.prompt = true
          const condition = /["']\s+if\s+(.*)$/.exec(rest)?.[1]
          if (condition) block.depends.push(parseExpression(condition))
        }
        break
      case 'help':
        helpIndent = indent
        break
      case 'source': {
        const name = rest.replace(/^"(.*)".*$/, '$1')
        const path = name.replace(/\$\((\w+)\)/g, (whole, key: string) => variables[key] ?? whole)
        await readFileInto(source, path, variables, scopes, definitions)
        break
      }
    }
  }
}

/** Lines that say why kconfig did not take a value: the conditions that do not hold, with what is in them. */
export function explainOption(
  name: string,
  wanted: string,
  definitions: Definitions,
  values: ReadonlyMap<string, string>,
): string[] {
  const found = definitions.get(name)
  if (!found) return ['this tree has no such option']
  if (wanted === 'n') return ['something else selects it, or it has no prompt and defaults to on']
  const lines = found.map(({ where, depends, prompt }) => {
    const off = depends.flatMap((condition) => unmet(condition, values))
    if (off.length > 0) return `${where}: it depends on ${[...new Set(off)].join(', and on ')}`
    if (!prompt) return `${where}: it has no prompt, so only a select or a default can set it`
    return undefined
  })
  const known = lines.filter((line) => line !== undefined)
  return known.length > 0 ? known : ['its dependencies hold; its type or its range does not allow this value']
}

/** The parts of a conjunction that do not hold, each with the values of its symbols. */
function unmet(condition: Expression, values: ReadonlyMap<string, string>): string[] {
  if (condition.kind === 'and') return [...unmet(condition.left, values), ...unmet(condition.right, values)]
  return evaluate(condition, values) === 'n' ? [show(condition, values)] : []
}
