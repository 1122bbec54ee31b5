/** Kernels in one file, for other machines and for the caches of CI systems. */
import { existsSync, statSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { extract } from 'tar'
import { z } from 'zod'
import { Failure } from '../failure.ts'
import { metaSchema, sha256 } from '../kernel/provide.ts'
import { readReady } from '../tree/imported.ts'
import { publish, withTemporary } from './directory.ts'
import { keepInUse, kernelLock } from './lock.ts'

const manifestSchema = z.object({
  copylabKernels: z.literal(1),
  /** SHA-256 by path below the cache. */
  files: z.record(z.string(), z.string()),
})

const kernelFiles = ['meta.json', 'image', 'config', 'build.log']

/** All that an export may have. What tells a tree's identity goes along: without it nobody knows the kernel's key. */
const members =
  /^(manifest\.json|kernels\/[0-9a-f]{64}\/(meta\.json|image|config|build\.log)|trees\/(?!\.)[\w.+:~=@-]+\/(ready\.json|commits\/[0-9a-f]{40}\.json))$/

/**
 * Writes kernels of the cache to a tar file, packed by gzip if its name ends in .gz or .tgz. The file is there whole
 * or not at all.
 * @param keys keys, or what they begin with; none: all kernels
 * @returns the keys of what was written
 * @throws Failure('usage') when a key names no kernel, or several
 */
export async function exportKernels(
  cache: string,
  file: string,
  keys: readonly string[],
  signal?: AbortSignal,
): Promise<string[]> {
  const all = (await readdir(join(cache, 'kernels')).catch(() => [])).filter((name) =>
    /^[0-9a-f]{64}$/.test(name),
  )
  const chosen = keys.length ? keys.map((key) => oneOf(all, key)) : all
  const files: Record<string, string> = {}
  const written: string[] = []
  for (const key of chosen.sort()) {
    signal?.throwIfAborted()
    await keepInUse(kernelLock(key), { signal })
    const paths = kernelFiles.map((name) => join('kernels', key, name))
    // Evicted since it was listed, or not whole.
    if (!paths.every((path) => existsSync(join(cache, path)))) continue
    for (const path of paths) files[path] = await sha256(join(cache, path))
    written.push(key)
  }
  for (const path of await identities(cache)) files[path] = await sha256(join(cache, path))

  // Beside the file: a rename must not leave its disk.
  await withTemporary(file, async (temporary) => {
    await mkdir(temporary)
    await writeFile(join(temporary, 'manifest.json'), JSON.stringify({ copylabKernels: 1, files }))
    const archive = join(temporary, 'archive')
    const packed = /\.(gz|tgz)$/.test(file) ? ['--gzip'] : []
    const names = ['--null', '--verbatim-files-from', '--files-from=-']
    const who = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rw,go=r', '--no-recursion']
    const { failed, stderr, escapedCommand } = await execa(
      'tar',
      [
        '--create',
        `--file=${archive}`,
        ...packed,
        ...who,
        '-C',
        temporary,
        'manifest.json',
        '-C',
        cache,
        ...names,
      ],
      {
        ...{
          input: Object.keys(files)
            .map((path) => `${path}\0`)
            .join(''),
          reject: false,
          env: { LC_ALL: 'C' },
        },
        ...(signal && { cancelSignal: signal }),
      },
    )
    signal?.throwIfAborted()
    if (failed) {
      throw new Failure('infra', `cannot write ${file}: ${stderr.trim().split('\n', 1)[0]}`, {
        ...{ command: escapedCommand, remedy: 'choose another place for it' },
      })
    }
    await rename(archive, file)
  })
  return written
}

export interface Imported {
  /** Keys of kernels that were not there before. */
  added: string[]
  /** Keys of those that were. */
  known: string[]
}

/**
 * Puts the kernels of an export into the cache, each whole or not at all, once all of the file was read and is what
 * its manifest says.
 * @throws Failure('usage') when the file is no export, or was cut short or changed
 */
export async function importKernels(cache: string, file: string, signal?: AbortSignal): Promise<Imported> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new Failure('usage', `there is no file ${file}`, { remedy: 'make it with copylab cache export' })
  const result: Imported = { added: [], known: [] }
  // In the cache: a rename must not leave its disk.
  await withTemporary(join(cache, 'import'), async (temporary) => {
    await mkdir(temporary, { mode: 0o700 })
    unpack(file, temporary)
    for (const path of await verified(file, temporary)) {
      signal?.throwIfAborted()
      const [kind, name = ''] = path.split('/')
      const [from, to] = [join(temporary, path), join(cache, path)]
      if (kind === 'trees' && !existsSync(to)) {
        await publish(to, (place) => rename(from, place), { durable: true })
      } else if (path.endsWith('/meta.json')) {
        result[existsSync(to) ? 'known' : 'added'].push(name)
        if (existsSync(to)) continue
        // What is there but not whole would keep this one out.
        await rm(dirname(to), { recursive: true, force: true })
        await publish(dirname(to), (place) => rename(dirname(from), place), { durable: true })
      }
    }
  })
  return result
}

