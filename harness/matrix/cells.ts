/** The cells of `matrix:` in copylab.yaml. */
import type { Config } from '../config/load.ts'
import type { Matrix, Settings } from '../config/matrix.ts'
import { Failure } from '../failure.ts'
import { type Cell, planCell } from '../run/plan.ts'
import { configuredSeries, type Series } from '../series/load.ts'
import { NoSeriesForTree, type ReadPart, rememberingLoadPart } from '../series/parts.ts'
import { checkSource } from '../tree/spec.ts'
import { combine } from './combine.ts'

/** A combination of the matrix. */
export interface Choice {
  /** What it says beside the rest of copylab.yaml. */
  settings: Settings
  /** `file:line` of what asks for it. */
  where: string
}

/** A cell of the matrix, and what the matrix says of it. */
export interface MatrixCell extends Choice {
  cell: Cell
}

/**
 * All cells of the matrix, in its order. Each series is read once, and once more for each tree that it has a folder for.
 * @throws Failure('usage') with file and line
 */
export async function matrixCells(config: Config): Promise<MatrixCell[]> {
  const choices = expandMatrix(config)
  const trees = await checkedTrees(choices)
  const read = rememberingLoadPart()
  const loaded = new Map<string, Series | null>()
  for (const choice of choices) {
    const wanted = cellConfig(config, choice.settings)
    const key = seriesKey(wanted)
    if (!loaded.has(key)) loaded.set(key, await seriesOf(wanted, choice, read))
  }
  return planCells(config, choices, { trees, seriesOf: (wanted) => loaded.get(seriesKey(wanted)) ?? null })
}

/** The combinations of the matrix, by its rules alone. */
export function expandMatrix({ file, matrix }: Pick<Config, 'file' | 'matrix'>): Choice[] {
  if (!matrix) {
    throw new Failure('usage', `${file} has no matrix:`, {
      remedy: 'list what the cells differ in, as in matrix: { tree: ["6.12", "7.3"] }',
    })
  }
  const settings = (rules: Matrix['include']) => rules.map((rule) => rule.settings)
  const { combinations, unused } = combine<Record<string, unknown>>({
    axes: matrix.axes,
    exclude: settings(matrix.exclude) as Record<string, unknown>[],
    include: settings(matrix.include) as Record<string, unknown>[],
  })
  if (unused.length) {
    const problems = unused.map((index) => unusedProblem(matrix, index))
    throw new Failure('usage', problems.join('\n'))
  }
  if (combinations.length === 0) {
    throw new Failure(
      'usage',
      `${matrix.where}: matrix: exclude takes away every cell, and include adds none`,
      { remedy: 'exclude less' },
    )
  }
  return combinations.map(({ values, include }) => ({
    settings: values,
    where: (include === undefined ? undefined : matrix.include[include]?.where) ?? matrix.where,
  }))
}

/**
 * From choices to cells, without a look at the disk.
 * @throws Failure('usage') when two of them are the same cell
 */
export function planCells(
  config: Config,
  choices: readonly Choice[],
  o: { trees: ReadonlyMap<Config['tree'], Config['tree']>; seriesOf: (config: Config) => Series | null },
): MatrixCell[] {
  const known = new Map<string, Choice>()
  return choices.map((choice) => {
    const wanted = cellConfig(config, choice.settings)
    const cell = planCell({ ...wanted, tree: o.trees.get(wanted.tree) ?? wanted.tree }, o.seriesOf(wanted))
    const other = known.get(cell.name)
    if (other) {
      const both = [other, choice].map(({ settings }) => showSettings(settings)).join(' and ')
      throw new Failure('usage', `${choice.where}: matrix: two cells are the same, ${cell.name}: ${both}`, {
        remedy: 'take one of them away, or exclude it',
      })
    }
    known.set(cell.name, choice)
    return { ...choice, cell }
  })
}

/** The configuration with a combination's settings laid over it. */
function cellConfig(config: Config, settings: Settings): Config {
  const { tree, series, kconfig, qemu, memory, accel, patches, profile } = settings
  const { machine } = config
  const isOther = series && series.specs.join('\n') !== config.series.join('\n')
  return {
    ...config,
    tree: tree ?? config.tree,
    series: series?.specs ?? config.series,
    // A profile belongs to the series that it is configured with.
    profile: profile ?? (isOther ? undefined : config.profile),
    patches: patches ?? config.patches,
    kconfig: kconfig?.fragments ?? config.kconfig,
    machine: {
      ...machine,
      qemu: qemu ?? machine.qemu,
      memory: memory ?? machine.memory,
      accel: accel ?? machine.accel,
    },
  }
}

/** As copylab.yaml would have them: `{ tree: 6.12, series: none }`. */
export function showSettings(settings: Settings): string {
  const shown = Object.entries(settings).map(([key, value]) => {
    return `${key}: ${typeof value === 'object' ? (value as { label: string }).label : value}`
  })
  return `{ ${shown.join(', ')} }`
}

function unusedProblem({ axes, exclude }: Matrix, index: number): string {
  const { where = '', settings = {} } = exclude[index] ?? {}
  const foreign = Object.keys(settings).filter((key) => !Object.hasOwn(axes, key))
  const why = foreign.length
    ? `the matrix has no axis ${foreign.join(' and no axis ')}`
    : 'expected values that the axes have'
  return `${where}: matrix.exclude.${index}: no combination of the axes has ${showSettings(settings)}: ${why}`
}

/** Trees that are on this machine have to be there. */
async function checkedTrees(choices: readonly Choice[]): Promise<Map<Config['tree'], Config['tree']>> {
  const trees = new Map<Config['tree'], Config['tree']>()
  for (const { settings, where } of choices) {
    const { tree } = settings
    if (tree && !trees.has(tree)) trees.set(tree, await checkSource(tree, `${where}: the tree ${tree.label}`))
  }
  return trees
}

/** What configuredSeries() reads of a configuration. */
function seriesKey({ series, tree, patches, profile }: Config): string {
  return [tree.label, patches, profile, ...series].join('\0')
}

async function seriesOf(config: Config, { settings, where }: Choice, read: ReadPart): Promise<Series | null> {
  try {
    return await configuredSeries(config, read)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const remedy = error instanceof NoSeriesForTree ? 'leave it out by an item of exclude' : error.remedy
    throw new Failure(error.kind, `${where}: matrix: ${showSettings(settings)}: ${error.message}`, {
      ...(remedy !== undefined && { remedy }),
      cause: error,
    })
  }
}
