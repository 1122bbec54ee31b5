/**
 * Which changes of a configuration cannot be made without others: those that an option depends on, those of the options
 * that depend on it, and its opposite in a choice. Told from the Kconfig files alone, without what selects an option or
 * gives it a default: kconfig has the last word.
 */
import { type Expression, evaluate, parseExpression } from '../../kernel/kconfig-expression.ts'
import { type Definitions, readKconfig } from '../../kernel/kconfig-files.ts'
import { type Change, type Difference, requestsWith } from './difference.ts'

/** The value of an option; undefined: it cannot be told. */
type Values = (name: string) => string | undefined

/**
 * The changes that each one needs, for minimise().
 * @param source directory of the kernel tree
 */
export async function readNeeds(
  source: string,
  difference: Difference,
): Promise<(change: Change) => readonly Change[]> {
  return needsOf(difference, await readKconfig(source, { SRCARCH: 'x86', HEADER_ARCH: 'x86' }))
}

/** The same, from Kconfig files that have been read. */
export function needsOf(
  difference: Difference,
  definitions: Definitions,
): (change: Change) => readonly Change[] {
  const { changes } = difference
  const byName = new Map(changes.map((change) => [change.name, change]))
  const needs = new Map(changes.map((change) => [change, new Set<Change>()]))
  const add = (change: Change, names: Iterable<string>) => {
    for (const name of names) {
      const needed = byName.get(name)
      if (needed && needed !== change) needs.get(change)?.add(needed)
    }
  }
  const valuesOf = (made: Change[]): Values => {
    const values = new Map(requestsWith(difference, made).map(({ name, value }) => [name, value]))
    return (name) => values.get(name) ?? unasked(name, definitions)
  }
  const good = valuesOf([])
  const bad = valuesOf(changes)

  for (const { name } of requestsWith(difference, changes).filter(isOn)) {
    const change = byName.get(name)
    if (change) add(change, neededFor(dependsOf(name, definitions), true, good, bad)?.names ?? [])
  }
  for (const { name } of requestsWith(difference, []).filter(isOn)) {
    const depends = dependsOf(name, definitions)
    const own = byName.get(name)
    for (const symbol of symbolsOf(depends)) {
      const change = byName.get(symbol)
      if (!change) continue
      const changed: Values = (other) => (other === symbol ? bad(other) : good(other))
      if (holds(depends, good) === false || holds(depends, changed) !== false) continue
      // It goes together with what it depends on, or stays for another reason.
      const goes = own && !isOn(own.bad)
      add(change, goes ? [name] : (neededFor(depends, true, good, bad)?.names ?? []))
    }
  }
  for (const on of changes.filter((change) => isOn(change.bad))) {
    const choices = choicesOf(on.name, definitions)
    for (const off of changes.filter((change) => !isOn(change.bad))) {
      if (choicesOf(off.name, definitions).some((choice) => choices.includes(choice))) {
        add(on, [off.name])
        add(off, [on.name])
      }
    }
  }
  return (change) => [...(needs.get(change) ?? [])]
}

function isOn(request: { value: string } | undefined): boolean {
  return request !== undefined && request.value !== 'n'
}

/** copylab configures from allnoconfig: what nobody asks for is off, unless it is none of the user's business. */
function unasked(name: string, definitions: Definitions): string | undefined {
  const found = definitions.get(name)
  return !found || found.some(({ prompt }) => prompt) ? 'n' : undefined
}

function choicesOf(name: string, definitions: Definitions): string[] {
  return (definitions.get(name) ?? []).flatMap(({ choice }) => choice ?? [])
}

/** All that one of its definitions depends on. */
function dependsOf(name: string, definitions: Definitions): Expression {
  const found = (definitions.get(name) ?? []).filter(({ prompt }) => prompt)
  const join = (kind: 'and' | 'or', parts: Expression[]) =>
    parts.length === 0
      ? parseExpression('y')
      : parts.reduce((left, right) => ({ kind, left, right }) satisfies Expression)
  return join(
    'or',
    found.map(({ depends }) => join('and', depends)),
  )
}

/** Names of options in an expression. */
function symbolsOf(expression: Expression): string[] {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return [...new Set([...symbolsOf(expression.left), ...symbolsOf(expression.right)])]
    case 'not':
      return symbolsOf(expression.operand)
    case 'compare':
      return [expression.left, expression.right].filter((name) => !isConstant(name))
    case 'symbol':
      return isConstant(expression.name) ? [] : [expression.name]
  }
}

/** As the Kconfig language has it; numbers are no names of options either. */
function isConstant(name: string): boolean {
  return /^(["'].*|[ymn]|-?\d+|0x[0-9a-fA-F]+)$/.test(name)
}

/** Whether an expression is not n; undefined: it cannot be told. */
function holds(expression: Expression, values: Values): boolean | undefined {
  switch (expression.kind) {
    case 'and':
    case 'or': {
      const sides = [holds(expression.left, values), holds(expression.right, values)]
      const decides = expression.kind === 'or'
      if (sides.includes(decides)) return decides
      return sides.includes(undefined) ? undefined : !decides
    }
    case 'not': {
      const inner = holds(expression.operand, values)
      return inner === undefined ? undefined : !inner
    }
    default: {
      const known = new Map<string, string>()
      for (const name of symbolsOf(expression)) {
        const value = values(name)
        if (value === undefined || name.startsWith('$')) return undefined
        known.set(name, value)
      }
      return evaluate(expression, known) !== 'n'
    }
  }
}

interface Needed {
  /** Options that must have their bad value. */
  names: Set<string>
  /** How much of it could not be told, and is taken to hold. */
  guesses: number
}

/**
 * What makes an expression hold (or not hold, if `wanted` is false) at the bad end and did not at the good one. Of
 * alternatives the surest, and of those the one that needs least.
 * @returns undefined when it does not at the bad end either, as far as can be told
 */
function neededFor(expression: Expression, wanted: boolean, good: Values, bad: Values): Needed | undefined {
  if (expression.kind === 'not') return neededFor(expression.operand, !wanted, good, bad)
  if (expression.kind === 'and' || expression.kind === 'or') {
    const left = neededFor(expression.left, wanted, good, bad)
    const right = neededFor(expression.right, wanted, good, bad)
    if ((expression.kind === 'and') === wanted) {
      if (!left || !right) return undefined
      return { names: new Set([...left.names, ...right.names]), guesses: left.guesses + right.guesses }
    }
    if (!left || !right) return left ?? right
    const difference = left.guesses - right.guesses || left.names.size - right.names.size
    return difference <= 0 ? left : right
  }
  const atBad = holds(expression, bad)
  if (atBad === undefined) return { names: new Set(), guesses: 1 }
  if (atBad !== wanted) return undefined
  const differ = symbolsOf(expression).filter((name) => good(name) !== bad(name))
  return { names: new Set(holds(expression, good) === wanted ? [] : differ), guesses: 0 }
}
