import { truncate } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { diffOf, mail } from '../harness/series/mails.ts'
import { useLab } from './lab.ts'

const lab = useLab()

const patch = mail('[PATCH] a')
const withDiff = (diff: string, header: string[] = []) => mail('[PATCH] a', { header, body: `---\n${diff}` })
const base64 = (text: string) => Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n')
const send = 'send it with git send-email, or attach what git format-patch wrote'

/** What is wrong, the mailbox that has it, and all that is said of it; more words of the command line. */
const mailboxes: [string, string, string | Uint8Array, string, ...string[]][] = [
  [
    'a mailbox that is cut off in a patch',
    'a.mbox',
    patch.slice(0, patch.indexOf(' context')),
    `$/a.mbox: patch 1 of 1, 'a', is cut off inside the hunk @@ -1,2 +1,2 @@ int f() of x, in line 10 of its text
  remedy:  save or fetch it again`,
  ],
  [
    'a mailbox that is cut off in a patch that is encoded',
    'a.mbox',
    mail('[PATCH] a', {
      header: ['Content-Type: text/plain; charset=UTF-8', 'Content-Transfer-Encoding: base64'],
      body: base64(`What.\n\n---\n${diffOf('x')}`).slice(0, 97),
    }),
    `$/a.mbox: patch 1 of 1, 'a', is cut off inside the hunk @@ -1,2 +1,2 @@ int f() of x, in line 9 of its text
  remedy:  save or fetch it again`,
  ],
  [
    'a packed mailbox that is cut off',
    'a.mbox.gz',
    gzipSync(patch).subarray(0, 200),
    '$/a.mbox.gz is cut off: the gzip data end too early\n  remedy:  save or fetch it again',
  ],
  [
    'a packed mailbox that is damaged',
    'a.mbox.gz',
    Buffer.concat([Buffer.from([0x1f, 0x8b, 8]), Buffer.alloc(100, 'x')]),
    '$/a.mbox.gz is damaged: unknown header flags set\n  remedy:  save or fetch it again',
  ],
  [
    'an empty mailbox',
    'a.mbox',
    '\n',
    '$/a.mbox is empty\n  remedy:  save the mails again, each with its header',
  ],
  [
    'a file that is no mailbox',
    'a.mbox',
    'hello\n',
    `$/a.mbox is no mailbox: it begins neither with From nor with a mail's header
  remedy:  save the mails with their headers, or make them with git format-patch`,
  ],
  [
    'a thread without its patches',
    'a.mbox',
    mail('Re: [PATCH] a') + mail('what is this?', { body: 'I ask.\n' }),
    `$/a.mbox holds 2 mails, and none is a patch
  remedy:  expected mails as git format-patch or git send-email makes them`,
  ],
  [
    'a mail of HTML without a patch',
    'a.mbox',
    mail('[PATCH] a', { header: ['Content-Type: text/html'], body: '<html><pre>no</pre></html>\n' }),
    `$/a.mbox holds one mail, which is no patch (HTML is not read)
  remedy:  expected mails as git format-patch or git send-email makes them`,
  ],
  [
    'a patch of a series that was sent as HTML',
    'a.mbox',
    mail('[PATCH 1/2] a') +
      mail('[PATCH 2/2] b', { header: ['Content-Type: text/html'], body: '<pre>no</pre>\n' }),
    `$/a.mbox, mail 2: patch 2 of 2, 'b', has no diff: it was sent as HTML
  remedy:  ${send}`,
  ],
  [
    'patch 3 of 5 missing',
    'a.mbox',
    [1, 2, 4, 5].map((number) => mail(`[PATCH ${number}/5] p${number}`)).join(''),
    '$/a.mbox: patch 3 of 5 is missing\n  remedy:  save the whole thread',
  ],
  [
    'two patches of one number',
    'a.mbox',
    mail('[PATCH 1/2] a') + mail('[PATCH 1/2] another a') + mail('[PATCH 2/2] b'),
    `$/a.mbox: patch 1 of 2 is there twice: 'a' and 'another a'
  remedy:  take the wrong one out`,
  ],
  [
    'damage by format=flowed',
    'a.mbox',
    withDiff(diffOf('x').replace(' context', '  context'), ['Content-Type: text/plain; format=flowed']),
    `$/a.mbox: patch 1 of 1, 'a', is damaged: every line of context has a second blank in front; it was sent as format=flowed, which lets mailers change blanks and line ends
  remedy:  ${send}`,
  ],
  [
    'a line that a mailer wrapped',
    'a.mbox',
    withDiff(diffOf('x', 'a', 'a long\nline')),
    `$/a.mbox: patch 1 of 1, 'a', is damaged: line 8 of its text, "line", cannot be in the hunk @@ -1,2 +1,2 @@ int f() of x; a mailer wrapped or cut a line
  remedy:  ${send}`,
  ],
  [
    'a patch that leads out of the tree',
    'a.mbox',
    withDiff(diffOf('../../etc/x')),
    `$/a.mbox: 'a' writes to "../../etc/x", outside of the tree: it is not applied
  remedy:  leave the patch out; ask whoever sent it what it is for`,
  ],
  [
    "a patch of git's own files",
    'a.mbox',
    withDiff(diffOf('.git/hooks/post-checkout')),
    `$/a.mbox: 'a' writes to ".git/hooks/post-checkout", which is git's own: it is not applied
  remedy:  leave the patch out; ask whoever sent it what it is for`,
  ],
  [
    'a patch that makes a link out of the tree',
    'a.mbox',
    withDiff(
      'diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+../../etc\n\\ No newline at end of file\n',
    ),
    `$/a.mbox: 'a' makes "l" a symbolic link to "../../etc", outside of the tree: it is not applied
  remedy:  leave the patch out; ask whoever sent it what it is for`,
  ],
  [
    'a version that the thread has not',
    'a.mbox',
    mail('[PATCH] a') + mail('[PATCH v2] a'),
    `--series-version 7: $/a.mbox has no version 7; it has: 2, 1
  remedy:  name one of these, or leave the option out for the newest whole one`,
    ...['--series-version', '7'],
  ],
  [
    'more patches than there are',
    'a.mbox',
    patch,
    `--patches 99: more than the 1 of $/a.mbox
  remedy:  a number from 0 to 1, or leave it out for all of them`,
    ...['--patches', '99'],
  ],
]

