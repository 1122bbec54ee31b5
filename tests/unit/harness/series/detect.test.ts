import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { applySeries } from '../../../../harness/series/apply.ts'
import { abisIn, fieldsOf, layouts } from '../../../../harness/series/detect.ts'
import { loadSeries } from '../../../../harness/series/load.ts'
import { toyPatch, toyTree } from '../tree/toy-tree.ts'

const guest = await readFile(new URL('../../../guest/blkcopy.c', import.meta.url), 'utf8')

test("the layouts are those of the guest's program", () => {
  for (const [name, { define, fields }] of Object.entries(layouts)) {
    const struct = /struct (\w+)/.exec(define)?.[1]
    expect(fieldsOf(guest, struct)).toBe(fields)
    expect(guest).toContain(`#define ${name}_IOCTL ${define.replaceAll(',', ', ')}\n`)
  }
})

const blkCopy = `/* struct blk_copy { __u64 wrong; }; */
struct blk_copy {
	__u64 src_offset;	/* bytes */
	__u64 dst_offset, ;
	__u64 len;
	__s32 src_fd;
	__u32 flags;
	__u64 copied;
	__u64 offloaded;
	__u64 reserved[2];
};

#define BLKCOPY	_IOWR(0x12,150,	struct blk_copy)
`.replace(', ;', ';')

test.each([
  ['as copylab calls it', blkCopy, { known: ['BLKCOPY'], foreign: [] }],
  ['another number', blkCopy.replace('150', '153'), { known: [], foreign: ['BLKCOPY'] }],
  ['another structure', blkCopy.replace('len', 'bytes'), { known: [], foreign: ['BLKCOPY'] }],
  ['commented out', `/*\n${blkCopy.replaceAll('/*', '').replaceAll('*/', '')}*/`, { known: [], foreign: [] }],
  ['another ioctl', '# define BLKCPY _IOWR(0x12,142,__u64[3])\n', { known: [], foreign: ['BLKCPY'] }],
  ['no call at all', '#define COPY_MAX 3\n#define toString _IO(1,2)\n', { known: [], foreign: [] }],
])('%s', (_what, text, found) => {
  expect(abisIn(text)).toEqual(found)
})

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-detect-'))
  vi.stubEnv('XDG_CACHE_HOME', join(directory, 'cache'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

test('a series without a profile is said to have what its header has, once it is applied', async () => {
  const header = 'include/uapi/linux/fs.h'
  const old = '#define OLD_COPY _IOW(0x12, 1, int)\n'
  const tree = await toyTree(directory, { [header]: old })
  const file = join(directory, 'mine.mbox')
  await writeFile(file, await toyPatch(tree, 'x', () => writeFile(join(tree.git, header), old + blkCopy)))
  const notes: string[] = []
  const series = await loadSeries(file, tree.label)
  expect(series.profile).toBeNull()
  await applySeries(tree, series, { emit: (event) => event.type === 'note' && notes.push(event.message) })
  expect(notes).toEqual([
    'series mine has no profile, so that no copies are tested; include/uapi/linux/fs.h has BLKCOPY as copylab calls it: write "abi: { BLKCOPY: true }" and what is offloaded to a file for --profile',
  ])
})
