import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '../failure.ts'
import { readInput } from '../input.ts'
import { seriesPaths } from '../series/source.ts'
import { checkSource, parseTree, resolvedSource } from '../tree/spec.ts'
import { fragmentsOf, kconfigSets } from './kconfigs.ts'
import { type Matrix, resolveMatrix } from './matrix.ts'
import { type ConfigFile, fileSchema, machineSchema, type QemuSpec, type TreeSpec } from './schema.ts'
import { parseYaml } from './yaml.ts'

/** What the command line may replace. Paths are relative to the working directory. */
export interface Overrides {
  tree?: string | undefined
  /** Of a tree that is a directory: `refuse` or `copy`. */
  dirty?: string | undefined
  series?: string[] | undefined
  /** Which version of a mailbox that has several, as typed. */
  seriesVersion?: string | undefined
  /** How many patches of the series, as typed. */
  patches?: string | undefined
  profile?: string | undefined
  kconfig?: string[] | undefined
  qemu?: string | undefined
  accel?: string | undefined
  /** MiB, as typed. */
  memory?: string | undefined
  results?: string | undefined
}

/** Configuration with every name resolved and every path absolute. */
export interface Config {
  /** The copylab.yaml that was read. */
  file: string
  tree: TreeSpec
  /** The series that are applied, one upon the other, as absoluteSeries() writes them; empty: none. */
  series: string[]
  /** Of a mailbox with several versions; undefined: the newest whole one. */
  seriesVersion: number | undefined
  /** Only so many patches of the series, the first ones; undefined: all. */
  patches: number | undefined
  /** Path of the series' profile; undefined: the one beside the series. */
  profile: string | undefined
  /** Fragments, in order. */
  kconfig: string[]
  /** `memory` is in MiB. */
  machine: Omit<ConfigFile['machine'], 'qemu'> & { qemu: QemuSpec }
  results: string
  /** All that `tree` and `machine.qemu` were chosen from. */
  trees: TreeSpec[]
  qemus: QemuSpec[]
  /** What `copylab run --matrix` runs; undefined: copylab.yaml has none. */
  matrix: Matrix | undefined
}

/** The top of copylab's own sources. */
export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

const fileName = 'copylab.yaml'

/**
 * Reads the copylab.yaml of `cwd` or of the nearest directory above it, else the one that copylab comes with, and
 * lays the command line's values over it.
 * @throws Failure('usage') that says file, line and what was expected.
 */
export async function loadConfig(cwd: string, overrides: Overrides = {}): Promise<Config> {
  const { file, text } = await findFile(cwd)
  const { value, where } = parseYaml(file, text, fileSchema)
  const base = dirname(file)

  const trees = labelled(value.trees).map((tree) => resolvedSource(tree, base))
  const tree = await chosenTree(trees, value.tree, where(['tree']), overrides, cwd)
  const qemus = labelled(value.qemus).map((one) =>
    'program' in one ? { ...one, program: programPath(one.program, base) } : one,
  )
  const qemu = overrides.qemu ?? value.machine.qemu
  const qemuBase = overrides.qemu === undefined ? base : cwd
  const machine = {
    ...value.machine,
    qemu: qemus.find((one) => one.label === qemu) ?? { label: qemu, program: programPath(qemu, qemuBase) },
  }
  if (overrides.accel !== undefined) machine.accel = accelerator(overrides.accel)
  if (overrides.memory !== undefined) machine.memory = memory(overrides.memory)
  const sets = kconfigSets(value.kconfigs, base, where)

  return {
    file,
    tree,
    ...seriesChoice(value, base, overrides, cwd),
    patches: overrides.patches === undefined ? undefined : wholeNumber('--patches', overrides.patches, 0),
    kconfig: overrides.kconfig
      ? fragmentsOf(overrides.kconfig, sets, base, cwd)
      : fragmentsOf(value.kconfig, sets, base),
    machine,
    results: overrides.results === undefined ? resolve(base, value.results) : resolve(cwd, overrides.results),
    trees,
    qemus,
    matrix: value.matrix && resolveMatrix(value.matrix, { trees, qemus, sets, base, where }),
  }
}

