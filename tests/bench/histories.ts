/**
 * Bisections of real histories: `npx tsx tests/bench/histories.ts [FAULT…]`. Of the Debian tree of 6.12 it makes a repository
 * with 40 harmless commits, and for each fault a branch with one more at a place that the seed tells. copylab has to
 * find it with the series carried to every commit. A line of the table each: whether it was found, and what it took.
 *
 * It prints figures and fails for none of them. Seven faults take two hours on two cores.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { cacheDirectory } from '../../harness/cache/directory.ts'
import { loadConfig, projectRoot } from '../../harness/config/load.ts'
import { showProgress } from '../../harness/report/progress.ts'
import { git } from '../../harness/tree/git.ts'
import { provideTree } from '../../harness/tree/provide.ts'
import { findPlanted, header } from './planted.ts'

interface Fault {
  /** A file of the tree, a text in it, and what it becomes. */
  file: string
  from: string
  to: string
  /** How it is asked for. */
  question: string[]
}

const linear = 'drivers/md/dm-linear.c'
const constructed = '\tti->num_flush_bios = 1;\n\tti->num_discard_bios = 1;\n'
const mapped = '\treturn lc->start + dm_target_offset(ti, bi_sector);\n'

const identified =
  '\tif (error) {\n\t\tkfree(*id);\n\t\t*id = NULL;\n\t}\n\treturn error;\n}\n\nstatic int nvme_process'

const faults: Record<string, Fault> = {
  build: {
    ...{
      file: 'drivers/md/dm-delay.c',
      from: '#include <linux/device-mapper.h>\n',
      to: '#include <linux/device-mapper.h>\nint planted = PLANTED;\n',
    },
    question: ['--symptom', 'build'],
  },
  boot: {
    ...{ file: 'kernel/ksysfs.c', from: 'core_initcall(ksysfs_init);' },
    to: 'core_initcall(ksysfs_init);\nstatic int __init planted(void) { panic("planted"); }\nlate_initcall(planted);',
    question: ['--symptom', 'boot'],
  },
  data: { file: linear, from: mapped, to: mapped.replace(';', ' + 8;'), question: ['--case', 'dm/001'] },
  offload: {
    ...{ file: 'drivers/nvme/host/core.c', from: identified },
    to: `\tif (!error)\n\t\t(*id)->oncs &= ~cpu_to_le16(1 << 8);\n${identified}`,
    question: ['--case', 'nvme/001', '--symptom', 'offload'],
  },
  splat: {
    ...{ file: linear, from: constructed, to: `\tWARN_ON_ONCE(argc == 2);\n${constructed}` },
    question: ['--case', 'dm/001', '--symptom', 'splat'],
  },
  flaky: {
    ...{
      file: linear,
      from: constructed,
      to: `\tlc->start += 8 * (get_random_u32_below(10) < 3);\n${constructed}`,
    },
    question: ['--case', 'dm/001'],
  },
  slow: {
    ...{
      file: linear,
      from: constructed,
      to: `\tschedule_timeout_uninterruptible(msecs_to_jiffies(400));\n${constructed}`,
    },
    question: ['--case', 'dm/001', '--symptom', 'slow'],
  },
}

/** Harmless changes are made to these in turn. */
const harmless = [
  'drivers/md/dm-flakey.c',
  'drivers/block/loop.c',
  'drivers/scsi/scsi_debug.c',
  'block/badblocks.c',
]
const count = 40

/** A seeded generator: the same places in every run. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

async function commit(repository: string, file: string, text: string, subject: string): Promise<string> {
  await writeFile(join(repository, file), text)
  await git(repository, ['commit', '--quiet', '--all', `--message=${subject}`])
  return git(repository, ['rev-parse', 'HEAD'])
}

/** Makes the branch of a fault. @returns its first commit, and the one that has the fault */
async function plant(
  repository: string,
  base: string,
  name: string,
  place: number,
): Promise<[string, string]> {
  const { file, from, to } = faults[name] as Fault
  await git(repository, ['checkout', '--quiet', '--force', '-B', name, base])
  let planted = ''
  for (let index = 0; index < count; index += 1) {
    if (index === place) {
      const before = await readFile(join(repository, file), 'utf8')
      if (before.split(from).length !== 2) throw new Error(`${file} does not have it once: ${from}`)
      planted = await commit(
        repository,
        file,
        before.replace(from, () => to),
        `${name}: change ${index}b`,
      )
    }
    const other = harmless[index % harmless.length] as string
    const text = await readFile(join(repository, other), 'utf8')
    await commit(repository, other, `${text}\n/* change ${index} */\n`, `change ${index}`)
  }
  return [base, planted]
}

async function main(names: string[]): Promise<void> {
  const config = await loadConfig(projectRoot, { tree: '6.12' })
  const progress = showProgress({ stream: process.stderr })
  const tree = await provideTree(config.tree, { cache: cacheDirectory(), emit: progress.emit })
  progress.close()
  const place = resolve(config.results, 'histories')
  const repository = join(place, 'linux')
  await rm(repository, { recursive: true, force: true })
  await mkdir(place, { recursive: true })
  await git('/', ['clone', '--quiet', '--shared', '--no-checkout', '--template=', tree.git, repository])
  console.log(header)
  const chance = random(42)
  const places = Object.fromEntries(Object.keys(faults).map((name) => [name, Math.floor(chance() * count)]))
  for (const name of names.length ? names : Object.keys(faults)) {
    const [good, planted] = await plant(repository, tree.base, name, places[name] as number)
    await findPlanted({
      ...{ name, culprit: planted, changes: count + 1, results: join(place, name) },
      question: [
        ...['tree', '--tree', `6.12=${repository}#${name}`, '--good', good, '--bad', name],
        ...(faults[name] as Fault).question,
      ],
    })
  }
}

await main(process.argv.slice(2))
