import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { publish } from '../cache/directory.ts'
import { buildLockFile, keepInUse, kernelLock, withLock } from '../cache/lock.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import type { Series } from '../series/load.ts'
import type { FoundTree } from '../tree/find.ts'
import type { Tree } from '../tree/provide.ts'
import type { CcacheCounts } from './ccache.ts'
import { configLine, type Request, readFragments } from './fragments.ts'
import { compilerVersion } from './toolchain.ts'

export interface KernelOptions {
  /** One that is only found is provided when a kernel has to be built from it. */
  tree: Tree | FoundTree
  /** null: the tree as it is. */
  series: Series | null
  /** Paths of kconfig fragments. */
  fragments: string[]
  /** Build it where other configurations of the tree are built: what they have in common is not compiled again. */
  sharedBuild?: boolean | undefined
  /** copylab's cache directory. */
  cache: string
  /** Of a kernel that was built without a note of its warnings, they are found out by another build. */
  warnings?: boolean
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

export interface Kernel {
  /** Path of the image that QEMU starts: a stripped vmlinux with a PVH note, or a bzImage. */
  image: string
  /** SHA-256 of all that goes into the image. */
  key: string
  /** As `uname -r` says it. */
  release: string
  /** Path of the final .config. */
  config: string
  /** Of the tree that was asked for; the same content may have been built under another name. */
  treeVersion: string
  compiler: string
  seriesHash: string | null
  /** Path of make's output. */
  buildLog: string
  /** false: it was in the cache. */
  built: boolean
  /** Milliseconds that the build took, whenever that was. */
  buildMs: number
  /** What ccache did in that build; null: it was not there, or does not say. */
  ccache: CcacheCounts | null
  /** Of the compiler over the whole kernel, as `notedWarnings` has them; null: nobody took notes. */
  warnings: string[] | null
}

/** Raised when the way of building changes what comes out of the same inputs. */
const recipe = 2

export const metaSchema = z.object({
  release: z.string(),
  treeVersion: z.string(),
  compiler: z.string(),
  seriesHash: z.string().nullable(),
  buildMs: z.number(),
  /** Of the image: one that was cut short must not boot as if it were the kernel's fault. */
  imageBytes: z.number(),
  /** Kernels of older copylabs have none. */
  imageSha256: z.string().optional(),
  ccache: z.object({ hits: z.number(), misses: z.number() }).nullable().default(null),
  warnings: z.array(z.string()).nullable().default(null),
})
type Meta = z.infer<typeof metaSchema>

/**
 * Provides the kernel of a tree, a series and kconfig fragments. What has been built before from the same inputs is
 * taken from the cache, and neither make nor git is started.
 * @throws Failure: 'usage' when the series does not apply or an option is dropped, 'infra' when the build fails.
 */
export async function provideKernel(wanted: KernelOptions): Promise<Kernel> {
  const { key, series, requests, compiler } = await identify(wanted)
  const options = { ...wanted, series }
  const { tree, cache } = options
  const directory = join(cache, 'kernels', key)
  const known = () => {
    const kernel = readKernel(directory, key)
    return kernel && (kernel.warnings || !wanted.warnings) ? kernel : undefined
  }
  // From here on nobody evicts it.
  await keepInUse(kernelLock(key), options)
  const cached = known()
  if (cached) return { ...cached, treeVersion: tree.version, built: false }

  const source = 'provide' in tree ? await tree.provide() : tree
  // The package has moved on since its content was recorded: that is another kernel, which may be there.
  if (source.id !== tree.id) return provideKernel({ ...wanted, tree: source })
  let built = false
  const started = Date.now()
  const kernel = await withLock(
    source.lock,
    async (lock) => {
      const other = known()
      if (other) return other
      built = true
      const whole = readKernel(directory, key) !== undefined
      // What is there but not whole would keep the new one out.
      if (!whole) await rm(directory, { recursive: true, force: true })
      await buildKernel(directory, requests, compiler, lock, started, { ...options, tree: source })
      return known()
    },
    options,
  )
  if (!kernel) throw new Failure('infra', `${directory} vanished as soon as it was published`)
  if (built) await import('../cache/prune.ts').then(({ keepWithinLimit }) => keepWithinLimit(cache, options))
  return { ...kernel, treeVersion: source.version, built }
}

/**
 * What a kernel is addressed by, and whether the cache has it, which the next moment may not be so.
 * @throws Failure('usage') when the fragments cannot be read
 */
export async function lookUpKernel(
  wanted: Identity & Pick<KernelOptions, 'cache'>,
): Promise<{ key: string; cached: boolean }> {
  const { key } = await identify(wanted)
  return { key, cached: readKernel(join(wanted.cache, 'kernels', key), key) !== undefined }
}

interface Identity extends Pick<KernelOptions, 'series' | 'fragments'> {
  tree: Pick<Tree, 'id'>
}

async function identify({ tree, series: given, fragments }: Identity) {
  // Of a series that is cut off before its first patch, the tree remains as it is.
  const series = given?.patches.length ? given : null
  const [requests, compiler] = await Promise.all([readFragments(fragments), compilerVersion()])
  // Whether an option must be there decides whether this build fails, so it is not the same kernel.
  const wantedLines = requests.map((request) => [configLine(request), request.optional ?? false])
  const inputs = [recipe, tree.id, series?.hash ?? null, wantedLines, compiler]
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
  return { key, series, requests, compiler }
}

function readKernel(directory: string, key: string): Omit<Kernel, 'built'> | undefined {
  const inside = (name: string) => join(directory, name)
  try {
    const { imageBytes, imageSha256, ...meta } = metaSchema.parse(
      JSON.parse(readFileSync(inside('meta.json'), 'utf8')),
    )
    if (statSync(inside('image')).size !== imageBytes) return undefined
    return { ...meta, key, image: inside('image'), config: inside('config'), buildLog: inside('build.log') }
  } catch {
    return undefined // not there, or not whole: made again
  }
}

async function buildKernel(
  directory: string,
  requests: Request[],
  compiler: string,
  lock: number,
  started: number,
  options: KernelOptions & { tree: Tree },
): Promise<void> {
  // Loaded late: a run that finds its kernel has no use for them.
  const { applySeries } = await import('../series/apply.ts')
  const { driftNote } = await import('../series/load.ts')
  const { build } = await import('./build.ts')
  const { addWarnings, beginNotes, notedWarnings, startOver, takeNotes } = await import('./warnings.ts')
  const { tree, series, cache, signal, emit } = options
  const step = async <T>(name: string, detail: string, work: () => Promise<T>): Promise<T> => {
    const began = Date.now()
    emit?.({ type: 'step-started', step: name, detail })
    const result = await work()
    emit?.({ type: 'step-finished', step: name, cached: false, ms: Date.now() - began })
    return result
  }
  const drift = series && driftNote(series, tree)
  if (drift) emit?.({ type: 'note', message: drift })
  const detail = series ? `${series.name}, ${series.patches.length} patches, on ${tree.version}` : 'none'
  await step('series', detail, () => applySeries(tree, series, options))

  // One build directory for a tree and a configuration: another series then compiles only what it changes.
  const configuration = options.sharedBuild ? 'any' : requests.map(configLine).join('\n')
  const hashes = [tree.objects, configuration].map(shortHash)
  const buildDirectory = join(cache, 'build', [tree.label, ...hashes].join('-'))
  if (options.warnings) await startOver(buildDirectory)
  await mkdir(buildDirectory, { recursive: true, mode: 0o700 })
  await writeFile(join(buildDirectory, buildLockFile), tree.lock)
  const log = join(buildDirectory, 'copylab-build.log')
  await beginNotes(buildDirectory)
  // Of a build that was killed.
  await takeNotes(buildDirectory, log, tree.git)
  await rm(log, { force: true })
  const result = await build({
    source: tree.git,
    directory: buildDirectory,
    requests,
    ccacheBase: cache,
    jobs: availableParallelism(),
    log,
    lock,
    step,
    signal,
    emit,
  })
  await takeNotes(buildDirectory, log, tree.git)
  const warnings = await notedWarnings(buildDirectory, tree.git)
  // Others may be about to boot it: it is the same kernel, of which more is known now.
  if (readKernel(directory, basename(directory))) return addWarnings(join(directory, 'meta.json'), warnings)
  const fill = async (temporary: string) => {
    await mkdir(temporary, { mode: 0o700 })
    const image = join(temporary, 'image')
    await result.install(image)
    await copyFile(join(buildDirectory, '.config'), join(temporary, 'config'))
    await copyFile(log, join(temporary, 'build.log'))
    const release = await readFile(join(buildDirectory, 'include/config/kernel.release'), 'utf8')
    const meta: Meta = {
      release: release.trim(),
      treeVersion: tree.version,
      compiler,
      seriesHash: series?.hash ?? null,
      buildMs: Date.now() - started,
      imageBytes: (await stat(image)).size,
      imageSha256: await sha256(image),
      ccache: result.ccache,
      warnings,
    }
    await writeFile(join(temporary, 'meta.json'), `${JSON.stringify(meta, null, 2)}\n`)
  }
  await publish(directory, fill, { durable: true })
}

/** SHA-256 of a file, in hex. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(file)) hash.update(part)
  return hash.digest('hex')
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
