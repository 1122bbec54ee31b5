import { expect, test } from 'vitest'
import { firstErrorIn, isMachinesFault } from '../../../../harness/kernel/errors.ts'

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

test.each([
  [
    'a full disk',
    `block/bio.c:1:1: fatal error: error writing to /tmp/c.s: No space left on device\n${make}`,
  ],
  [
    'a full disk, by the assembler',
    "/tmp/c.s: Fatal error: can't write 24 bytes to x.o: 'No space left on device'\n",
  ],
  ['a compiler that was killed', `gcc: fatal error: Killed signal terminated program cc1\n${make}`],
  ['a recipe that was killed', 'make[3]: *** [../scripts/Makefile.build:229: block/bio.o] Killed\n'],
  ['a shell that was killed', 'make[3]: *** [../scripts/Makefile.build:229: block/bio.o] Error 137\n'],
  ['no memory', `cc1: out of memory allocating 65536 bytes after a total of 1\n${make}`],
  ['no process', `make: vfork: Resource temporarily unavailable\n`],
  ['a missing program', `/bin/sh: 1: flex: not found\n${make}`],
  [
    'a missing package',
    `/c/source/scripts/sign-file.c:25:10: fatal error: openssl/e.h: No such file or directory\n   25 | #include <openssl/e.h>\n${make}`,
  ],
  [
    'an unsound machine',
    `a.c:1:1: internal compiler error: x\nThe bug is not reproducible, so it is likely a hardware or OS problem.\n`,
  ],
])('the machine is at fault: %s', (_what, log) => {
  expect(isMachinesFault(log)).toBe(true)
})

test.each([
  ['a wrong source', `../block/bio.c:12:3: error: 'x' undeclared\n${make}`],
  [
    'a source that speaks of memory',
    `a.c:1:2: error: y\n    1 | pr_err("x: No space left on device\n    1 | cc1: out of memory \n${make}`,
  ],
  [
    'a header that the tree has not',
    `a.c:3:10: fatal error: no.h: No such file or directory\n    3 | #include <no.h>\n${make}`,
  ],
  [
    'a source that the tree has not',
    "make[3]: *** No rule to make target 'block/x.o', needed by 'block/built-in.a'.  Stop.\n",
  ],
  ['the linker', `ld: block/blk-copy.o: undefined reference to \`f'\n${make}`],
])('the sources are at fault: %s', (_what, log) => {
  expect(isMachinesFault(log)).toBe(false)
})
