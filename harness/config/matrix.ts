import { resolve } from 'node:path'
import { Failure } from '../failure.ts'
import { seriesPaths } from '../series/source.ts'
import { fragmentsOf, type KconfigSets } from './kconfigs.ts'
import { type Axis, axes, type MatrixFile } from './matrix-schema.ts'
import type { QemuSpec, TreeSpec } from './schema.ts'

/** What a cell has that the rest of copylab.yaml does not say. Values that are equal are the same object. */
export interface Settings {
  tree?: TreeSpec
  series?: SeriesChoice
  kconfig?: KconfigChoice
  qemu?: QemuSpec
  /** MiB */
  memory?: number
  accel?: 'auto' | 'kvm' | 'tcg'
  patches?: number
  /** Absolute path. */
  profile?: string
}

export interface SeriesChoice {
  /** As copylab.yaml has it. */
  label: string
  /** As `Config.series`. */
  specs: string[]
}

export interface KconfigChoice {
  /** Name of the set. */
  label: string
  /** Absolute paths. */
  fragments: string[]
}

/** An item of `include` or `exclude`, with its `file:line`. */
export interface Rule {
  where: string
  settings: Settings
}

/** `matrix:` with every name resolved. */
export interface Matrix {
  /** `file:line` */
  where: string
  axes: { [A in Axis]?: readonly NonNullable<Settings[A]>[] }
  exclude: readonly Rule[]
  include: readonly Rule[]
}

/** What the names in a matrix are chosen from. */
interface Choices {
  trees: readonly TreeSpec[]
  qemus: readonly QemuSpec[]
  sets: KconfigSets
  /** Directory of copylab.yaml. */
  base: string
  /** `file:line` of a path of keys. */
  where: (path: readonly PropertyKey[]) => string
}

type Values = MatrixFile['include'][number]

/** @throws Failure('usage') that says, for each name that is not there, file, line and what was expected */
export function resolveMatrix(file: MatrixFile, choices: Choices): Matrix {
  const { base, where } = choices
  const problems: string[] = []
  const trees = new Map(choices.trees.map((tree) => [tree.label, tree]))
  const qemus = new Map(choices.qemus.map((qemu) => [qemu.label, qemu]))
  const kconfigs = new Map<string, KconfigChoice>()
  for (const [label, set] of choices.sets) {
    kconfigs.set(label, { label, fragments: fragmentsOf(set, choices.sets, base) })
  }
  const series = new Map<string, SeriesChoice>()

  const resolvers = {
    tree: named('trees', trees),
    kconfig: named('kconfigs', kconfigs),
    qemu: named('qemus', qemus),
    series: (value: string | string[], path: PropertyKey[]) => {
      const specs = seriesPaths([value].flat(), base, `${where(path)}: ${path.join('.')}`)
      const key = JSON.stringify(specs)
      const known = series.get(key) ?? { label: [value].flat().join(' + '), specs }
      series.set(key, known)
      return known
    },
  }
  function named<T>(key: string, known: ReadonlyMap<string, T>) {
    return (label: string, path: PropertyKey[]): T | undefined => {
      const found = known.get(label)
      if (found !== undefined) return found
      const expected = known.size ? `expected one of: ${[...known.keys()].join(', ')}` : 'it lists none'
      problems.push(
        `${where(path)}: ${path.join('.')}: there is no ${JSON.stringify(label)} under ${key}:; ${expected}`,
      )
      return undefined
    }
  }
  const settingsOf = ({ profile, ...values }: Values, path: PropertyKey[]): Settings => {
    const given = Object.entries(values).map(([key, value]) => {
      const resolver = resolvers[key as Axis] as
        | ((value: unknown, path: PropertyKey[]) => unknown)
        | undefined
      return [key, resolver ? resolver(value, [...path, key]) : value]
    })
    return {
      ...Object.fromEntries(given),
      ...(profile === undefined ? {} : { profile: resolve(base, profile) }),
    }
  }
  const rules = (key: 'exclude' | 'include') =>
    file[key].map((values, index): Rule => {
      const path = ['matrix', key, index]
      return { where: where(path), settings: settingsOf(values, path) }
    })
  const given = axes.flatMap((axis) => {
    const values = (file[axis] ?? []) as unknown[]
    const resolver = resolvers[axis] as (value: unknown, path: PropertyKey[]) => unknown
    return values.length
      ? [[axis, values.map((value, index) => resolver(value, ['matrix', axis, index]))]]
      : []
  })
  const matrix = {
    where: where(['matrix']),
    axes: Object.fromEntries(given),
    exclude: rules('exclude'),
    include: rules('include'),
  }
  if (problems.length) throw new Failure('usage', problems.join('\n'))
  return matrix
}
