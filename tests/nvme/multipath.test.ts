// A namespace behind two controllers: copies on its multipath node are offloaded, along whichever path is there.
import { expect } from 'vitest'
import type { CaseTools } from '../fixtures/case.ts'
import { kernelCase } from '../fixtures/case.ts'
import {
  choosePaths,
  controllerOf,
  controllersOf,
  onlyControllerOf,
  pathsTo,
  reset,
  without,
} from '../fixtures/controllers.ts'
import { NO_FALLBACK } from '../fixtures/copy.ts'
import type { Copying } from '../fixtures/flight.ts'
import { tool } from '../fixtures/lab.ts'
import { KiB, MiB } from '../fixtures/units.ts'
import { whileCopying } from './under-way.ts'

const path = 'nvme-same-namespace'

/** An offloaded copy of 1 MiB inside of `shared`, which must not fall back. */
async function offloads({ disk, copy, pattern, proof }: CaseTools, to: number) {
  const ns = await disk('shared')
  const data = pattern(MiB(1))
  await ns.write(KiB(4), data)
  const call = await copy(
    { path, from: ns.at(KiB(4)), to: ns.at(to), bytes: data.bytes },
    { flags: NO_FALLBACK },
  )
  proof.guest(call).moved()
  const { copies } = proof.device(call).moved()
  for (const one of copies) expect(one).toMatchObject({ disk: 'shared', format: 0 })
  await proof.host(ns).changedOnly(to, data)
}

/** Copies inside of `shared`, and `meanwhile` something happens to its two controllers. */
async function many(tools: CaseTools, meanwhile: (copying: Copying, controllers: string[]) => Promise<void>) {
  const { disk, proof } = tools
  const ns = await disk('shared')
  const { call, changes, bytes } = await whileCopying(tools, ns, async (copying, controllers) => {
    expect(controllers).toHaveLength(2)
    await meanwhile(copying, controllers)
  })
  proof.guest(call).moved('traced')
  proof.device(call).reached(changes.length * bytes, 'traced', { reset: true })
  await proof.host(ns).changedOnlyIn(changes)
}

kernelCase(
  'nvme/080',
  'a copy inside of a namespace behind two controllers is offloaded',
  { offloads: ['nvme-same-namespace', 'nvme-multipath'], needs: ['CONFIG_NVME_MULTIPATH'] },
  async (tools) => {
    await offloads(tools, MiB(8))
  },
)

kernelCase(
  'nvme/081',
  'each of the two controllers copies when the other one is gone',
  { offloads: ['nvme-same-namespace', 'nvme-multipath'], needs: ['CONFIG_NVME_MULTIPATH'] },
  async (tools) => {
    const { disk, session } = tools
    const ns = await disk('shared')
    for (const [index, controller] of (await controllersOf(session, ns)).entries())
      await without(session, controller, () => offloads(tools, MiB(4 + 4 * index)))
    await offloads(tools, MiB(12))
  },
)

