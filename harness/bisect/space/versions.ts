/** The versions of a Debian package, for trees that have no history. */
import { join } from 'node:path'
import { execa } from 'execa'
import { withPrivateDirectory } from '../../../qemu/private-directory.ts'
import type { Config } from '../../config/load.ts'
import type { TreeSpec } from '../../config/schema.ts'
import { availableVersions } from '../../debian/download.ts'
import type { DebianSource } from '../../debian/source.ts'
import type { Emit } from '../../events.ts'
import { Failure } from '../../failure.ts'
import { planCell } from '../../run/plan.ts'
import type { Series } from '../../series/load.ts'
import type { Candidate } from './candidate.ts'

export interface VersionsOptions {
  config: Config
  /** Laid upon each version; null: the versions as they are. */
  series: Series | null
  /** Names of versions: `7.2.9-1~bpo13+1`, `7.2.9`, or a tree of copylab.yaml for its newest. */
  before: string
  after: string
  cache: string
  signal: AbortSignal
  emit: Emit
}

type DebianTree = TreeSpec & DebianSource
interface Version {
  version: string
  tree: DebianTree
}

/**
 * All versions that the archive has of the Debian trees of copylab.yaml, from one end to the other.
 * @throws Failure('usage') when an end is not among them
 */
export async function versionCandidates(options: VersionsOptions): Promise<Candidate[]> {
  const { config, series, before, after } = options
  const trees = config.trees.filter((tree): tree is DebianTree => 'debian' in tree)
  const versions: Version[] = []
  for (const tree of trees) versions.push(...(await versionsOf(tree, options)))
  const sorted = await sortVersions(versions)
  const [from, to] = [indexOf(sorted, before), indexOf(sorted, after)]
  const range = from <= to ? sorted.slice(from, to + 1) : sorted.slice(to, from + 1).reverse()
  return range.map(({ version, tree }) => ({
    id: version,
    title: `${packageOf(tree)} ${version}`,
    change: { subject: `${packageOf(tree)} ${version}` },
    cell: async () => planCell({ ...config, tree: pinned(tree, version) }, series),
  }))
}

/** Without the version that it may be pinned to. */
function packageOf({ debian }: DebianTree): string {
  return debian.split('=')[0] as string
}

function pinned(tree: DebianTree, version: string): TreeSpec {
  return { ...tree, debian: `${packageOf(tree)}=${version}` }
}

async function versionsOf(tree: DebianTree, { cache, signal, emit }: VersionsOptions): Promise<Version[]> {
  const source = { ...tree, debian: packageOf(tree) }
  return withPrivateDirectory('copylab-apt-', async (directory) => {
    const found = await availableVersions(source, {
      ...{ directory, aptState: join(cache, 'apt'), step: 'versions', signal, emit },
    })
    return found.map((version) => ({ version, tree }))
  })
}

/** By Debian's rules, which dpkg knows (deb-version(7)). Each version once. */
async function sortVersions(versions: readonly Version[]): Promise<Version[]> {
  const sorted: Version[] = []
  for (const one of versions) {
    if (sorted.some(({ version }) => version === one.version)) continue
    let place = 0
    while (place < sorted.length && (await isOlder((sorted[place] as Version).version, one.version)))
      place += 1
    sorted.splice(place, 0, one)
  }
  return sorted
}

async function isOlder(a: string, b: string): Promise<boolean> {
  const { exitCode } = await execa('dpkg', ['--compare-versions', a, 'lt', b], { reject: false })
  return exitCode === 0
}

function indexOf(versions: readonly Version[], name: string): number {
  const upstream = (version: string) => version.replace(/-[^-]*$/, '')
  const ways: ((one: Version) => boolean)[] = [
    ({ version }) => version === name,
    ({ version }) => upstream(version) === name,
    ({ tree }) => tree.label === name,
  ]
  for (const is of ways) {
    const index = versions.findLastIndex(is)
    if (index >= 0) return index
  }
  const all = versions.map(({ version }) => version).join(', ')
  throw new Failure('usage', `the end ${name}: there is no such version; the archive has ${all}`, {
    remedy:
      'name one of these with --good and --bad, or a tree of copylab.yaml; for a history, --tree REPOSITORY#REF',
  })
}
