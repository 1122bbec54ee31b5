import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { publish } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import { checkRoom } from '../cache/room.ts'
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
export async function provideTree(
  spec: { label: string; debian: string },
  options: TreeOptions,
): Promise<Tree> {
  const trees = join(options.cache, 'trees')
  // The request names the place, so a pin and the unpinned package are kept apart.
  const directory = join(trees, spec.debian)
  const lock = `tree-${spec.debian}`
  const known = () => {
    const ready = readReady(join(directory, 'ready.json'))
    return ready && { ...ready, label: spec.label, git: join(directory, 'source'), lock }
  }
  return (
    known() ??
    (await withLock(
      lock,
      async () => {
        if (!known()) await prepare(spec.debian, directory, options)
        const tree = known()
        if (!tree) throw new Failure('infra', `${directory} vanished while the tree was being prepared`)
        return tree
      },
      options,
    ))
  )
}

function readReady(file: string): z.infer<typeof readySchema> | undefined {
  try {
    return readySchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined // not there, or not whole: made again
  }
}

async function prepare(request: string, directory: string, options: TreeOptions): Promise<void> {
  // Loaded late: a run that finds the tree ready has no use for them.
  const { downloadPackage } = await import('./debian.ts')
  const { importPackage } = await import('./import.ts')
  const { git } = await import('./git.ts')
  const { signal, emit } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })

  const packageDirectory = join(directory, 'package')
  const packageFile = join(packageDirectory, 'package.deb')
  const source = join(directory, 'source')
  const version = () => readText(join(packageDirectory, 'version'))
  const imported = () => {
    const [commit, tree] = readText(join(source, '.git', 'copylab-imported'))?.split(' ') ?? []
    return commit && tree ? { commit, tree } : undefined
  }

  await step(
    'fetch',
    `${request} from the machine's Debian archive`,
    version() !== undefined && existsSync(packageFile),
    options,
    async () => {
      await checkRoom(directory, roomNeeded, 'a kernel tree needs')
      // What is left of another package, and what came out of it: the new one may be of another version.
      for (const old of [packageDirectory, source]) await rm(old, { recursive: true, force: true })
      await publish(packageDirectory, async (temporary) => {
        await mkdir(temporary, { mode: 0o700 })
        const aptState = join(options.cache, 'apt')
        const { version } = await downloadPackage(request, { directory: temporary, aptState, signal, emit })
        await writeFile(join(temporary, 'version'), version)
      })
    },
  )
  await step('unpack', `${request} ${version()} into git`, imported() !== undefined, options, async () => {
    await rm(source, { recursive: true, force: true })
    await publish(source, async (temporary) => {
      await mkdir(temporary, { mode: 0o700 })
      const { commit, tree } = await importPackage(packageFile, temporary, options)
      await writeFile(join(temporary, '.git', 'copylab-imported'), `${commit} ${tree}`)
    })
  })
  await step('checkout', source, false, options, async () => {
    // Left by a checkout that was killed; we hold the tree's own lock.
    await rm(join(source, '.git', 'index.lock'), { force: true })
    await git(source, ['-c', 'checkout.workers=0', 'reset', '--quiet', '--hard', 'base'], { signal })
  })
  const base = imported()
  if (!base) throw new Failure('infra', `${source} vanished while it was being checked out`)
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
