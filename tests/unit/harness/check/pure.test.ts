import { describe, expect, test } from 'vitest'
import { affectedBy, type BuiltObject, readCommand } from '../../../../harness/check/affected.ts'
import { blame } from '../../../../harness/check/blame.ts'
import { newMessages, readOutput } from '../../../../harness/check/output.ts'
import { showResult, type TreeResult } from '../../../../harness/check/result.ts'
import { missingSymbols } from '../../../../harness/check/symbols.ts'
import { parseDiff } from '../../../../harness/series/diff.ts'
import { diffOf } from '../series/mails.ts'

describe('what make says', () => {
  const lines = `make[1]: Entering directory '/build'
  SYNC    include/config/auto.conf
  CC      block/bio.o
In file included from ../src/block/bio.c:3:
../src/include/linux/bio.h: In function 'f':
../src/include/linux/bio.h:12:5: warning: unused variable 'x' [-Wunused-variable]
  CC [M]  drivers/x.o
/src/drivers/x.c:7:2: error: 'y' undeclared (first use in this function)
/src/drivers/x.c:9:2: error: expected ';'
make[3]: *** [/src/scripts/Makefile.build:229: drivers/x.o] Error 1
make[2]: *** [/src/scripts/Makefile.build:478: drivers] Error 2
  AR      block/built-in.a
make[3]: *** No rule to make target 'block/new.o', needed by 'block/built-in.a'.
  LD      .tmp_vmlinux1
ld: block/bio.o: in function \`f':
bio.c:(.text+0x1): undefined reference to \`g'
make[1]: *** [/src/Makefile:224: __sub-make] Error 2`
  const output = readOutput(lines.split('\n'), '/src', '/build')

  test('is put down to the objects', () => {
    expect([...output.compiled]).toEqual(['block/bio.o', 'drivers/x.o'])
    expect(output.warnings.get('block/bio.o')).toEqual([
      "include/linux/bio.h:12: warning: unused variable 'x' [-Wunused-variable]",
    ])
    expect([...output.failed]).toEqual([
      ['drivers/x.o', "drivers/x.c:7: error: 'y' undeclared (first use in this function)"],
    ])
  })

  test('or to the rest of the build', () => {
    expect(output.errors).toEqual([
      "make[3]: *** No rule to make target 'block/new.o', needed by 'block/built-in.a'.",
      "ld: block/bio.o: in function `f':",
      "bio.c:(.text+0x1): undefined reference to `g'",
    ])
  })

  test('a message is new when there are more of it, whatever its line', () => {
    const before = ['a.c:3: warning: x', 'a.c:9: warning: y']
    expect(newMessages(before, ['a.c:4: warning: x', 'a.c:5: warning: x', 'b.c:9: warning: y'])).toEqual([
      'a.c:5: warning: x',
      'b.c:9: warning: y',
    ])
  })
})

