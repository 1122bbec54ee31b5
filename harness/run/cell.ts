/** Turns a planned cell into things that can be booted. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { chooseAccelerator, qemuVersion } from '../../qemu/accel.ts'
import { compileStatic } from '../../qemu/cc.ts'
import { bootGuest, type Guest, type Machine } from '../../qemu/guest.ts'
import { provideInitrd } from '../../qemu/image.ts'
import { defaultTopology, slower, type Topology } from '../../qemu/topology.ts'
import { cacheDirectory } from '../cache/directory.ts'
import { projectRoot } from '../config/load.ts'
import type { Emit } from '../events.ts'
import { deviceTraceEvents } from '../evidence/device-trace.ts'
import { type Kernel, provideKernel } from '../kernel/provide.ts'
import { provideQemu } from '../qemu/provide.ts'
import { seriesFacts } from '../series/load.ts'
import { findTree } from '../tree/find.ts'
import type { CellFacts } from './outcome.ts'
import type { Cell } from './plan.ts'
import { together } from './together.ts'

export interface CellOptions {
  /** Programs of the host to put into the guest's root, those of them that it has. */
  tools: readonly string[]
  /** Further host files and their places in the guest. */
  files?: { host: string; guest: string; mode?: number }[]
  /** Where to make a guest image that is wanted only once. Default: in the cache. */
  imageDir?: string
  signal: AbortSignal
  emit: Emit
}

export interface ProvidedCell {
  facts: CellFacts
  initrd: string
  /** Path of the kernel's .config. */
  kernelConfig: string
}

/** Programs of tests/guest; the guest has them in /bin under these names. */
const guestPrograms = ['blkcopy', 'dmtable']

/** Fetches, builds and makes whatever the cell wants and the cache does not have. */
export async function provideCell(
  cell: Cell,
  { tools, files = [], imageDir, signal, emit }: CellOptions,
): Promise<ProvidedCell> {
  const started = performance.now()
  const cache = cacheDirectory()
  const { accel, cpus, memory } = cell.machine
  const provideMachine = async (signal: AbortSignal): Promise<Machine> => {
    const qemu = await provideQemu(cell.machine.qemu, { cache, signal, emit })
    const [version, accelerator] = await together(signal, (signal) => [
      qemuVersion({ qemu, stateDir: cache }),
      chooseAccelerator({ wanted: accel, qemu, stateDir: cache, signal, emit }),
    ])
    return { qemu, qemuVersion: version, accel: accelerator.accel, cpus, memoryMiB: memory }
  }
  const provideRoot = async () => {
    const cacheDir = join(cache, 'guest')
    const own = await Promise.all(
      guestPrograms.map(async (name) => {
        const host = await compileStatic(join(projectRoot, 'tests/guest', `${name}.c`), cacheDir)
        return { host, guest: `/bin/${name}`, mode: 0o755 }
      }),
    )
    return provideInitrd({
      ...{ cacheDir, tools: [...tools], files: [...own, ...files] },
      ...(imageDir === undefined ? {} : { imageDir }),
    })
  }
  const provideSource = async (signal: AbortSignal) => {
    const tree = await findTree(cell.tree, { cache, signal, emit })
    const { series, kconfig } = cell
    const kernel = await provideKernel({ tree, series, fragments: kconfig, cache, signal, emit })
    return kernel
  }
  const [machine, root, kernel] = await together(signal, (signal) => [
    provideMachine(signal),
    provideRoot(),
    provideSource(signal),
  ])
  const { series } = cell
  return {
    facts: {
      cell,
      treeVersion: kernel.treeVersion,
      series: series && seriesFacts(series),
      kernel: kernelFacts(kernel),
      machine,
      topology: defaultTopology.name,
      preparedMs: performance.now() - started,
    },
    initrd: root.path,
    kernelConfig: kernel.config,
  }
}

function kernelFacts({ key, release, compiler, image }: Kernel): CellFacts['kernel'] {
  return { key, release, compiler, image }
}

/** KASAN with lockdep under TCG takes two minutes and more to boot where a plain kernel takes three seconds. */
const slowBootMs = 600_000

/** So much more time such a kernel has for a case, and so much longer a disk takes that is made to take its time. */
export const slowness = 4

/** Whether the kernel finds bugs at the price of its speed. */
export function isSlow({ kernelConfig }: ProvidedCell): boolean {
  return /^CONFIG_KASAN=y$/m.test(readFileSync(kernelConfig, 'utf8'))
}

/** Boots a guest of the cell, with the default topology or another one, in a private directory that has no other guest in it. */
export function bootCell(
  cell: ProvidedCell,
  directory: string,
  { topology = defaultTopology, ...o }: { topology?: Topology; signal: AbortSignal; emit: Emit },
): Promise<Guest> {
  const { facts, initrd } = cell
  const slow = isSlow(cell)
  return bootGuest({
    kernel: facts.kernel.image,
    initrd,
    topology: slow ? slower(topology, slowness) : topology,
    machine: facts.machine,
    directory,
    traceEvents: deviceTraceEvents,
    ...(slow ? { bootTimeoutMs: slowBootMs } : {}),
    ...o,
  })
}
