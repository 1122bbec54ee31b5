/**
 * Bisections of the series with a mutant planted in each of its patches in turn: `npx tsx tests/bench/mutants.ts [PATCH…]`.
 * A line of the table each: whether it was found, and what it took. It prints figures and fails for none of them. All of
 * them take an hour and a half on two cores.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { loadConfig, projectRoot } from '../../harness/config/load.ts'
import { findPlanted, header } from './planted.ts'

interface Mutant {
  /** A line that the patch adds, and what it becomes. Or what is added at its end, where it adds no code. */
  change: [from: string, to: string] | { hunk: string }
  /** How it is asked for. */
  question: string[]
}

const panic = 'static int __init planted(void) { panic("planted"); } late_initcall(planted);'
const fallsBack = ['--symptom', 'offload']

/** The last patch adds documentation only; its mutant makes each Copy command one block too short. */
const shortCopy = `diff --git a/drivers/nvme/host/core.c b/drivers/nvme/host/core.c
--- a/drivers/nvme/host/core.c
+++ b/drivers/nvme/host/core.c
@@ -900,3 +900,3 @@
 		while (nlb) {
-			u32 n = min(nlb, mssrl);
+			u32 n = nlb > 1 ? 1 : min(nlb, mssrl);
 
`

/** By the patch's number. The first five are seen without the ioctl that they lead to. */
const mutants: Record<number, Mutant> = {
  1: {
    change: ['\t/* Nor can the bios of a copy, which have to be of the same length */', '\tint planted;'],
    question: ['--symptom', 'warning'],
  },
  2: {
    change: ['\tif (!lim->max_copy_ranges)', '\tif (WARN_ON_ONCE(!lim->max_copy_ranges))'],
    question: ['--case', 'plain/001', '--symptom', 'splat'],
  },
  3: {
    change: [
      'static void bio_copy_end_io(struct bio *bio)',
      `${panic} static void bio_copy_end_io(struct bio *bio)`,
    ],
    question: ['--symptom', 'boot'],
  },
  4: {
    change: ['static int __init blk_copy_init(void)', 'static int __init blk_copy_init(planted)'],
    question: ['--symptom', 'build'],
  },
  5: {
    change: ['\tunsigned int done = 0, nr;', '\tunsigned int done = 0, nr, planted;'],
    question: ['--symptom', 'warning'],
  },
  6: {
    change: ['\tif (flags & ~BLK_COPY_NO_FALLBACK)', '\tif (flags & ~(BLK_COPY_NO_FALLBACK | 2))'],
    question: ['--case', 'block/010'],
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
    change: ['\t\t} else if (op_is_copy(bio->bi_opf)) {', '\t\t} else if (op_is_write(bio->bi_opf)) {'],
    question: ['--case', 'dm/077'],
  },
  11: {
    change: ['\tti->copy_supported = true;', '\tti->copy_supported = false;'],
    question: ['--case', 'dm/001'],
  },
  12: {
    change: ['\tvoid *range;', '\tvoid range;'],
    question: ['--symptom', 'build'],
  },
  13: {
    change: ['\t\t\tslba += n;', '\t\t\tslba += n > 1 ? n - 1 : n;'],
    question: ['--case', 'nvme/003'],
  },
  14: {
    change: ['\t\t\t\t\tcpu_to_le32(src_ns->head->ns_id);', '\t\t\t\t\tcpu_to_le32(ns->head->ns_id);'],
    question: ['--case', 'nvme/020', '--qemu', '10.0'],
  },
  15: {
    change: ['\tlim.max_hw_copy_sectors = UINT_MAX;', '\tlim.max_hw_copy_sectors = 0;'],
    question: ['--case', 'nvme/080', ...fallsBack],
  },
  16: { change: { hunk: shortCopy }, question: ['--case', 'nvme/003'] },
}

function mutated(patch: string, { change }: Mutant): string {
  if ('hunk' in change) return patch.trimEnd().concat('\n', change.hunk)
  const [from, to] = change
  const parts = patch.split(`\n+${from}\n`)
  if (parts.length !== 2) throw new Error(`the patch does not add this line once: ${from}`)
  return parts.join(`\n+${to}\n`)
}

async function main(numbers: number[]): Promise<void> {
  const config = await loadConfig(projectRoot, { tree: '6.12' })
  const place = resolve(config.results, 'mutants')
  await mkdir(place, { recursive: true })
  const original = join(projectRoot, 'patches/copy-offload')
  const names = (await readFile(join(original, '6.12/series'), 'utf8')).trim().split('\n')
  console.log(header)
  for (const number of numbers.length ? numbers : Object.keys(mutants).map(Number)) {
    const mutant = mutants[number]
    if (!mutant) throw new Error(`there is no mutant of patch ${number}`)
    const series = join(place, `series-${number}`)
    await rm(series, { recursive: true, force: true })
    await cp(original, series, { recursive: true })
    const file = join(series, '6.12', names[number - 1] as string)
    await writeFile(file, mutated(await readFile(file, 'utf8'), mutant))
    await findPlanted({
      ...{ name: `patch ${number}`, culprit: `patches-${number}`, changes: names.length },
      ...{ question: ['series', '--series', series, ...mutant.question], results: join(place, `${number}`) },
    })
  }
}

await main(process.argv.slice(2).map(Number))
