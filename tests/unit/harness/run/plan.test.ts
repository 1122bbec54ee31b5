import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { type Config, loadConfig, type Overrides, projectRoot } from '../../../../harness/config/load.ts'
import { planCell, showPlan } from '../../../../harness/run/plan.ts'
import type { Series } from '../../../../harness/series/load.ts'

const usual = await loadConfig(projectRoot, { results: '/r' })

function series(applied: number, directory = join(projectRoot, 'patches/copy-offload')): Series {
  const patches = Array.from({ length: applied }, (_, index) => ({ path: `/p/${index}`, subject: '' }))
  const [specs, label] = [[directory], basename(directory)]
  return {
    ...{ name: 'mine', label, specs, hash: '', prefixHashes: [], patches, total: 14 },
    ...{ profile: null, notes: [], packs: [] },
  }
}
const nameOf = (config: Config, one: Series | null = null) => planCell(config, one).name

test.each([
  [null, '6.12', 'none'],
  [series(14), '6.12-copy-offload', 'copy-offload, 14 patches'],
  [series(5), '6.12-copy-offload-5of14', 'copy-offload, 5 of 14 patches'],
  [series(0), '6.12-copy-offload-0of14', 'copy-offload, 0 of 14 patches'],
])('a cell is named after its tree and series, and where that is cut off: %#', (one, name, shown) => {
  const cell = planCell(usual, one)
  expect(cell.name).toBe(name)
  expect(showPlan({ cells: [{ cell, cases: [] }], results: '/r' })).toContain(shown)
})

const given = (overrides: Overrides) => loadConfig(projectRoot, overrides)
const fragments = 'boot,virtio,block,nvme,scsi,target,zoned,dm,trace,fault'.split(',')

test.each([
  [{ tree: '7.3' }, '7.3'],
  [{ qemu: '10.0' }, '6.12-qemu-10.0'],
  [{ memory: '384', accel: 'auto', kconfig: fragments.toReversed() }, '6.12'],
  [{ memory: '1024', kconfig: [...fragments, 'debug'] }, '6.12+debug+memory=1024'],
  [{ accel: 'tcg', kconfig: fragments.filter((one) => one !== 'dm') }, '6.12+no=dm+accel=tcg'],
])('it is named after what is not as copylab comes, too: %j', async (overrides, name) => {
  expect(nameOf(await given(overrides))).toBe(name)
})

test('cells that differ have names that differ, and can be told from a path', async () => {
  const names = [
    ...['/a/qemu-system-x86_64', '/b/qemu-system-x86_64', 'qemu-system-x86_64', 'my qemu', 'my-qemu'].map(
      async (qemu) => nameOf(await given({ qemu })),
    ),
    ...['system', '10.0', '/usr/bin/10.0'].map(async (qemu) => nameOf(await given({ qemu }))),
    ...['/a/mine.config', '/b/mine.config', 'mine', 'memory=512'].map(async (one) =>
      nameOf(await given({ kconfig: [...fragments, one] })),
    ),
    ...['linux-source-6.12', '6.12=linux-source-6.12@sid', 'https://example.org/x#v1', '6.12=g:x#v1'].map(
      async (tree) => nameOf(await given({ tree })),
    ),
    nameOf(await given({ memory: '512' })),
    nameOf(await given({ kconfig: fragments.slice(1) })),
    nameOf({ ...usual, machine: { ...usual.machine, cpus: 4 } }),
    ...['/a/copy-offload', '/b/copy-offload', '/c/copy-offload-5of14', '/c/copy-offload-qemu-10.0'].map(
      (directory) => nameOf(usual, series(14, directory)),
    ),
    ...['copy-offload', 'copy-offload-5of14', 'copy-offload-qemu-10.0'].map((name) =>
      nameOf(usual, series(14, join(projectRoot, 'patches', name))),
    ),
    nameOf(usual, series(5)),
    nameOf(usual, { ...series(14), label: 'copy-offload-v2' }),
    nameOf(usual, { ...series(14), label: 'copy-offload-v3' }),
    ...['/fixes', '/x/fixes'].map((fixes) =>
      nameOf(usual, { ...series(14), label: 'copy-offload+fixes', specs: ['/copy-offload', fixes] }),
    ),
    nameOf(await given({ profile: '/a/profile.yaml' }), series(14)),
    nameOf(await given({ profile: '/b/profile.yaml' }), series(14)),
    nameOf(await given({ qemu: '10.0' }), series(14)),
    nameOf({ ...usual, tree: { label: '6.12-copy-offload', debian: 'linux-source-6.12' } }),
  ]
  const all = await Promise.all(names)
  expect(all.toSorted()).toEqual([...new Set(all)].sort())
  for (const name of all) expect(name).toMatch(/^[\w.~=+-]+$/)
})

test('a name is the same wherever copylab.yaml is checked out with what it names', () => {
  const at = (base: string) =>
    nameOf(
      { ...usual, file: join(base, 'copylab.yaml'), kconfig: [join(base, 'my/boot.config')] },
      series(14, join(base, 'my/series')),
    )
  expect(at('/a')).toBe(at('/b/c'))
  expect(at('/a')).toMatch(/^6\.12-series~\w{8}\+boot~\w{8}\+no=boot/)
})
