import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { z } from 'zod'
import { findProgram } from '../../qemu/cc.ts'
import { tryMachine } from '../../qemu/trial.ts'
import { publish } from '../cache/directory.ts'
import { withLock } from '../cache/lock.ts'
import { checkRoom } from '../cache/room.ts'
import type { QemuSpec } from '../config/schema.ts'
import { type DebianSource, sourceName } from '../debian/source.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'

export interface QemuOptions {
  /** copylab's cache directory. */
  cache: string
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

/** A QEMU that lies in the cache. */
export interface FetchedQemu {
  /** Path of the program. */
  program: string
  /** Debian version of the package, such as `1:10.0.2+ds-2`. */
  version: string
}

const program = 'qemu-system-x86_64'

/** Bytes of disk that QEMU 10.0 takes while it is opened, rounded up. */
const roomNeeded = 3e8

/**
 * The libraries of the QEMU's own Debian release go before the machine's. Debian builds QEMU so that it looks for
 * its data and modules below /usr, wherever it lies itself. The name that QEMU shows stays the launcher's.
 */
const launcher = `#!/bin/bash
root=\${0%/*}/root
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu
exec -a "$0" "$root/usr/bin/${program}" \\
  -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" -L "$root/usr/lib/ipxe/qemu" "$@"
`

/**
 * Provides the emulator. One of the machine is looked up; a Debian package is fetched with all that it depends on
 * but the C library, and opened in the cache without installing anything. The version found first is kept, and later
 * runs ask apt nothing.
 * @returns path of the program
 * @throws Failure('infra')
 */
export async function provideQemu(spec: QemuSpec, options: QemuOptions): Promise<string> {
  if ('program' in spec) {
    const path = await findProgram(spec.program)
    if (path) return path
    throw new Failure('infra', `there is no QEMU called ${spec.program}`, {
      remedy: 'install qemu-system-x86, or choose another with --qemu; copylab doctor lists the choices',
    })
  }
  const known = await fetchedQemu(spec, options.cache)
  if (known) return known.program
  const directory = placeOf(spec, options.cache)
  return withLock(
    `qemu-${sourceName(spec)}`,
    async () => {
      if (!(await fetchedQemu(spec, options.cache))) await fetch(spec, directory, options)
      return join(directory, program)
    },
    options,
  )
}

/** Raised when the way of opening changes what comes out of the same packages: one that lies there is made again. */
export const recipe = 1

const readySchema = z.object({ recipe: z.literal(recipe), version: z.string() })

/** The QEMU of a Debian package, if the cache has it. */
export async function fetchedQemu(source: DebianSource, cache: string): Promise<FetchedQemu | undefined> {
  const directory = placeOf(source, cache)
  try {
    const { version } = readySchema.parse(JSON.parse(await readFile(join(directory, 'ready.json'), 'utf8')))
    return { program: join(directory, program), version }
  } catch {
    return undefined // not there, or not whole: made again
  }
}

/**
 * The request names the place, so a pin and the unpinned package are kept apart. Every version of QEMU's has an epoch, whose
 * colon would cut the launcher's LD_LIBRARY_PATH in two; Debian's own file names have it as %3a, too.
 */
function placeOf(source: DebianSource, cache: string): string {
  return join(cache, 'qemu', sourceName(source).replaceAll(':', '%3a'))
}

async function fetch(
  source: DebianSource & { suite: string },
  directory: string,
  { cache, signal, emit }: QemuOptions,
): Promise<void> {
  // Loaded late: a run that finds its QEMU has no use for it.
  const { downloadWithDependencies } = await import('../debian/download.ts')
  const step = 'qemu'
  const started = Date.now()
  emit?.({ type: 'step-started', step, detail: `${source.debian} of ${source.suite} and its libraries` })
  await mkdir(join(cache, 'qemu'), { recursive: true, mode: 0o700 })
  await checkRoom(cache, roomNeeded, 'a QEMU needs')
  await publish(directory, async (temporary) => {
    const [packages, root] = [join(temporary, 'packages'), join(temporary, 'root')]
    for (const path of [temporary, packages, root]) await mkdir(path, { mode: 0o700 })
    const aptState = join(cache, 'apt')
    const options = { directory: packages, aptState, step, signal, emit }
    const { file, version, dependencies } = await downloadWithDependencies(source, options)
    // The machine's own C library belongs to its dynamic loader, which starts every program.
    const needed = dependencies.filter((path) => !/\/libc6_[^/]*$/.test(path))
    for (const [index, deb] of [file, ...needed].entries()) {
      emit?.({ type: 'step-progress', step, done: index, total: needed.length + 1 })
      await extract(deb, root, signal)
    }
    await dropSetuid(root)
    await writeFile(join(temporary, program), launcher)
    await chmod(join(temporary, program), 0o755)
    await requireRunning(join(temporary, program), source, signal)
    const archives = (await readdir(packages)).filter((name) => name.endsWith('.deb'))
    await rm(packages, { recursive: true })
    const ready = { recipe, version, packages: archives }
    await writeFile(join(temporary, 'ready.json'), JSON.stringify(ready, null, 2))
    // One of an older recipe would keep it out; until now somebody may start it.
    await rm(directory, { recursive: true, force: true })
  })
  emit?.({ type: 'step-finished', step, cached: false, ms: Date.now() - started })
}

async function extract(deb: string, root: string, signal: AbortSignal | undefined): Promise<void> {
  const { failed, stderr, escapedCommand } = await execa('dpkg-deb', ['--extract', deb, root], {
    reject: false,
    ...(signal && { cancelSignal: signal }),
  })
  signal?.throwIfAborted()
  if (!failed) return
  throw new Failure('infra', `cannot open ${deb}: ${stderr.trim()}`, {
    command: escapedCommand,
    remedy: 'make room on the disk if it is full, then run it again: the package is fetched anew',
  })
}

/** QEMU's dependencies have programs such as passwd among them, which root would leave here able to make anyone root. */
async function dropSetuid(root: string): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const { mode } = await stat(path)
    if (mode & 0o6000) await chmod(path, mode & 0o777)
  }
}

/** A library that is missing, a C library that is too old, or data that is not found shows here and not in the middle of a run. */
async function requireRunning(path: string, source: DebianSource, signal?: AbortSignal): Promise<void> {
  const trouble = await tryMachine(path, signal)
  if (trouble === undefined) return
  throw new Failure('infra', `${sourceName(source)} does not run here: ${trouble}`, {
    remedy:
      "name a suite in copylab.yaml that is no newer than this machine's Debian: its QEMU runs on this machine's C library",
  })
}
