import { expect, test } from 'vitest'
import { parseDiff, trespass } from '../../../../harness/series/diff.ts'

test('files, hunks and modes of git diffs and of plain ones', () => {
  const diff = parseDiff(`words
diff --git a/old name.c b/new name.c
similarity index 90%
rename from old name.c
rename to new name.c
--- a/old name.c
+++ b/new name.c
@@ -1,2 +1,3 @@
 same
-- minus
+++ plus
+two
@@ -9 +10 @@ f()
-x
+y
\\ No newline at end of file
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git "a/\\303\\244" "b/\\303\\244"
new file mode 100644
--- /dev/null
+++ "b/\\303\\244"
@@ -0,0 +1 @@
+z
--- plain.orig/p.c\t2026-08-03 10:00:00
+++ plain/p.c\t2026-08-03 10:00:00
@@ -1 +1 @@
-a
+b
`)
  expect(diff.damage).toBeUndefined()
  expect(diff.files).toMatchObject([
    {
      paths: ['old name.c', 'new name.c'],
      hunks: [{ header: '@@ -1,2 +1,3 @@', line: 8 }, { header: '@@ -9 +10 @@ f()' }],
      added: '++ plus\ntwo\ny\n',
    },
    { paths: ['run.sh'], mode: '100755', hunks: [] },
    { paths: ['ä'], mode: '100644', added: 'z\n' },
    { paths: ['p.c', 'p.c'], hunks: [{ header: '@@ -1 +1 @@' }] },
  ])
})

const creates = (path: string, mode = '100644', content = 'x') =>
  `diff --git a/${path} b/${path}\nnew file mode ${mode}\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+${content}\n`

test.each([
  [creates('../../etc/passwd'), 'writes to "../../etc/passwd", outside of the tree'],
  [creates('/etc/passwd'), 'writes to the absolute path "/etc/passwd"'],
  [creates('a/../../b'), 'outside of the tree'],
  [creates('.git/hooks/post-checkout'), "which is git's own"],
  [creates('sub/.GIT/config'), "which is git's own"],
  [creates('.g\u200bit/config'), "which is git's own"],
  ['rename from x\nrename to ../x\n', 'outside of the tree'],
  [`diff --git "a/x" "b/..\\057y"\nnew mode 100755\n`, 'outside of the tree'],
  ['diff --git "a/x\\033" "b/x\\033"\nnew mode 100755\n', 'a name with control characters'],
  [creates('link', '120000', '/etc'), 'makes "link" a symbolic link to "/etc", outside of the tree'],
  [creates('a/link', '120000', '../../x'), 'a symbolic link to "../../x", outside of the tree'],
  [creates('sub', '160000', 'Subproject commit 0'), 'makes "sub" a submodule'],
])('%j is refused', (text, words) => {
  const diff = text.startsWith('rename') ? `diff --git a/x b/x\n${text}` : text
  expect(trespass(parseDiff(Buffer.from(diff).toString('latin1')))).toContain(words)
})

test.each([
  creates('.gitignore'),
  creates('tools/.github/x'),
  creates('a/..b/c'),
  creates('scripts/dtc/include-prefixes/arm', '120000', '../../../arch/arm/boot/dts'),
])('%j is not', (text) => {
  expect(trespass(parseDiff(text))).toBeUndefined()
})
