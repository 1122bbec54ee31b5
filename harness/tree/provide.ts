import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { publish } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import { checkRoom } from '../cache/room.ts'
import type { TreeSpec } from '../config/schema.ts'
import { type DebianSource, sourceName } from '../debian/source.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'

export interface TreeOptions {
  /** copylab's cache directory. */
  cache: string
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

/** A kernel source that lies ready for a series. */
export interface Tree {
  /** Hash of the git tree of `base`: the same content has the same id, wherever it came from. */
  id: string
  /** Its name in copylab.yaml, such as `6.12`. */
  label: string
  /** Debian version of the package, such as `6.12.57-1~deb12u1`. */
  version: string
  /** Path of the git work tree. Whoever changes what is checked out holds the lock `lock`. */
  git: string
  /** Commit of the unpatched source. */
  base: string
  /** Name for withLock(). */
  lock: string
}

/** Bytes of disk that the package, the git objects and the work tree of 6.12 take, rounded up. */
const roomNeeded = 2.5e9

const readySchema = z.object({ id: z.string(), version: z.string(), base: z.string() })

/**
 * Provides the kernel source of a Debian linux-source package as a git work tree in the cache.
 *
 * Three steps, each whole or absent, so that an interrupted run goes on after the last whole one: the package, the
 * git objects, the work tree. The version found first is recorded, and later runs ask apt nothing.
 */
export async function provideTree(spec: TreeSpec, options: TreeOptions): Promise<Tree> {
  const directory = placeOf(spec, options.cache)
  const known = () => knownTree(spec, options.cache)
  return (
    known() ??
    (await withLock(
      lockOf(spec),
      async () => {
        if (!known()) await prepare(spec, directory, options)
        const tree = known()
        if (!tree) throw new Failure('infra', `${directory} vanished while the tree was being prepared`)
        return tree
      },
      options,
    ))
  )
}

/** The tree, if it lies ready in the cache. */
export function knownTree(spec: TreeSpec, cache: string): Tree | undefined {
  const directory = placeOf(spec, cache)
  const ready = readReady(directory)
  return ready && { ...ready, label: spec.label, git: join(directory, 'source'), lock: lockOf(spec) }
}

function lockOf(source: DebianSource): string {
  return `tree-${sourceName(source)}`
}

/** The Debian version of the tree, if it lies ready in the cache. */
export function fetchedTree(source: DebianSource, cache: string): string | undefined {
  return readReady(placeOf(source, cache))?.version
}

/** The request names the place, so a pin and the unpinned package are kept apart. */
function placeOf(source: DebianSource, cache: string): string {
  return join(cache, 'trees', sourceName(source))
}

function readReady(directory: string): z.infer<typeof readySchema> | undefined {
  try {
    return readySchema.parse(JSON.parse(readFileSync(join(directory, 'ready.json'), 'utf8')))
  } catch {
    return undefined // not there, or not whole: made again
  }
}

async function prepare(source: DebianSource, directory: string, options: TreeOptions): Promise<void> {
  // Loaded late: a run that finds the tree ready has no use for them.
  const { downloadPackage } = await import('../debian/download.ts')
  const { importPackage } = await import('./import.ts')
  const { git } = await import('./git.ts')
  const { signal, emit } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })

  const packageDirectory = join(directory, 'package')
  const packageFile = join(packageDirectory, 'package.deb')
  const workTree = join(directory, 'source')
  const request = source.debian
  const place = source.suite === undefined ? "the machine's Debian archive" : `Debian's ${source.suite}`
  const version = () => readText(join(packageDirectory, 'version'))
  const imported = () => {
    const [commit, tree] = readText(join(workTree, '.git', 'copylab-imported'))?.split(' ') ?? []
    return commit && tree ? { commit, tree } : undefined
  }

  await step(
    'fetch',
    `${request} from ${place}`,
    version() !== undefined && existsSync(packageFile),
    options,
    async () => {
      await checkRoom(directory, roomNeeded, 'a kernel tree needs')
      // What is left of another package, and what came out of it: the new one may be of another version.
      for (const old of [packageDirectory, workTree]) await rm(old, { recursive: true, force: true })
      await publish(packageDirectory, async (temporary) => {
        await mkdir(temporary, { mode: 0o700 })
        const aptState = join(options.cache, 'apt')
        const { version } = await downloadPackage(source, {
          ...{ directory: temporary, aptState, step: 'fetch', signal, emit },
        })
        await writeFile(join(temporary, 'version'), version)
      })
    },
  )
  await step('unpack', `${request} ${version()} into git`, imported() !== undefined, options, async () => {
    await rm(workTree, { recursive: true, force: true })
    await publish(workTree, async (temporary) => {
      await mkdir(temporary, { mode: 0o700 })
      const { commit, tree } = await importPackage(packageFile, temporary, options)
      await writeFile(join(temporary, '.git', 'copylab-imported'), `${commit} ${tree}`)
    })
  })
  await step('checkout', workTree, false, options, async () => {
    // Left by a checkout that was killed; we hold the tree's own lock.
    await rm(join(workTree, '.git', 'index.lock'), { force: true })
    await git(workTree, ['-c', 'checkout.workers=0', 'reset', '--quiet', '--hard', 'base'], { signal })
  })
  const base = imported()
  if (!base) throw new Failure('infra', `${workTree} vanished while it was being checked out`)
  const ready = join(directory, 'ready.json')
  const content: z.infer<typeof readySchema> = { id: base.tree, version: version() ?? '', base: base.commit }
  await writeFile(`${ready}.new`, JSON.stringify(content))
  await rename(`${ready}.new`, ready)
}

async function step(
  name: string,
  detail: string,
  done: boolean,
  { emit, signal }: TreeOptions,
  work: () => Promise<void>,
): Promise<void> {
  signal?.throwIfAborted()
  if (done) return
  const started = Date.now()
  emit?.({ type: 'step-started', step: name, detail })
  await work()
  emit?.({ type: 'step-finished', step: name, cached: false, ms: Date.now() - started })
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
