/**
 * How long it takes to plan a matrix of 10,000 cells, and in how much memory: `npx tsx --expose-gc tests/bench/planning.ts`.
 * It prints figures and fails for none of them. The series are read from the disk, as a run reads them.
 */
import { cp, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { loadConfig, projectRoot } from '../../harness/config/load.ts'
import { expandMatrix, matrixCells } from '../../harness/matrix/cells.ts'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'

const rounds = 9
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)
const names = (word: string, count: number) => numbers(count).map((index) => `${word}${index}`)

/** 25 trees × 10 series × 10 kconfigs × 4 emulators, less and more what 20 items of exclude and of include say. */
function sample(): string {
  const trees = names('v6.', 25)
  const kconfigs = names('k', 10)
  const qemus = names('q', 4)
  return JSON.stringify({
    trees: Object.fromEntries(trees.map((tree) => [tree, { debian: `linux-source-${tree.slice(1)}` }])),
    qemus: Object.fromEntries(qemus.map((qemu) => [qemu, { program: `bin/${qemu}` }])),
    kconfigs: Object.fromEntries(kconfigs.map((set, index) => [set, ['default', `more${index}`]])),
    tree: 'v6.0',
    matrix: {
      ...{ tree: trees, series: names('series', 10), kconfig: kconfigs, qemu: qemus },
      exclude: trees.slice(0, 20).map((tree) => ({ tree, series: 'series0', kconfig: 'k0', qemu: 'q0' })),
      include: trees
        .slice(0, 20)
        .map((tree, index) => ({ tree, series: 'series0', kconfig: 'k0', qemu: 'q0', memory: 512 + index })),
    },
  })
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Milliseconds on the clock, and of processor time, which a busy machine lengthens less. */
async function timed<T>(work: () => T | Promise<T>): Promise<{ ms: number; cpuMs: number; value: T }> {
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  const value = await work()
  const { user, system } = process.cpuUsage(cpu)
  return { ms: performance.now() - start, cpuMs: (user + system) / 1000, value }
}

await withPrivateDirectory('copylab-bench-', async (directory) => {
  await writeFile(join(directory, 'copylab.yaml'), sample())
  for (const name of names('series', 10))
    await cp(join(projectRoot, 'patches/copy-offload/6.12'), join(directory, name), { recursive: true })

  const figures = new Map<string, number[]>()
  const note = (what: string, value: number) => figures.set(what, [...(figures.get(what) ?? []), value])
  const clock = (what: string, { ms, cpuMs }: { ms: number; cpuMs: number }) => {
    note(`${what}, ms`, ms)
    note(`${what}, ms of processor time`, cpuMs)
  }
  const round = async () => {
    const loaded = await timed(() => loadConfig(directory))
    clock('copylab.yaml read and checked', loaded)
    clock('the rules of the matrix alone', await timed(() => expandMatrix(loaded.value)))
    const planned = await timed(() => matrixCells(loaded.value))
    clock('all cells planned, 10 series read', planned)
    return planned.value
  }
  const memory = () => {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed / 2 ** 20
  }
  // Those of all rounds are kept, since nobody knows what else the first one leaves behind.
  const kept = [await round()]
  const after = memory()
  while (kept.length < rounds) kept.push(await round())
  const each = (memory() - after) / (rounds - 1)
  console.log(`${kept[0]?.length} cells take ${each.toFixed(1)} MiB`)
  console.log(`times: median of ${rounds}, load average ${loadavg()[0]?.toFixed(1)}`)
  for (const [what, values] of figures) {
    const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(1))
    console.log(`${what.padEnd(58)} ${median(values).toFixed(1).padStart(7)}  (${least} to ${most})`)
  }
  console.log(`most memory of the process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`)
})
