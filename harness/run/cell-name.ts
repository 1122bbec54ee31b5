/** Names a cell's directory of results. Cells that differ have different names, and the usual ones have short names. */
import { createHash } from 'node:crypto'
import { basename, dirname, join, relative } from 'node:path'
import type { Config } from '../config/load.ts'
import { defaultKconfig, machineSchema } from '../config/schema.ts'
import type { Series } from '../series/load.ts'
import { treeName } from '../tree/spec.ts'

/**
 * `6.12-copy-offload`, `6.12-copy-offload-5of16-qemu-10.0`, `6.12+debug+memory=1024`: the tree, the series, the
 * emulator, and what is neither copylab's default nor usual otherwise. Trees and emulators go by their names in
 * copylab.yaml. What has none goes by the end of its path, and a hash of the path.
 */
export function cellName(
  config: Pick<Config, 'file' | 'tree' | 'trees' | 'profile' | 'kconfig' | 'machine' | 'qemus'>,
  series: Series | null,
): string {
  const { profile, machine } = config
  const base = dirname(config.file)
  // The dash also parts a tree from its series.
  const parts = [treeOf(config)]
  if (series) {
    const cut = series.patches.length === series.total ? '' : `-${series.patches.length}of${series.total}`
    parts.push('-', seriesName(series, base), cut)
    if (profile !== undefined) parts.push(`+profile=${nameIn(base, profile, '.yaml', base)}`)
  }
  parts.push(emulatorOf(config), kconfigOf(config.kconfig, base))
  for (const [key, usual] of usualMachine) {
    const value = machine[key as 'accel' | 'cpus' | 'memory']
    if (value !== usual) parts.push(`+${key}=${value}`)
  }
  return parts.join('')
}

const usualMachine = Object.entries(machineSchema.omit({ qemu: true }).parse({}))

function treeOf({ tree, trees }: Pick<Config, 'tree' | 'trees'>): string {
  const name = treeName(tree)
  if (trees.some((listed) => listed.label === tree.label && treeName(listed) === name))
    return distinct(tree.label, tree.label, /^[\w.]+$/)
  return distinct(tree.label, name, never)
}

function seriesName({ label, specs }: Series, base: string): string {
  const [only = '', ...more] = specs
  if (more.length === 0 && label === basename(only)) return nameIn(join(base, 'patches'), only, '', base)
  // The label says which version of a mailbox it is.
  return distinct(label, [label, ...specs.map((spec) => placeBelow(base, spec))].join('\n'), never)
}

function emulatorOf({ machine, qemus }: Pick<Config, 'machine' | 'qemus'>): string {
  const { qemu } = machine
  if (qemus.some(({ label }) => label === qemu.label))
    return qemu.label === 'system' ? '' : `-qemu-${distinct(qemu.label, qemu.label, /^[\w.-]+$/)}`
  const program = 'program' in qemu ? qemu.program : qemu.label
  return `-qemu-${distinct(basename(program), program, never)}`
}

/** The cells of a matrix have few lists of fragments. */
const kconfigs = new WeakMap<readonly string[], { base: string; name: string }>()

function kconfigOf(files: readonly string[], base: string): string {
  const known = kconfigs.get(files)
  if (known?.base === base) return known.name
  const name = kconfigName(files, base)
  kconfigs.set(files, { base, name })
  return name
}

function kconfigName(files: readonly string[], base: string): string {
  const names = files.map((file) => nameIn(join(base, 'kconfigs'), file, '.config', base))
  const more = [...new Set(names)].filter((name) => !defaultKconfig.includes(name)).sort()
  const less = defaultKconfig.filter((name) => !names.includes(name))
  return [...more.map((name) => `+${name}`), ...less.map((name) => `+no=${name}`)].join('')
}

/** What matches no name: it always takes a hash. */
const never = /^(?!)/

/** Of a file that has its usual place the name alone. Below `base` it may be checked out anywhere. */
function nameIn(home: string, path: string, suffix: string, base: string): string {
  const name = basename(path, suffix)
  const usual = join(home, name + suffix) === path ? /^(?!.*-(qemu-|\d+of\d+))[\w.-]+$/ : never
  return distinct(name, placeBelow(base, path), usual)
}

function placeBelow(base: string, path: string): string {
  const below = relative(base, path)
  return below.startsWith('..') ? path : below
}

/** The name itself where it matches `plain` and cannot be taken for another; else one that tells what it is short for. */
function distinct(name: string, identity: string, plain: RegExp): string {
  if (plain.test(name)) return name
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 8)
  return `${name.replace(/[^\w.-]/g, '-')}~${hash}`
}