kernelCase(
  'nvme/082',
  'round robin: both controllers copy',
  { offloads: ['nvme-same-namespace', 'nvme-multipath'], needs: ['CONFIG_NVME_MULTIPATH', 'limits'] },
  async (tools) => {
    const { disk, copy, pattern, proof, session } = tools
    const ns = await disk('shared')
    const data = pattern(MiB(1))
    await ns.write(0, data)
    const paths = await pathsTo(session, ns)
    expect(paths).toHaveLength(2)
    await session.setQueue(ns, session.profile.sysfs.limit, String(KiB(64)))
    const before = await written(tools, paths)
    await choosePaths(session, ns, 'round-robin')
    const call = await copy(
      { path, from: ns.at(0), to: ns.at(MiB(8)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    const after = await written(tools, paths)
    proof.guest(call).moved()
    expect(proof.device(call).moved().copies).toHaveLength(16)
    for (const index of paths.keys()) expect(after[index]).toBeGreaterThan(before[index] ?? 0)
    await proof.host(ns).changedOnly(MiB(8), data)
  },
)

/** Requests that were completed on each path, but for reads. Documentation/ABI/stable/sysfs-block, stat, field 5. */
async function written({ session }: CaseTools, paths: readonly string[]): Promise<number[]> {
  const lines = await session.must([tool, 'get', ...paths.map((one) => `${one}/stat`)])
  return lines
    .trim()
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[4]))
}

/** The path to `shared` that copies take, and the other one. */
async function pathsInUse({ disk, session }: CaseTools): Promise<[busy: string, idle: string]> {
  const paths = await pathsTo(session, await disk('shared'))
  for (let looks = 0; looks < 100; looks++) {
    // Documentation/ABI/stable/sysfs-block, inflight: reads and others.
    const text = await session.must([tool, 'get', ...paths.map((one) => `${one}/inflight`)])
    const busy = text
      .trim()
      .split('\n')
      .map((line) => /[1-9]/.test(line))
    if (busy.length === 2 && busy[0] !== busy[1])
      return busy[0] ? [paths[0] ?? '', paths[1] ?? ''] : [paths[1] ?? '', paths[0] ?? '']
  }
  throw new Error(`no copies were seen on just one of ${paths.join(', ')}`)
}

kernelCase(
  'nvme/083',
  'one of two controllers is reset while copies are under way',
  {
    offloads: ['nvme-same-namespace', 'nvme-multipath'],
    needs: ['CONFIG_NVME_MULTIPATH', 'limits', 'tracepoints'],
  },
  async (tools) => {
    const { session } = tools
    let other: string[] = []
    let before: number[] = []
    await many(tools, async (copying) => {
      const [busy, idle] = await pathsInUse(tools)
      other = [idle]
      before = await written(tools, other)
      await reset(session, [controllerOf(busy)], copying)
    })
    expect((await written(tools, other))[0], 'copies on the other path').toBeGreaterThan(before[0] ?? 0)
  },
)

kernelCase(
  'nvme/084',
  'both controllers are reset while copies are under way, so that there is no path for a while',
  {
    offloads: ['nvme-same-namespace', 'nvme-multipath'],
    needs: ['CONFIG_NVME_MULTIPATH', 'limits', 'tracepoints'],
  },
  async (tools) => {
    await many(tools, async (copying, controllers) => {
      const resets = await reset(tools.session, controllers, copying)
      const began = Math.max(...resets.map((one) => one.began))
      expect(began, 'both at once').toBeLessThan(Math.min(...resets.map((one) => one.ended)))
    })
  },
)

kernelCase(
  'nvme/085',
  'one of two controllers is removed while copies are under way, and then the other',
  {
    offloads: ['nvme-same-namespace', 'nvme-multipath'],
    needs: ['CONFIG_NVME_MULTIPATH', 'limits', 'tracepoints'],
  },
  async (tools) => {
    const gone: number[] = []
    for (let times = 0; times < 2; times++) {
      await many(tools, async (copying, controllers) => {
        // The one that has come back does not take the copies from the other one.
        const controller = controllerOf((await pathsInUse(tools))[0])
        gone.push(controllers.indexOf(controller))
        await without(tools.session, controller, async () => {}, copying)
      })
    }
    expect(gone.sort()).toEqual([0, 1])
  },
)

kernelCase(
  'nvme/086',
  'between a namespace behind both controllers and one behind the second: offloaded by that one',
  { offloads: ['nvme-cross-namespace', 'nvme-multipath'], needs: ['CONFIG_NVME_MULTIPATH'] },
  async (tools) => {
    const { disk, copy, pattern, proof, session } = tools
    const [shared, right] = [await disk('shared'), await disk('right')]
    const data = pattern(MiB(1))
    await shared.write(0, data)
    const call = await copy(
      { path: 'nvme-cross-namespace', from: shared.at(0), to: right.at(MiB(1)), bytes: data.bytes },
      { flags: NO_FALLBACK },
    )
    proof.guest(call).moved()
    proof.device(call).moved()
    await proof.host(right).changedOnly(MiB(1), data)
    await proof.host(shared).unchanged()

    // Back there are two ways, only one of which can copy, until there is but that.
    const others = await controllersOf(session, shared)
    others.splice(others.indexOf(await onlyControllerOf(session, right)), 1)
    await without(session, others[0] ?? '', async () => {
      const back = await copy(
        { path: 'nvme-cross-namespace', from: right.at(MiB(1)), to: shared.at(MiB(8)), bytes: data.bytes },
        { flags: NO_FALLBACK },
      )
      proof.guest(back).moved()
      proof.device(back).moved()
      await proof.host(shared).changedOnly(MiB(8), data)
      await proof.host(right).unchanged()
    })
  },
)

kernelCase(
  'nvme/087',
  'to a namespace behind both controllers from one behind the second, whichever path is taken',
  { needs: ['CONFIG_NVME_MULTIPATH', 'tracepoints', 'limits'] },
  async (tools) => {
    const { disk, copy, pattern, proof, session } = tools
    const [from, to] = [await disk('right'), await disk('shared')]
    const data = pattern(KiB(256))
    await from.write(0, data)
    await session.setQueue(to, session.profile.sysfs.limit, String(KiB(64)))
    const places = [MiB(4), MiB(5), MiB(6), MiB(7)]
    const requests = places.map((at) => ({
      path: 'nvme-cross-namespace' as const,
      from: from.at(0),
      to: to.at(at),
      bytes: data.bytes,
    }))
    await choosePaths(session, to, 'round-robin')
    const call = await copy(requests)
    proof.guest(call).moved('traced')
    proof.device(call).moved('traced')
    await proof.host(to).changedOnlyIn(places.map((at) => [at, data]))
    await proof.host(from).unchanged()
  },
)
