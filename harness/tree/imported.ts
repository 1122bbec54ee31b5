/** Trees that are imported into a repository of their own: of packages, tarballs and plain directories. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { access, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { publish } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import { checkRoom } from '../cache/room.ts'
import type { TreeSource } from '../config/schema.ts'
import type { DebianSource } from '../debian/source.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { requirePrograms } from '../programs.ts'
import type { Archive } from './archive.ts'
import type { Place, Tree, TreeOptions } from './provide.ts'

/** Bytes of disk that the package, the git objects and the work tree of 6.12 take, rounded up. */
export const roomNeeded = 2.5e9

const readySchema = z.object({
  id: z.string(),
  version: z.string(),
  base: z.string(),
  /** Changes when the source may have changed; that of a package never does. */
  stamp: z.string().default(''),
})

type Ready = z.infer<typeof readySchema>

/** A directory here is one that is no git work tree. */
export type ImportedSource = Exclude<TreeSource, { git: string }>

/**
 * Three steps, each whole or absent, so that an interrupted run goes on after the last whole one: the package, the
 * git objects, the work tree. The version of a package that was found first is recorded, and later runs ask apt
 * nothing; a file or directory that has changed since is imported again, on top of what is there.
 */
export async function provideImported(
  source: ImportedSource,
  { directory, lock, label }: Place,
  options: TreeOptions,
): Promise<Tree> {
  const stamp = await stampOf(source, options)
  const known = () => {
    const ready = readReady(directory)
    if (!ready || ready.stamp !== stamp || !existsSync(join(directory, 'source', '.git'))) return undefined
    const { id, version, base } = ready
    return { id, version, base, label, git: join(directory, 'source'), lock, objects: `${lock} ${id}` }
  }
  return (
    known() ??
    (await withLock(
      lock,
      async () => {
        if (!known()) await prepare(source, stamp, directory, options)
        const tree = known()
        if (!tree) throw new Failure('infra', `${directory} vanished while the tree was being prepared`)
        return tree
      },
      options,
    ))
  )
}

/** The identity of a tree that was imported once and has not changed since; its files may be gone. */
export async function findImported(
  source: ImportedSource,
  { directory }: Place,
  options: TreeOptions,
): Promise<Pick<Ready, 'id' | 'version'> | undefined> {
  const ready = readReady(directory)
  return ready && ready.stamp === (await stampOf(source, options)) ? ready : undefined
}

export function readReady(directory: string): Ready | undefined {
  try {
    return readySchema.parse(JSON.parse(readFileSync(join(directory, 'ready.json'), 'utf8')))
  } catch {
    return undefined // not there, or not whole: made again
  }
}

/** What changes when the source does, without reading all of it: times, sizes, names. */
async function stampOf(source: ImportedSource, { signal }: TreeOptions): Promise<string> {
  if ('debian' in source) return ''
  if ('tarball' in source) {
    const { size, ino, mtimeNs, ctimeNs } = await stat(source.tarball, { bigint: true })
    return [size, ino, mtimeNs, ctimeNs].join('-')
  }
  await refuseBuilt(source.directory)
  const format = ['%P', '%y%m', '%s', '%T@', '%C@', '%l', ''].join('\\0')
  requirePrograms(['find'])
  const hash = createHash('sha256')
  const find = execa('find', [source.directory, '-printf', format], {
    ...{ buffer: { stdout: false }, encoding: 'buffer', stdin: 'ignore', reject: false },
    ...(signal && { cancelSignal: signal }),
  })
  find.stdout.on('data', (data: Buffer) => hash.update(data))
  const { failed, stderr } = await find
  signal?.throwIfAborted()
  if (failed) {
    const words = Buffer.from(stderr).toString().trim().split('\n', 1)[0]
    throw new Failure('usage', `cannot read all of ${source.directory}: ${words}`, {
      remedy: 'make it readable, or give copylab a copy that is',
    })
  }
  return hash.digest('hex')
}

/** Objects and settings of a build would be taken for source, and kbuild refuses a source that has them. */
async function refuseBuilt(directory: string): Promise<void> {
  for (const name of ['.config', 'include/config', 'include/generated', 'vmlinux']) {
    const there = await access(join(directory, name)).then(
      () => true,
      () => false,
    )
    if (!there) continue
    throw new Failure('usage', `a kernel was built in ${directory}: it has ${name}`, {
      remedy: `make -C ${directory} mrproper`,
    })
  }
}