test.each(mailboxes)('%s', async (_what, name, content, message, ...more) => {
  await lab.write(name, content)
  expect(await lab.refused(2, ['build', '--series', name, ...more])).toBe(message)
})

test('lines that end in CR LF are no fault, and said', async () => {
  await lab.write('a.mbox', patch.replaceAll('\n', '\r\n').replaceAll('-a\r', '-z\r'))
  // It is refused for another reason, for this test builds nothing.
  const { stderr } = await lab.copylab(['build', '--series', 'a.mbox'])
  expect(stderr).toContain(
    'lines of 1 of 1 patches end in CR LF, as a Windows mailer leaves them; taken as LF',
  )
})

test('a mailbox that is too large is not even read', async () => {
  await truncate(await lab.write('a.mbox', ''), 300 << 20)
  expect(await lab.refused(2, ['build', '--series', 'a.mbox'])).toBe(
    `$/a.mbox is too large (300 MiB): more than 256 MiB are not read as patches
  remedy:  save the one thread that you want to test`,
  )
})

/** What is wrong, a folder's file `series`, further files of the folder, and all that is said of it. */
const folders: [string, string, Record<string, string>, string][] = [
  [
    'a patch that is not there',
    '# first\nmissing.patch\n',
    {},
    '$/s/series:2: there is no patch $/s/missing.patch\n  remedy:  add the file, or take the line out',
  ],
  [
    'an absolute path',
    '/etc/passwd\n',
    {},
    `$/s/series:1: /etc/passwd lies outside $/s
  remedy:  copy it there, and name it by a path below that directory`,
  ],
  [
    'a patch named twice',
    'a.patch\n\na.patch\n',
    { 'a.patch': patch },
    '$/s/series:3: a.patch is named twice, first at $/s/series:1\n  remedy:  take one of the two lines out',
  ],
  [
    'a patch for another level',
    'a.patch -p0\n',
    { 'a.patch': patch },
    `$/s/series:1: a.patch -p0: only patches for -p1 are applied
  remedy:  make the patch with git format-patch, or git diff, from the top of the tree`,
  ],
  [
    'no patch at all',
    '# none yet\n',
    {},
    `$/s/series names no patch
  remedy:  write the patches' names to it, one a line, or use --series none`,
  ],
  [
    'a diff without a mail around it',
    'a.patch\n',
    { 'a.patch': diffOf('x') },
    `$/s/series:1: a.patch is no patch mail: From: or Subject: is missing at its top
  remedy:  make it with git format-patch`,
  ],
  [
    'a wrong profile beside it',
    'a.patch\n',
    {
      'a.patch': patch.replace(/^.*\n/, ''),
      'profile.yaml': 'name: s\nabi:\n  BLKCOPY: 7\n  BLKCPY: true\noffloads: {}\n',
    },
    `$/s/profile.yaml:3: abi.BLKCOPY: expected true, false or a patch's file name without number and .patch
$/s/profile.yaml:4: unknown key abi.BLKCPY; expected BLKCOPY, BLKCOPYV, copy_file_range`,
  ],
  [
    'a profile that names a patch of no folder',
    'a.patch\n',
    {
      'a.patch': patch.replace(/^.*\n/, ''),
      'profile.yaml': 'name: s\nabi:\n  BLKCOPY: block-add-it\n',
    },
    `$/s/profile.yaml:3: abi.BLKCOPY: no folder of the series has a patch 'block-add-it'
  remedy:  name the patch as its file is named, without number and .patch, or say true or false`,
  ],
]

