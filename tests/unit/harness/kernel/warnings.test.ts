import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { beginNotes, notedWarnings, startOver, takeNotes } from '../../../../harness/kernel/warnings.ts'

let root: string
let source: string
let build: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'copylab-unit-'))
  source = join(root, 'source')
  build = join(root, 'build')
  await mkdir(join(source, 'block'), { recursive: true })
  await mkdir(build)
  for (const name of ['bio', 'genhd', 'copy']) await writeFile(join(source, `block/${name}.c`), '')
})
afterEach(() => rm(root, { recursive: true }))

async function built(...lines: string[]) {
  const log = join(build, 'log')
  await writeFile(log, lines.map((line) => `${line}\n`).join(''))
  await takeNotes(build, log, source)
  return notedWarnings(build, source)
}
const cc = (name: string) => `  CC      block/${name}.o`
const unused = (name: string, line: number) => `${source}/${name}:${line}:3: warning: unused variable 'x'`

test('a kernel keeps the warnings of what make did not compile again', async () => {
  await beginNotes(build)
  const header = unused('block/blk.h', 7)
  expect(await built(cc('bio'), unused('block/bio.c', 3), header, cc('genhd'), header)).toEqual([
    "block/bio.c: warning: unused variable 'x'",
    "block/blk.h: warning: unused variable 'x'",
  ])
  await writeFile(join(build, '.config'), '')
  await beginNotes(build)
  // It has moved, and there is another of its kind.
  expect(await built(cc('bio'), unused('block/bio.c', 4), unused('block/bio.c', 9))).toEqual([
    "block/bio.c: warning: unused variable 'x'",
    "block/bio.c: warning: unused variable 'x'",
    "block/blk.h: warning: unused variable 'x'",
  ])
  expect(await built(cc('bio'))).toEqual(["block/blk.h: warning: unused variable 'x'"])
})

test('a source that is gone takes its warnings with it', async () => {
  await beginNotes(build)
  expect(await built(cc('copy'), unused('block/copy.c', 1))).toHaveLength(1)
  await rm(join(source, 'block/copy.c'))
  expect(await notedWarnings(build, source)).toEqual([])
})

test('an object that is not linked any more takes its warnings with it', async () => {
  await beginNotes(build)
  await mkdir(join(build, 'block'))
  for (const name of ['bio', 'copy']) await writeFile(join(build, `block/${name}.o`), '')
  await execa('ar', ['rcT', 'vmlinux.a', 'block/bio.o', 'block/copy.o'], { cwd: build })
  const lines = [cc('bio'), unused('block/bio.c', 1), cc('copy'), unused('block/copy.c', 1)]
  expect(await built(...lines)).toHaveLength(2)
  await rm(join(build, 'vmlinux.a'))
  await execa('ar', ['rcT', 'vmlinux.a', 'block/bio.o'], { cwd: build })
  expect(await notedWarnings(build, source)).toEqual(["block/bio.c: warning: unused variable 'x'"])
})

test('of objects that were there before the notes nothing is said, until they are made anew', async () => {
  await writeFile(join(build, '.config'), '')
  await beginNotes(build)
  expect(await built(cc('bio'), unused('block/bio.c', 3))).toBe(null)
  await startOver(build)
  await mkdir(build)
  await beginNotes(build)
  expect(await built(cc('bio'))).toEqual([])
  await startOver(build)
  expect(await notedWarnings(build, source)).toEqual([])
})
