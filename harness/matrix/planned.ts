/** The cells that the options of a command line ask for, and the options that ask for one of them again. */
import type { Config, Overrides } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { readFragments } from '../kernel/fragments.ts'
import { configWords } from '../options.ts'
import { type Cell, planCell } from '../run/plan.ts'
import { configuredSeries } from '../series/load.ts'
import { matrixCells } from './cells.ts'

export interface CellOptions extends Overrides {
  /** All cells of the matrix. */
  matrix?: boolean | undefined
  /** Names of cells of the matrix: only these. */
  cell?: string[] | undefined
}

/**
 * The one cell that the configuration describes, or those of its matrix. Their fragments were read, so that a wrong one is
 * told before anything is fetched.
 * @throws Failure('usage')
 */
export async function plannedCells(config: Config, options: CellOptions): Promise<Cell[]> {
  const cells = await cellsOf(config, options)
  // Many cells have few sets of fragments.
  const kconfigs = new Map(cells.map(({ kconfig }) => [kconfig.join('\n'), kconfig]))
  for (const kconfig of kconfigs.values()) await readFragments(kconfig)
  return cells
}

async function cellsOf(config: Config, options: CellOptions): Promise<Cell[]> {
  if (!isOfMatrix(options)) return [planCell(config, await configuredSeries(config))]
  const [option] = configWords(options)
  if (option !== undefined) {
    throw new Failure('usage', `${option}: what the cells of a matrix are is said by ${config.file} alone`, {
      remedy: `leave ${option} out, or describe the one cell that you want without --matrix and --cell`,
    })
  }
  return selectCells(
    (await matrixCells(config)).map(({ cell }) => cell),
    options.cell,
  )
}

/** The options for a cell that plannedCells() has found by `options`: one of a matrix goes by its name. */
export function cellWords(options: CellOptions, { name }: Pick<Cell, 'name'>): string[] {
  return isOfMatrix(options) ? ['--cell', name] : configWords(options)
}

function isOfMatrix({ matrix, cell }: CellOptions): boolean {
  return Boolean(matrix || cell?.length)
}

/**
 * The cells that are named, in the order of `all`; all of them when none is named.
 * @throws Failure('usage') for a name that is not among them
 */
function selectCells(all: readonly Cell[], names: readonly string[] = []): Cell[] {
  const known = new Set(all.map(({ name }) => name))
  for (const name of names) {
    if (known.has(name)) continue
    throw new Failure('usage', `--cell: the matrix has no cell ${JSON.stringify(name)}`, {
      remedy: all.length > 12 ? "'copylab matrix' has them all" : `expected one of: ${[...known].join(', ')}`,
    })
  }
  const wanted = new Set(names.length ? names : known)
  return all.filter(({ name }) => wanted.has(name))
}