test.each(folders)('a folder with %s', async (_what, series, files, message) => {
  await lab.write('s/series', series)
  for (const [name, text] of Object.entries(files)) await lab.write(`s/${name}`, text)
  expect(await lab.refused(2, ['build', '--series', 's'])).toBe(message)
})

test.each([
  [
    'nowhere',
    `there is no series $/nowhere
  remedy:  name a directory, a mailbox, a range of commits as REPOSITORY:A..B, or none`,
  ],
  [
    'linux',
    `$/linux has no series for the tree toy: neither $/linux/toy/series nor $/linux/series, nor patch files
  remedy:  write the patches' names, in order, to $/linux/toy/series, or use --series none`,
  ],
  [
    'linux:v1..v2',
    /^\$\/linux:v1\.\.v2: git cannot read the range: fatal: not a git repository[\s\S]*\n {2}command: git -C \$\/linux .*\n {2}remedy: {2}name a git repository and two/,
  ],
])('%s, which is no series', async (series, message) => {
  expect(await lab.refused(2, ['build', '--series', series])).toMatch(message)
})

test.each([
  ['no.yaml', 'there is no file $/no.yaml'],
  ['linux', 'cannot read $/linux: EISDIR: '],
])('the profile %s, which cannot be one', async (profile, words) => {
  await lab.write('a.mbox', patch)
  const message = await lab.refused(2, ['build', '--series', 'a.mbox', '--profile', profile])
  expect(message).toContain(words)
})

test('a base that does not fit: the patch, its file and hunk, what was rejected, and the tree that fits', async () => {
  const body = diffOf('dir/a.c', 'line 8', 'eight').replace('@@ -1,2 +1,2 @@ int f()', '@@ -9,2 +9,2 @@ f')
  const series = body.replace(' context', ' line 9')
  await lab.write('s/1.patch', mail('[PATCH] one', { body: `---\n${series}` }).replace(/^.*\n/, ''))
  await lab.write('s/2.patch', mail('[PATCH] two', { body: `---\n${series}` }).replace(/^.*\n/, ''))
  await lab.write('s/series', '1.patch\n2.patch\n')
  const message = await lab.refused(2, ['build', '--series', 's'], { leaves: ['results'] })
  expect(message).toMatch(/^\$\/s\/2\.patch \(2 of 2\) does not apply to toy \(6\.12\.1\)\n/)
  expect(message).toContain('\n  dir/a.c: hunk 1 of 1 does not apply: @@ -9,2 +9,2 @@ f\n')
  expect(message).toContain('\n  git: error: patch failed: dir/a.c:9\n')
  expect(message).toContain('\n  log:     $/results/rejects/s-on-toy\n')
  expect(message).toMatch(
    /\n {2}command: git -C \S+ worktree add .* am --3way --keep-cr \S+\/1\.patch \S+\/2\.patch\n/,
  )
  expect(message).toMatch(/\n {2}remedy: {2}rebase the series onto [0-9a-f]{12}; /)
})