/**
 * The tree that copylab.yaml or the command line names.
 * @param where of the name in copylab.yaml
 */
async function chosenTree(
  trees: TreeSpec[],
  configured: string,
  where: string,
  { tree: given, dirty }: Overrides,
  cwd: string,
): Promise<TreeSpec> {
  const label = given ?? configured
  const listed = trees.find((one) => one.label === label)
  const tree = listed ?? (given === undefined ? undefined : await parseTree(given, cwd))
  const origin = given === undefined ? where : '--tree'
  if (!tree) {
    const known = trees.map((one) => one.label).join(', ')
    const problem = `${origin}: there is no tree ${JSON.stringify(label)}; expected one of: ${known}`
    throw new Failure('usage', problem, {
      ...(given !== undefined && {
        remedy: 'a path has a / in it, as in ./linux; copylab run --help has more',
      }),
    })
  }
  const checked = await checkSource(tree, origin)
  if (dirty === undefined) return checked
  if ('directory' in checked && (dirty === 'copy' || dirty === 'refuse')) return { ...checked, dirty }
  throw new Failure(
    'usage',
    `--dirty ${dirty}: ${
      'directory' in checked ? 'expected refuse or copy' : `the tree ${checked.label} is no directory`
    }`,
  )
}

function labelled<T extends object>(choices: Record<string, T>): ({ label: string } & T)[] {
  return Object.entries(choices).map(([label, choice]) => ({ label, ...choice }))
}

async function findFile(cwd: string): Promise<{ file: string; text: string }> {
  const places: string[] = []
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    places.push(join(directory, fileName))
    if (directory === dirname(directory)) break
  }
  places.push(join(projectRoot, fileName))
  for (const file of places) {
    const content = await readInput(file)
    if (content) return { file, text: content.toString() }
  }
  throw new Failure('usage', `there is no ${fileName} in ${cwd} or above it, nor in ${projectRoot}`)
}

/** A profile belongs to a series: another series on the command line leaves the file's profile behind. */
function seriesChoice(
  { series, profile }: ConfigFile,
  base: string,
  overrides: Overrides,
  cwd: string,
): Pick<Config, 'series' | 'seriesVersion' | 'profile'> {
  const given = overrides.series
  const own = profile === undefined || given ? undefined : resolve(base, profile)
  const { seriesVersion: version } = overrides
  return {
    series: given ? seriesPaths(given, cwd, '--series') : seriesPaths([series].flat(), base, 'series'),
    seriesVersion: version === undefined ? undefined : wholeNumber('--series-version', version, 1),
    profile: overrides.profile === undefined ? own : resolve(cwd, overrides.profile),
  }
}

/** A name is looked up on the PATH when it is needed. */
function programPath(program: string, base: string): string {
  return program.includes('/') ? resolve(base, program) : program
}

function wholeNumber(option: string, value: string, least: number): number {
  if (/^\d{1,5}$/.test(value) && Number(value) >= least) return Number(value)
  throw new Failure('usage', `${option}: expected a number from ${least} on, not ${JSON.stringify(value)}`)
}

function accelerator(value: string): 'auto' | 'kvm' | 'tcg' {
  if (value === 'auto' || value === 'kvm' || value === 'tcg') return value
  throw new Failure('usage', `--accel: expected auto, kvm or tcg, not ${JSON.stringify(value)}`)
}

function memory(value: string): number {
  const checked = machineSchema.shape.memory.safeParse(/^\d+$/.test(value) ? Number(value) : value)
  if (checked.success) return checked.data
  throw new Failure(
    'usage',
    `--memory: ${checked.error.issues[0]?.message}; it was ${JSON.stringify(value)} MiB`,
  )
}
