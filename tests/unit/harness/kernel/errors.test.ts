import { expect, test } from 'vitest'
import { firstErrorIn } from '../../../../harness/kernel/errors.ts'

const make =
  'make[3]: *** [../scripts/Makefile.build:229: block/bio.o] Error 1\nmake: *** [Makefile:224: __sub-make] Error 2\n'

test.each([
  [
    'the compiler, though make and warnings spoke before it',
    `make[4]: *** Waiting for unfinished jobs....\n../a.c:1:2: warning: x error: y\n../block/bio.c:12:3: error: 'x' undeclared\n../block/bio.c:14:3: error: more\n${make}`,
    "../block/bio.c:12:3: error: 'x' undeclared",
  ],
  [
    'a header',
    `a.c:3:10: fatal error: no.h: No such file or directory\n${make}`,
    'a.c:3:10: fatal error: no.h: No such file or directory',
  ],
  [
    'the assembler',
    `/tmp/x.s: Assembler messages:\narch/a.S:7: Error: no such instruction\n${make}`,
    'arch/a.S:7: Error: no such instruction',
  ],
  [
    'the linker',
    `ld: warning: old\nld: block/blk-copy.o: undefined reference to \`f'\n${make}`,
    "ld: block/blk-copy.o: undefined reference to `f'",
  ],
  ['a missing program', `/bin/sh: 1: flex: not found\n${make}`, '/bin/sh: 1: flex: not found'],
  [
    'a full disk',
    `fatal: x\ncat: write error: No space left on device\n${make}`,
    'cat: write error: No space left on device',
  ],
  ['make alone', make, 'make[3]: *** [../scripts/Makefile.build:229: block/bio.o] Error 1'],
  ['no pattern', 'something\nlast line\n\n', 'last line'],
  ['nothing', '', 'make said nothing'],
])('%s', (_what, log, error) => {
  expect(firstErrorIn(log)).toBe(error)
})
