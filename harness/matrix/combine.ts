/**
 * The rules of GitHub's `strategy.matrix`, as "Running variations of jobs in a workflow" of its documentation has them.
 * Values are compared by identity.
 */

type Values = Readonly<Record<string, unknown>>

export interface MatrixRules<V extends Values> {
  /** The values of each axis; the last axis varies first. */
  axes: { readonly [A in keyof V]?: readonly V[A][] }
  exclude: readonly V[]
  include: readonly V[]
}

export interface Combination<V extends Values> {
  values: V
  /** Place in `include` of the item that it came of; undefined: it is one of the axes' own, extended or not. */
  include?: number
}

/**
 * All values of all axes with each other, without those that an item of `exclude` matches. Each item of `include` then
 * extends every one of these whose axes' values it does not change, and is a combination of its own where it
 * extends none. What was added so is not extended.
 * @returns the combinations, those of the axes first, and the places of the items of `exclude` that matched nothing
 */
export function combine<V extends Values>(
  rules: MatrixRules<V>,
): { combinations: Combination<V>[]; unused: number[] } {
  const axes = Object.entries(rules.axes) as [string, readonly unknown[]][]
  const used = new Set<number>()
  const excludes = rules.exclude.map((rule, index) => ({ rule, index, names: Object.keys(rule) }))
  const excluded = (values: Values) => {
    const matching = excludes.filter(({ rule, names }) => agree(rule, values, names))
    for (const { index } of matching) used.add(index)
    return matching.length > 0
  }
  const own = axes.length ? product(axes).filter((values) => !excluded(values)) : []
  const combinations = own.map((values): Combination<V> => ({ values: { ...values } as V }))

  const axisNames = axes.map(([name]) => name)
  for (const [include, rule] of rules.include.entries()) {
    const fixed = axisNames.filter((name) => Object.hasOwn(rule, name))
    let extended = false
    for (const [index, values] of own.entries()) {
      if (!agree(rule, values, fixed)) continue
      extended = true
      Object.assign(combinations[index]?.values ?? {}, rule)
    }
    if (!extended) combinations.push({ values: rule, include })
  }
  return { combinations, unused: [...rules.exclude.keys()].filter((index) => !used.has(index)) }
}

function agree(rule: Values, values: Values, names: readonly string[]): boolean {
  return names.every((name) => rule[name] === values[name])
}

function product(axes: readonly [string, readonly unknown[]][]): Values[] {
  return axes.reduce<Values[]>(
    (rows, [name, choices]) => rows.flatMap((row) => choices.map((choice) => ({ ...row, [name]: choice }))),
    [{}],
  )
}