function unpack(file: string, directory: string): void {
  let stranger: string | undefined
  const take = (path: string, { type }: { type?: string }) => {
    const wanted = members.test(path) && type === 'File'
    if (!wanted) stranger ??= path
    return wanted
  }
  try {
    // At once: what fails must have nothing that still writes when its directory is removed.
    extract({
      ...{ file, cwd: directory, sync: true, strict: true, preserveOwner: false, noMtime: true },
      filter: (path, entry) => take(path, entry as { type?: string }),
    })
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException
    // What the file system says is not the file's fault.
    if (/^E[A-Z]+$/.test(code)) throw cause
    throw damaged(file, message)
  }
  if (stranger !== undefined) throw damaged(file, `it has ${JSON.stringify(stranger)} in it`)
}

/** The paths that the manifest has, after a look at each of them. */
async function verified(file: string, directory: string): Promise<string[]> {
  const manifest = join(directory, 'manifest.json')
  let files: Record<string, string>
  try {
    files = manifestSchema.parse(JSON.parse(await readFile(manifest, 'utf8'))).files
  } catch {
    throw damaged(file, 'it has no manifest that this copylab can read')
  }
  for (const [path, hash] of Object.entries(files)) {
    if (!members.test(path)) throw damaged(file, `its manifest has ${JSON.stringify(path)}`)
    const there = await stat(join(directory, path)).catch(() => undefined)
    if (!there) throw damaged(file, `it lacks ${path}`)
    if ((await sha256(join(directory, path))) !== hash) throw damaged(file, `${path} was changed`)
    if (!path.endsWith('/meta.json')) continue
    const lacks = kernelFiles.find((name) => files[join(dirname(path), name)] === undefined)
    if (lacks) throw damaged(file, `it lacks the ${lacks} of ${dirname(path)}`)
    const meta = metaSchema.safeParse(JSON.parse(await readFile(join(directory, path), 'utf8')))
    if (!meta.success) throw damaged(file, `${path} is of another version of copylab`)
  }
  return Object.keys(files)
}

function damaged(file: string, reason: string): Failure {
  return new Failure('usage', `${file} is no whole export of kernels: ${reason}`, {
    remedy: 'make it again with copylab cache export',
  })
}

/** Files that say which content the trees of packages and commits have; those of files of this machine mean nothing elsewhere. */
async function identities(cache: string): Promise<string[]> {
  const names = await readdir(join(cache, 'trees')).catch(() => [])
  const all = names.map(async (name) => {
    const ready = readReady(join(cache, 'trees', name))
    const commits = await readdir(join(cache, 'trees', name, 'commits')).catch(() => [])
    return [
      ...(ready?.stamp === '' ? [join('trees', name, 'ready.json')] : []),
      ...commits.map((commit) => join('trees', name, 'commits', commit)),
    ]
  })
  return (await Promise.all(all)).flat().filter((path) => members.test(path))
}

function oneOf(all: readonly string[], key: string): string {
  const found = all.filter((name) => name.startsWith(key))
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  throw new Failure('usage', `${found.length ? 'several kernels begin' : 'no kernel begins'} with ${key}`, {
    remedy: 'copylab cache ls shows the kernels',
  })
}