async function prepare(
  source: ImportedSource,
  stamp: string,
  directory: string,
  options: TreeOptions,
): Promise<void> {
  // Loaded late: a run that finds the tree ready has no use for them.
  const { importTree } = await import('./import.ts')
  const { git } = await import('./git.ts')
  const { keepWithinLimit } = await import('../cache/prune.ts')
  const { debianArchive, directoryArchive, tarball } = await import('./archive.ts')
  const { signal } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })

  const workTree = join(directory, 'source')
  const imported = () => {
    const [commit, tree, version, made] =
      readText(join(workTree, '.git', 'copylab-imported'))?.split(' ') ?? []
    return commit && tree && version && made === stamp ? { commit, tree, version } : undefined
  }
  let archive: Archive
  let packageVersion: string | undefined
  let detail: string
  if ('debian' in source) {
    const { file, version } = await fetchPackage(source, directory, options)
    ;[archive, packageVersion, detail] = [debianArchive(file), version, `${source.debian} ${version}`]
  } else {
    archive = 'tarball' in source ? await tarball(source.tarball) : directoryArchive(source.directory)
    detail = archive.what
  }

  await step('unpack', `${detail} into git`, imported() !== undefined, options, async () => {
    if (packageVersion === undefined) await checkRoom(directory, roomNeeded, 'a kernel tree needs')
    const fill = async (repository: string) => {
      const { commit, tree, version } = await importTree(archive, repository, options)
      await writeFile(join(repository, '.git', 'copylab-imported'), [commit, tree, version, stamp].join(' '))
    }
    // On top of what is there: the checkout then changes, and make compiles, only what is new.
    if (stamp && existsSync(join(workTree, '.git', 'copylab-imported'))) {
      await removeHalfPacks(workTree)
      return fill(workTree)
    }
    await rm(workTree, { recursive: true, force: true })
    await publish(workTree, async (temporary) => {
      await mkdir(temporary, { mode: 0o700 })
      await fill(temporary)
    })
  })
  const base = imported()
  if (!base) throw new Failure('infra', `${workTree} vanished while it was being imported`)
  await step('checkout', workTree, false, options, async () => {
    // Left by a checkout that was killed; we hold the tree's own lock.
    await rm(join(workTree, '.git', 'index.lock'), { force: true })
    await git(workTree, ['update-ref', '--no-deref', 'HEAD', base.commit], { signal })
    await git(workTree, ['-c', 'checkout.workers=0', 'reset', '--quiet', '--hard', base.commit], { signal })
  })
  const ready = join(directory, 'ready.json')
  const version = packageVersion ?? base.version
  const content: Ready = { id: base.tree, version, base: base.commit, stamp }
  await writeFile(`${ready}.new`, JSON.stringify(content))
  await rename(`${ready}.new`, ready)
  await keepWithinLimit(options.cache, options)
}

async function fetchPackage(
  source: DebianSource,
  directory: string,
  options: TreeOptions,
): Promise<{ file: string; version: string }> {
  const { downloadPackage } = await import('../debian/download.ts')
  const place = source.suite === undefined ? "the machine's Debian archive" : `Debian's ${source.suite}`
  const packageDirectory = join(directory, 'package')
  const file = join(packageDirectory, 'package.deb')
  const version = () => readText(join(packageDirectory, 'version'))
  const done = version() !== undefined && existsSync(file)
  await step('fetch', `${source.debian} from ${place}`, done, options, async () => {
    await checkRoom(directory, roomNeeded, 'a kernel tree needs')
    // What is left of another package, and what came out of it: the new one may be of another version.
    for (const old of ['package', 'source']) await rm(join(directory, old), { recursive: true, force: true })
    await publish(packageDirectory, async (temporary) => {
      await mkdir(temporary, { mode: 0o700 })
      const { signal, emit } = options
      const { version } = await downloadPackage(source, {
        ...{ directory: temporary, aptState: join(options.cache, 'apt'), step: 'fetch', signal, emit },
      })
      await writeFile(join(temporary, 'version'), version)
    })
  })
  return { file, version: version() ?? '' }
}

/** Packs that an import which was killed had begun. */
async function removeHalfPacks(workTree: string): Promise<void> {
  const packs = join(workTree, '.git', 'objects', 'pack')
  const names = await readdir(packs).catch(() => [])
  const half = names.filter((name) => name.startsWith('tmp_'))
  await Promise.all(half.map((name) => rm(join(packs, name), { force: true })))
}

/** Work that takes a while, unless it was done before. */
export async function step(
  name: string,
  detail: string,
  done: boolean,
  { emit, signal }: { emit?: Emit | undefined; signal?: AbortSignal | undefined },
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