describe('the objects that a patch may break', () => {
  const object = (name: string, ...headers: string[]): BuiltObject => ({
    object: `${name}.o`,
    source: `${name}.c`,
    headers,
  })
  const objects = [
    object('block/a', 'include/x.h'),
    object('block/b', 'include/x.h'),
    object('block/c', 'include/x.h'),
    object('fs/d', 'include/y.h'),
  ]
  const texts: Record<string, string> = {
    'block/a.c': 'struct bio *bio;',
    'block/b.c': 'struct bio *bio; bio->rare_field = 1;',
    'block/c.c': 'nothing of it',
    'fs/d.c': 'rare_field',
  }
  const affected = (diff: string, changed = '') =>
    affectedBy(parseDiff(diff), objects, changed, async (source) => texts[source] ?? '')

  test('are its own, and those that include its headers, the users of the rarest words first', async () => {
    const found = await affected(diffOf('include/x.h') + diffOf('fs/d.c'), 'struct bio *rare_field')
    expect(found).toEqual({
      touched: ['fs/d.o'],
      including: ['block/b.o', 'block/a.o', 'block/c.o'],
      folders: [],
    })
  })

  test('are a whole folder where its Makefile changes, or a source comes or does not stay', async () => {
    expect((await affected(diffOf('block/Makefile'))).folders).toEqual(['block/'])
    expect((await affected(diffOf('block/gone.c'))).folders).toEqual(['block/'])
    const created =
      'diff --git a/fs/e.c b/fs/e.c\nnew file mode 100644\n--- /dev/null\n+++ b/fs/e.c\n@@ -0,0 +1 @@\n+x\n'
    expect((await affected(created)).folders).toEqual(['fs/'])
    expect((await affected(diffOf('not/built.c'))).folders).toEqual([])
    expect((await affected(diffOf('Makefile'))).folders).toEqual([])
  })

  test("are read from kbuild's .cmd files", () => {
    const text = `savedcmd_block/bio.o := gcc -c
source_block/bio.o := ../src/block/bio.c

deps_block/bio.o := \\
    $(wildcard include/config/BLK_CGROUP) \\
  ../src/include/linux/mm.h \\
  include/generated/x.h \\
  /usr/lib/gcc/stddef.h \\

block/bio.o: $(deps_block/bio.o)
`
    const inTree = (path: string) => (path.startsWith('../src/') ? path.slice(7) : undefined)
    const read = { object: 'block/bio.o', source: 'block/bio.c', headers: ['include/linux/mm.h'] }
    expect(readCommand('block/bio.o', text, inTree)).toEqual(read)
    expect(readCommand('x.o', 'savedcmd_x.o := ld -r\n', inTree)).toBeUndefined()
  })
})

test('blame goes to the patch that breaks, not to those that go on with it, and praise to the one that mends', () => {
  const wrong = (...names: string[]) => new Map(names.map((name) => [name, `${name}: error`]))
  const results = blame([
    wrong('old'),
    wrong('old'),
    wrong('old', 'a'),
    wrong('a'),
    wrong('a', 'b'),
    wrong('b'),
    wrong(),
  ])
  expect(results).toEqual([
    { state: 'ok', findings: [] },
    { state: 'fail', findings: ['a: error (patch 5 mends it)'] },
    { state: 'broken', findings: ['still broken by patch 2'] },
    { state: 'fail', findings: ['b: error (patch 6 mends it)'] },
    { state: 'broken', findings: ['mends what patch 2 broke', 'still broken by patch 4'] },
    { state: 'mended', findings: ['mends what patch 4 broke'] },
  ])
})

test('a symbol is missing that nobody defines, save what the linker makes', () => {
  const object = (defined: string[], wanted: string[]) => ({
    defined: new Set(defined),
    undefined: new Set(wanted),
  })
  const symbols = new Map([
    ['a.o', object(['f'], ['g', 'h', '_text'])],
    ['b.o', object(['g'], ['h'])],
  ])
  expect([...missingSymbols(symbols, ['a.o', 'b.o'], new Set(['_text']))]).toEqual([['h', ['a.o', 'b.o']]])
  expect(missingSymbols(symbols, ['c.o']).size).toBe(0)
})

test('the table has a row a patch and a column a check, and says what was found', () => {
  const result: TreeResult = {
    ...{ tree: '6.12', version: '6.12.1-1', series: 'mine', buildLog: '/cache/build.log', ms: 1 },
    patches: [
      {
        number: 1,
        subject: 'block: one',
        checks: {
          apply: { state: 'ok', findings: [] },
          build: { state: 'fail', findings: ['a.c:1: error: x'] },
        },
      },
      { number: 2, subject: 'x'.repeat(70), checks: { apply: { state: 'fail', findings: ['no'] } } },
    ],
  }
  expect(showResult(result)).toBe(`mine on 6.12 (6.12.1-1)
   patch${' '.repeat(55)}  apply  build
1  block: one${' '.repeat(50)}  ok     FAIL
2  ${'x'.repeat(59)}…  FAIL   -
patch 1, build: a.c:1: error: x
patch 2, apply: no
  log:     /cache/build.log`)
})
