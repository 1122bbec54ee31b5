import { access, copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { storageRemedy } from '../cache/room.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { type CcacheCounts, readCcacheLog, showCcache, statsVariable } from './ccache.ts'
import type { Request } from './fragments.ts'
import { configure } from './kconfig.ts'
import { runMake } from './make.ts'
import { buildEnvironment, hasCcache, reproducible } from './toolchain.ts'

export interface BuildOptions {
  /** The source's work tree; the caller holds its lock. */
  source: string
  /** The O= directory. */
  directory: string
  requests: Request[]
  /** Directory above both of them. */
  ccacheBase: string
  jobs: number
  log: string
  /** Descriptor of the lock. */
  lock: number
  step: <T>(name: string, detail: string, work: () => Promise<T>) => Promise<T>
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

export interface Built {
  ccache: CcacheCounts | null
  /** Writes the image that QEMU starts, without symbols and debug information. */
  install(to: string): Promise<void>
}

/**
 * vmlinux starts at once, by its PVH note. With KASAN it cannot: the PVH entry calls memcmp() (in hypervisor_cpuid_base(),
 * arch/x86/include/asm/cpuid.h) before there is shadow memory. Such a kernel is started by its bzImage.
 */
export function imageOf(config: string): { target: string; file: string } {
  return /^CONFIG_KASAN=y$/m.test(config)
    ? { target: 'bzImage', file: 'arch/x86/boot/bzImage' }
    : { target: 'vmlinux', file: 'vmlinux' }
}

/** Configures and builds the kernel. */
export async function build(options: BuildOptions): Promise<Built> {
  const { source, directory, requests, jobs, log, lock, step, signal, emit } = options
  const ccacheLog = join(directory, 'copylab-ccache.log')
  await rm(ccacheLog, { force: true })
  const environment = { ...buildEnvironment(options.ccacheBase), [statsVariable]: ccacheLog }
  const compiler = (await hasCcache()) ? ['CC=ccache gcc'] : []
  // A recipe's words together: which object a warning belongs to is told by the line before it.
  const how = [`-j${jobs}`, '--output-sync=target']
  const common = ['-C', source, `O=${directory}`, ...how, ...compiler, ...reproducible]
  const make = (targets: string[], onLine?: (line: string) => void) =>
    runMake({ args: [...common, ...targets], environment, log, lock, signal, ...(onLine && { onLine }) })

  await step('kconfig', `${requests.length} options`, () =>
    configure(source, directory, requests, (...targets) => make(targets)),
  )
  const image = imageOf(await readFile(join(directory, '.config'), 'utf8'))
  const count = await counter(directory)
  await step('build', `${image.target} with make -j${jobs}, log ${log}`, () =>
    make([image.target], (line) => {
      const done = count.line(line)
      if (done !== undefined)
        emit?.({ type: 'step-progress', step: 'build', done, ...count.total, note: 'objects' })
    }),
  )
  await count.save()
  const ccache = await readCcacheLog(ccacheLog)
  if (ccache) emit?.({ type: 'note', message: showCcache(ccache) })
  const file = join(directory, image.file)
  return {
    ccache,
    async install(to) {
      if (image.target === 'vmlinux') await strip(file, to, signal)
      else await copyFile(file, to)
    },
  }
}

async function strip(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const { failed, stderr, shortMessage, escapedCommand } = await execa('strip', ['-o', to, from], {
    env: { LC_ALL: 'C' },
    reject: false,
    ...(signal && { cancelSignal: signal }),
  })
  signal?.throwIfAborted()
  if (!failed) return
  throw new Failure('infra', `cannot strip the kernel: ${stderr.trim() || shortMessage}`, {
    command: escapedCommand,
    ...storageRemedy(stderr),
  })
}

/** Counts compiled objects. How many a build from nothing takes is remembered beside the objects. */
async function counter(directory: string) {
  const remembered = join(directory, 'copylab-objects')
  const fromNothing = await access(join(directory, 'vmlinux')).then(
    () => false,
    () => true,
  )
  const last = Number(await readFile(remembered, 'utf8').catch(() => ''))
  let objects = 0
  return {
    // A rebuild compiles an unknown part of them: a total would mislead.
    total: fromNothing && last > 0 ? { total: last } : {},
    line(line: string): number | undefined {
      if (!/^ {2}(CC|AS|HOSTCC) /.test(line)) return undefined
      objects += 1
      return objects
    },
    async save() {
      // The higher one: a build that was interrupted counts the rest only when it goes on.
      if (fromNothing) await writeFile(remembered, String(Math.max(last || 0, objects)))
    },
  }
}
