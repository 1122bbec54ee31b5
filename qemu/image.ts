import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { Failure } from '../harness/failure.ts'
import { compileStatic, findProgram } from './cc.ts'
import { type Entry, writeCpio } from './cpio.ts'

export interface InitrdOptions {
  cacheDir: string
  /** Where the image, and what is known of `files`, goes; default `cacheDir`. For files that nobody will want again. */
  imageDir?: string
  /** Host programs wanted, by name or path. */
  tools: string[]
  /** Further host files with their absolute place in the guest; mode as on the host unless given. */
  files?: { host: string; guest: string; mode?: number }[]
}

interface Source {
  host: string
  guest: string
  mode: number
}

/** Counts up when the layout of the image changes. */
const layout = 1

/**
 * Libraries that a program opens by itself, where ldd does not see them: pthread_exit() of cryptsetup's key
 * derivation needs libgcc_s.
 */
const opened: Record<string, string[]> = {
  cryptsetup: ['/lib/x86_64-linux-gnu/libgcc_s.so.1'],
}

/**
 * Provides the guest's root: the agent as /init, busybox with its applets, the tools with their shared libraries, and
 * the files. It is an uncompressed cpio archive, since unpacking is the guest's work and slow under TCG. Content-
 * addressed by path, size, mode and modification time of all it is made of, so that a warm call only stats files.
 * `missing` lists the tools that the host does not have. Throws an infra Failure when busybox, a compiler or a given
 * file is missing.
 */
export async function provideInitrd(options: InitrdOptions): Promise<{ path: string; missing: string[] }> {
  const { cacheDir, imageDir = cacheDir } = options
  const agent = await compileStatic(fileURLToPath(new URL('agent/agent.c', import.meta.url)), cacheDir)
  const busybox = await findProgram('busybox')
  if (!busybox) {
    throw new Failure('infra', 'cannot make the guest image: there is no busybox', {
      remedy: 'install busybox-static',
    })
  }
  const found = await Promise.all(
    options.tools.map(async (tool) => ({ tool, host: await findProgram(tool) })),
  )
  const missing = found.flatMap(({ tool, host }) => (host ? [] : tool))
  const programs = found.flatMap(({ host }): Source[] => (host ? [{ host, guest: host, mode: 0o755 }] : []))
  const files = await Promise.all((options.files ?? []).map(givenFile))
  const own = [
    { host: agent, guest: '/init', mode: 0o755 },
    { host: busybox, guest: '/bin/busybox', mode: 0o755 },
    ...programs,
  ]
  const sources = [...own, ...files]

  const [ofPrograms, ofFiles] = await Promise.all([librariesOf(own, cacheDir), librariesOf(files, imageDir)])
  const libraries = [...new Set([...ofPrograms, ...ofFiles])].sort()
  const all = [...sources, ...libraries.map((path) => ({ host: path, guest: path, mode: 0o755 }))]
  const path = join(imageDir, `initrd-${await keyOf(all)}.cpio`)
  if (await stat(path).catch(() => undefined)) return { path, missing }

  const applets = await execa(busybox, ['--list'])
  const entries: Entry[] = [
    ...all.map(({ host, guest, mode }): Entry => ({ path: guest, kind: 'file', source: host, mode })),
    ...applets.stdout
      .split('\n')
      .map((name): Entry => ({ path: `/bin/${name}`, kind: 'link', target: 'busybox' })),
    { path: '/etc/passwd', kind: 'text', text: 'root:x:0:0:root:/root:/bin/sh\n', mode: 0o644 },
    { path: '/etc/group', kind: 'text', text: 'root:x:0:\n', mode: 0o644 },
    ...['/dev', '/proc', '/sys', '/tmp', '/run', '/root', '/mnt'].map(
      (path): Entry => ({ path, kind: 'directory' }),
    ),
  ]
  await publish(path, (temporary) => writeCpio(temporary, entries))
  return { path, missing }
}

async function givenFile({
  host,
  guest,
  mode,
}: {
  host: string
  guest: string
  mode?: number
}): Promise<Source> {
  const status = await stat(host).catch((cause) => {
    throw new Failure(
      'usage',
      `cannot put ${host} into the guest: ${cause.code === 'ENOENT' ? 'no such file' : cause.message}`,
    )
  })
  if (!status.isFile())
    throw new Failure('usage', `cannot put ${host} into the guest: it is not a regular file`)
  return { host, guest, mode: mode ?? status.mode & 0o7777 }
}

/**
 * Shared libraries of all programs, as ldd finds them. It takes 10 ms a program, so the answer is kept under the
 * programs' key together with the linker's cache, which changes whenever a library moves.
 */
async function librariesOf(sources: readonly Source[], directory: string): Promise<string[]> {
  if (!sources.length) return []
  const linker = { host: '/etc/ld.so.cache', guest: '', mode: 0 }
  const memo = join(directory, `libraries-${await keyOf([...sources, linker])}.json`)
  const known = await readFile(memo, 'utf8').catch(() => undefined)
  if (known) return JSON.parse(known)

  const libraries = new Set<string>()
  for (const { host } of sources) {
    const { stdout, stderr, exitCode } = await execa('ldd', [host], { reject: false, env: { LC_ALL: 'C' } })
    const absent = stdout.split('\n').find((line) => line.includes('not found'))
    if (absent)
      throw new Failure('infra', `cannot put ${host} into the guest: ${absent.trim()}`, {
        command: `ldd ${host}`,
      })
    if (exitCode && !/not a dynamic executable/.test(stdout + stderr)) {
      throw new Failure('infra', `cannot list the libraries of ${host}: ${stderr}`, {
        command: `ldd ${host}`,
      })
    }
    for (const match of stdout.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)) libraries.add(match[1] as string)
    for (const path of opened[basename(host)] ?? []) {
      if (await stat(path).catch(() => undefined)) libraries.add(path)
    }
  }
  const sorted = [...libraries].sort()
  await publish(memo, (temporary) => writeFile(temporary, JSON.stringify(sorted)))
  return sorted
}

async function keyOf(sources: readonly Source[]): Promise<string> {
  const facts = await Promise.all(
    sources.map(async ({ host, guest, mode }) => {
      const { size, mtimeMs } = await stat(host).catch(() => ({ size: -1, mtimeMs: 0 }))
      return [host, guest, mode, size, mtimeMs]
    }),
  )
  return createHash('sha256')
    .update(JSON.stringify([layout, facts]))
    .digest('hex')
    .slice(0, 20)
}

async function publish(final: string, make: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(join(final, '..'), { recursive: true, mode: 0o700 })
  const temporary = `${final}.${process.pid}.tmp`
  try {
    await make(temporary)
    await rename(temporary, final)
  } finally {
    await rm(temporary, { force: true })
  }
}
