/**
 * Bisections of the series with a mutant in each of its patches: `npx tsx tests/bench/mutants.ts [PATCH…]`. A line of the
 * table each: whether it was found, and what it took. It prints figures and fails for none of them.
 *
 * Mutants that different cases are caught by are planted at once: each bisection has the others' failures around it, and
 * kernels of earlier ones in the cache. What would hide others is planted alone. All of them take more than an hour on
 * two cores.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { loadConfig, projectRoot } from '../../harness/config/load.ts'
import { findPlanted, header } from './planted.ts'

interface Mutant {
  /** It makes cases of others fail, or there is no kernel to run them. */
  alone?: true
  /** A line that the patch adds, and what it becomes. Or what is added at its end, where it adds no code. */
  change: [from: string, to: string] | { hunk: string }
  /** How it is asked for. */
  question: string[]
}

const panic = 'static int __init planted(void) { panic("planted"); } late_initcall(planted);'

/** The last patch adds documentation only; its mutant takes what is reserved in the argument of BLKCOPY. */
const reserved = `diff --git a/block/ioctl.c b/block/ioctl.c
--- a/block/ioctl.c
+++ b/block/ioctl.c
@@ -190,5 +190,5 @@
 \terr = -EINVAL;
-\tif (arg.reserved[0] || arg.reserved[1])
+\tif (arg.reserved[0] && arg.reserved[1])
 \t\tgoto out;
 \tsrc.offset = arg.src_offset;
 \tsrc.len = arg.len;
`

/** By the patch's number. The first five are seen without the ioctl that they lead to. */
const mutants: Record<number, Mutant> = {
  1: {
    alone: true,
    change: ['\t/* Nor can the bios of a copy, which have to be of the same length */', '\tint planted;'],
    question: ['--symptom', 'warning'],
  },
  2: {
    alone: true,
    change: ['\tif (!lim->max_copy_ranges)', '\tif (WARN_ON_ONCE(!lim->max_copy_ranges))'],
    question: ['--case', 'plain/001', '--symptom', 'splat'],
  },
  3: {
    alone: true,
    change: [
      'static void bio_copy_end_io(struct bio *bio)',
      `${panic} static void bio_copy_end_io(struct bio *bio)`,
    ],
    question: ['--symptom', 'boot'],
  },
  4: {
    alone: true,
    change: ['static int __init blk_copy_init(void)', 'static int __init blk_copy_init(planted)'],
    question: ['--symptom', 'build'],
  },
  5: {
    alone: true,
    change: ['\tunsigned int done = 0, nr;', '\tunsigned int done = 0, nr, planted;'],
    question: ['--symptom', 'warning'],
  },
  6: {
    alone: true,
    change: ['\tif (arg.reserved[0] || arg.reserved[1])', '\tif (arg.reserved[0] && arg.reserved[1])'],
    question: ['--case', 'block/011'],
  },
  7: {
    change: [
      '\t    arg.reserved0 || arg.reserved[0] || arg.reserved[1])',
      '\t    arg.reserved[0] || arg.reserved[1])',
    ],
    question: ['--case', 'block/051'],
  },
  8: {
    change: ['\tif (pos_out >= size)', '\tif (pos_out > size)'],
    question: ['--case', 'block/061'],
  },
  9: {
    change: [
      '\t\t\terr = null_copy_page(from, src->sector + done,',
      '\t\t\terr = null_copy_page(from, src->sector + (done ^ 8),',
    ],
    question: ['--case', 'null/001'],
  },
  10: {
    alone: true,
    change: ['\t\t} else if (op_is_copy(bio->bi_opf)) {', '\t\t} else if (op_is_write(bio->bi_opf)) {'],
    question: ['--case', 'dm/077'],
  },
  11: {
    change: ['\tti->copy_supported = true;', '\tti->copy_supported = false;'],
    // Of null_blk, since nothing below copies yet but that.
    question: ['--case', 'dm/038'],
  },
  12: {
    alone: true,
    change: ['\tvoid *range;', '\tvoid range;'],
    question: ['--symptom', 'build'],
  },
  13: {
    change: [
      '\t\tu64 slba = nvme_sect_to_lba(ns->head, src->sector);',
      '\t\tu64 slba = nvme_sect_to_lba(ns->head, src->sector) + !!(src->nr_sectors % 16);',
    ],
    question: ['--case', 'nvme/003'],
  },
  14: {
    change: ['\thost->cdfe = cpu_to_le16(cdfe);', '\thost->cdfe = 0;'],
    question: ['--case', 'nvme/030', '--qemu', '10.0'],
  },
  15: {
    change: ['\tlim.max_hw_copy_sectors = UINT_MAX;', '\tlim.max_hw_copy_sectors = 0;'],
    question: ['--case', 'nvme/080'],
  },
  16: { change: { hunk: reserved }, question: ['--case', 'block/011'] },
}

function mutated(patch: string, { change }: Mutant): string {
  if ('hunk' in change) return patch.trimEnd().concat('\n', change.hunk)
  const [from, to] = change
  const parts = patch.split(`\n+${from}\n`)
  if (parts.length !== 2) throw new Error(`the patch does not add this line once: ${from}`)
  return parts.join(`\n+${to}\n`)
}

/** A copy of the series with some of the mutants. */
async function plant(place: string, numbers: readonly number[]): Promise<string> {
  const original = join(projectRoot, 'patches/copy-offload')
  await rm(place, { recursive: true, force: true })
  await cp(original, place, { recursive: true })
  const names = (await readFile(join(original, '6.12/series'), 'utf8')).trim().split('\n')
  for (const number of numbers) {
    const file = join(place, '6.12', names[number - 1] as string)
    await writeFile(file, mutated(await readFile(file, 'utf8'), mutants[number] as Mutant))
  }
  return place
}

async function main(numbers: number[]): Promise<void> {
  const config = await loadConfig(projectRoot, { tree: '6.12' })
  const place = resolve(config.results, 'mutants')
  await mkdir(place, { recursive: true })
  const all = Object.keys(mutants).map(Number)
  const social = all.filter((number) => !mutants[number]?.alone)
  const together = await plant(join(place, 'series'), social)
  console.log(header)
  for (const number of numbers.length ? numbers : all) {
    const mutant = mutants[number]
    if (!mutant) throw new Error(`there is no mutant of patch ${number}`)
    const series = mutant.alone ? await plant(join(place, `series-${number}`), [number]) : together
    await findPlanted({
      ...{ name: `patch ${number}`, culprit: `patches-${number}`, changes: all.length },
      ...{ question: ['series', '--series', series, ...mutant.question], results: join(place, `${number}`) },
    })
  }
}

await main(process.argv.slice(2).map(Number))
