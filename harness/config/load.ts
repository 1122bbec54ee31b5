import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '../failure.ts'
import { type ConfigFile, fileSchema, machineSchema, type TreeSpec } from './schema.ts'
import { parseYaml } from './yaml.ts'

/** What the command line may replace. Paths are relative to the working directory. */
export interface Overrides {
  tree?: string | undefined
  series?: string | undefined
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
  tree: { label: string } & TreeSpec
  /** Directory of the series; null: none. */
  series: string | null
  /** Fragments, in order. */
  kconfig: string[]
  /** `memory` is in MiB. */
  machine: ConfigFile['machine']
  results: string
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

  const label = overrides.tree ?? value.tree
  const tree = Object.hasOwn(value.trees, label) ? value.trees[label] : undefined
  if (!tree) {
    const origin = overrides.tree === undefined ? where(['tree']) : '--tree'
    const known = Object.keys(value.trees).join(', ')
    throw new Failure(
      'usage',
      `${origin}: there is no tree ${JSON.stringify(label)}; expected one of: ${known}`,
    )
  }
  const machine = { ...value.machine }
  if (overrides.qemu !== undefined) machine.qemu = overrides.qemu
  if (overrides.accel !== undefined) machine.accel = accelerator(overrides.accel)
  if (overrides.memory !== undefined) machine.memory = memory(overrides.memory)

  return {
    file,
    tree: { label, ...tree },
    series:
      overrides.series === undefined ? seriesPath(value.series, base) : seriesPath(overrides.series, cwd),
    kconfig: overrides.kconfig
      ? overrides.kconfig.map((name) => fragmentPath(name, base, cwd))
      : value.kconfig.map((name) => fragmentPath(name, base, base)),
    machine,
    results: overrides.results === undefined ? resolve(base, value.results) : resolve(cwd, overrides.results),
  }
}

async function findFile(cwd: string): Promise<{ file: string; text: string }> {
  const places: string[] = []
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    places.push(join(directory, fileName))
    if (directory === dirname(directory)) break
  }
  places.push(join(projectRoot, fileName))
  for (const file of places) {
    try {
      return { file, text: await readFile(file, 'utf8') }
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') continue
      throw new Failure('usage', `cannot read ${file}: ${(cause as Error).message}`, { cause })
    }
  }
  throw new Failure('usage', `there is no ${fileName} in ${cwd} or above it, nor in ${projectRoot}`)
}

function seriesPath(series: string, base: string): string | null {
  return series === 'none' ? null : resolve(base, series)
}

function fragmentPath(name: string, configBase: string, pathBase: string): string {
  const isPath = isAbsolute(name) || name.includes('/') || name.endsWith('.config')
  return isPath ? resolve(pathBase, name) : join(configBase, 'kconfigs', `${name}.config`)
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
