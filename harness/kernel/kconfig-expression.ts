/** An expression of the Kconfig language, as in `depends on PCI && (ACPI || !SMP)`. */
export type Expression =
  | { kind: 'and' | 'or'; left: Expression; right: Expression }
  | { kind: 'not'; operand: Expression }
  | { kind: 'compare'; operator: string; left: string; right: string }
  | { kind: 'symbol'; name: string }

type Tristate = 'n' | 'm' | 'y'
const order: Tristate[] = ['n', 'm', 'y']

/** Parses an expression. What it cannot read, such as a macro call, is taken as a symbol of unknown value. */
export function parseExpression(text: string): Expression {
  const tokens =
    text.match(/"[^"]*"|'[^']*'|\$\((?:[^()]|\([^()]*\))*\)|&&|\|\||[!<>]=|[()!=<>]|[\w.-]+/g) ?? []
  let next = 0
  const binary = (kind: 'or' | 'and', operator: string, operand: () => Expression): Expression => {
    let left = operand()
    while (tokens[next] === operator) {
      next += 1
      left = { kind, left, right: operand() }
    }
    return left
  }
  const any = (): Expression => binary('or', '||', all)
  const all = (): Expression => binary('and', '&&', unary)
  const unary = (): Expression => {
    const token = tokens[next++] ?? ''
    if (token === '!') return { kind: 'not', operand: unary() }
    if (token === '(') {
      const inner = any()
      next += 1
      return inner
    }
    const operator = tokens[next]
    if (operator && /^([!<>]?=|[<>])$/.test(operator)) {
      next += 1
      return { kind: 'compare', operator, left: token, right: tokens[next++] ?? '' }
    }
    return { kind: 'symbol', name: token }
  }
  return any()
}

/**
 * The value of an expression, given .config's values. A symbol that .config does not have is n.
 * Macros are resolved by kconfig alone; they count as y, so as not to be blamed wrongly.
 */
export function evaluate(expression: Expression, values: ReadonlyMap<string, string>): Tristate {
  switch (expression.kind) {
    case 'and':
      return lower(evaluate(expression.left, values), evaluate(expression.right, values))
    case 'or':
      return (
        order[
          Math.max(
            ...[expression.left, expression.right].map((side) => order.indexOf(evaluate(side, values))),
          )
        ] ?? 'n'
      )
    case 'not':
      return order[2 - order.indexOf(evaluate(expression.operand, values))] ?? 'n'
    case 'compare':
      return compare(
        symbolValue(expression.left, values),
        expression.operator,
        symbolValue(expression.right, values),
      )
    case 'symbol': {
      if (expression.name.startsWith('$')) return 'y'
      const value = symbolValue(expression.name, values)
      return order.find((tristate) => tristate === value) ?? 'n'
    }
  }
}

/** The expression as Kconfig writes it, each symbol with its value: `NET (n) || INET (n)`. */
export function show(expression: Expression, values: ReadonlyMap<string, string>): string {
  switch (expression.kind) {
    case 'and':
      return `${show(expression.left, values)} && ${show(expression.right, values)}`
    case 'or':
      return `(${show(expression.left, values)} || ${show(expression.right, values)})`
    case 'not':
      return `!${show(expression.operand, values)}`
    case 'compare':
      return `${expression.left}${expression.operator}${expression.right}`
    case 'symbol':
      return `${expression.name} (${symbolValue(expression.name, values)})`
  }
}

function lower(a: Tristate, b: Tristate): Tristate {
  return order[Math.min(order.indexOf(a), order.indexOf(b))] ?? 'n'
}

function symbolValue(name: string, values: ReadonlyMap<string, string>): string {
  if (/^["']/.test(name)) return name.slice(1, -1)
  if (/^(y|m|n|-?\d+|0x[0-9a-fA-F]+)$/.test(name)) return name
  return (values.get(name) ?? 'n').replace(/^"(.*)"$/, '$1')
}

function compare(left: string, operator: string, right: string): Tristate {
  const difference = Number(left) - Number(right)
  const holds = {
    '=': left === right,
    '!=': left !== right,
    '<': difference < 0,
    '>': difference > 0,
    '<=': difference <= 0,
    '>=': difference >= 0,
  }[operator]
  return holds ? 'y' : 'n'
}
