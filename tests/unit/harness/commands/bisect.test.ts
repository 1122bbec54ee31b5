/** Bisections with the command line as a user starts it, over toy kernels that build in no time. */
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { git } from '../../../../harness/tree/git.ts'
import { useLab } from '../../bad-inputs/lab.ts'

const lab = useLab()

const broken = 'echo "block/bio.c:12:3: error: \'x\' undeclared" >&2; exit 1\n'
const brokenOtherwise = 'echo "fs/f.c:1:1: error: expected a brace" >&2; exit 1\n'

/** A history of toy kernels, oldest first; each is built by one of the given scripts. */
async function history(scripts: readonly string[]): Promise<string[]> {
  const commits: string[] = []
  const at = lab.at('linux')
  await git(at, ['init', '--quiet', '--initial-branch=main'])
  for (const [index, script] of scripts.entries()) {
    await lab.write('linux/build.sh', script)
    await lab.write('linux/x', `change ${index}\n`)
    await git(at, ['add', '--force', '.'])
    await git(at, ['commit', '--quiet', `--message=change ${index}`, '--author=A U Thor <a@example.org>'])
    commits.push(await git(at, ['rev-parse', 'HEAD']))
  }
  return commits
}

const scripts = (count: number, ...changes: [from: number, script: string][]) =>
  Array.from({ length: count }, (_, index) => changes.findLast(([from]) => index >= from)?.[1] ?? 'true\n')

const answer = async () => JSON.parse(await readFile(lab.at('results/bisect/bisect.json'), 'utf8'))

async function tree(commits: readonly string[], ...more: string[]) {
  const ends = ['--good', commits[0] as string, '--bad', commits.at(-1) as string]
  return lab.copylab(['bisect', 'tree', '--tree', './linux', '--symptom', 'build', ...ends, ...more])
}

describe('a history', () => {
  test('the commit that breaks the build is found past others that break it otherwise', async () => {
    const commits = await history(scripts(24, [10, brokenOtherwise], [12, 'true\n'], [17, broken]))
    const { status, stdout } = await tree(commits)
    expect({ status, stdout }).toMatchObject({ status: 0 })
    const result = await answer()
    expect(result).toMatchObject({
      ...{ outcome: 'found', case: null, signature: "block/bio.c: error: 'x' undeclared" },
      culprit: { id: commits[17], change: { subject: 'change 17', author: 'A U Thor <a@example.org>' } },
      parent: { id: commits[16] },
      // Later changes touch the same line, so that git cannot take it back.
      without: { impossible: expect.stringContaining('cannot be reverted') },
    })
    expect(result.steps.length).toBeLessThanOrEqual(6)
    expect(result.log).toContain('git bisect start')
    expect(stdout).toContain(`${commits[17]?.slice(0, 12)} change 17`)
    const mail = await readFile(lab.at('results/bisect/mail.txt'), 'utf8')
    expect(mail).toContain(`Fixes: ${commits[17]?.slice(0, 12)} ("change 17")`)
    expect(mail).toContain('To: A U Thor <a@example.org>')
    expect(await readFile(lab.at('results/bisect/bisect.html'), 'utf8')).toContain('change 17')
    expect(await git(lab.at('linux'), ['for-each-ref', '--format=%(refname)'])).toBe('refs/heads/main')
  })

  test('what is skipped around the culprit is told as the range that is left', async () => {
    const commits = await history(scripts(9, [4, brokenOtherwise], [6, broken]))
    const { status, stdout } = await tree(commits)
    expect(status).toBe(125)
    expect(stdout).toMatch(/^cannot tell: /)
    expect((await answer()).left.map(({ id }: { id: string }) => commits.indexOf(id)).sort()).toEqual([
      4, 5, 6,
    ])
  })

  test('a kill loses nothing: the log is there, and resume goes on', async () => {
    const commits = await history(scripts(16, [11, broken]))
    expect(await tree([commits[0] as string, 'main'])).toMatchObject({ status: 0 })
    const journal = await readFile(lab.at('results/bisect/bisect.jsonl'), 'utf8')
    const lines = journal.trimEnd().split('\n')
    await lab.write(
      'results/bisect/bisect.jsonl',
      `${lines.slice(0, 5).join('\n')}\n${lines[5]?.slice(0, 20)}`,
    )
    const log = await lab.copylab(['bisect', 'log'])
    expect(log).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^bisect tree, begun .*\n.*\n.*\ntry \w{40}: /),
    })
    expect(await lab.copylab(['bisect', 'log', '--replay'])).toMatchObject({ status: 125, stdout: '' })
    // The branch has gone on meanwhile.
    await git(lab.at('linux'), ['commit', '--quiet', '--allow-empty', '--message=change 16'])
    const resumed = await lab.copylab(['bisect', 'resume'])
    expect(resumed).toMatchObject({ status: 0 })
    expect((await answer()).culprit.id).toBe(commits[11])
    await rm(lab.at('results/bisect/git'), { recursive: true })
    const replayed = await lab.copylab(['bisect', 'log', '--replay'])
    expect(replayed.status).toBe(0)
    // Another copylab may be searching there.
    expect(existsSync(lab.at('results/bisect/git'))).toBe(false)
    expect(resumed.stdout.startsWith(replayed.stdout.trimEnd())).toBe(true)
  })

  test('a culprit on a side branch, and a merge of two sides that do not go together', async () => {
    const at = lab.at('linux')
    await history(scripts(3))
    const commit = async (name: string, content: string) => {
      await lab.write(`linux/${name}`, content)
      await git(at, ['add', '--force', '.'])
      await git(at, ['commit', '--quiet', `--message=write ${name}`])
      return git(at, ['rev-parse', 'HEAD'])
    }
    const fork = await git(at, ['rev-parse', 'HEAD~2'])
    const both = '[ ! -e a ] || [ ! -e b ] || '
    const good = await commit(
      'build.sh',
      `${both}{ ${broken.trimEnd()}; }\n[ ! -e c ] || { ${broken.trimEnd()}; }\n`,
    )
    await commit('a', 'a\n')
    await git(at, ['checkout', '--quiet', '-b', 'side', fork])
    await commit('b', 'b\n')
    await git(at, ['checkout', '--quiet', 'main'])
    await git(at, ['merge', '--quiet', '--no-ff', '--message=merge side', 'side'])
    const merge = await git(at, ['rev-parse', 'HEAD'])
    const merged = await commit('z', 'z\n')
    expect(await tree([good, merged])).toMatchObject({ status: 0 })
    expect(await answer()).toMatchObject({ culprit: { id: merge }, without: { says: 'clean' } })

    await git(at, ['checkout', '--quiet', '-b', 'other', good])
    await commit('d', 'd\n')
    const culprit = await commit('c', 'c\n')
    await git(at, ['checkout', '--quiet', '-b', 'trunk', good])
    for (const name of ['e', 'f', 'g']) await commit(name, name)
    await git(at, ['merge', '--quiet', '--no-ff', '--message=merge other', 'other'])
    expect(await tree([good, 'trunk'])).toMatchObject({ status: 0 })
    expect(await answer()).toMatchObject({ culprit: { id: culprit }, without: { says: 'clean' } })
  })

  test('which commit mends it', async () => {
    const commits = await history(scripts(12, [0, broken], [7, 'true\n']))
    const ends = ['--bad', commits[0] as string, '--good', commits[11] as string]
    const { status } = await lab.copylab([
      'bisect',
      'tree',
      '--fixed',
      '--tree',
      './linux',
      '--symptom',
      'build',
      ...ends,
    ])
    expect(status).toBe(0)
    expect(await answer()).toMatchObject({ culprit: { id: commits[7] }, fixed: true })
  })

  test('ends that are alike, or the wrong way round, are refused', async () => {
    const commits = await history(scripts(4))
    expect(await tree(commits)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("does not show the symptom 'build', in 1 attempts"),
    })
    expect(await tree(commits.toReversed())).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('git does not bisect between the two ends'),
    })
  })
})

describe('options', () => {
  test('the two of twelve that break the build together', async () => {
    const names = [...'BCDEFGHIJKLM']
    await lab.write('kconfigs/more.config', names.map((name) => `CONFIG_${name}=y\n`).join(''))
    await lab.write(
      'linux/Kconfig',
      ['A', ...names].map((name) => `config ${name}\n\tbool "${name}"\n`).join(''),
    )
    const both = 'grep -q CONFIG_D=y $O/.config && grep -q CONFIG_J=y $O/.config'
    await lab.write('linux/build.sh', `if ${both}; then ${broken.trimEnd()}; fi\n`)
    const ends = ['--good', 'base', '--bad', 'base,more']
    const { status, stderr, stdout } = await lab.copylab(['bisect', 'kconfig', '--symptom', 'build', ...ends])
    expect({ status, stderr }).toMatchObject({ status: 0 })
    expect(stdout).toMatch(/^ {2}CONFIG_D: not asked for, then y \(.*\); CONFIG_J: not asked for, then y /m)
    const result = await answer()
    expect(result).toMatchObject({
      outcome: 'found',
      verification: { culprit: { says: 'symptom' }, parent: { says: 'clean' } },
      without: { says: 'clean', candidate: { title: '10 of 12 options' } },
    })
  })
})

describe('git bisect run copylab bisect step', () => {
  test('finds the commit, skips what says nothing, and leaves its log to git', async () => {
    const commits = await history(scripts(12, [3, brokenOtherwise], [4, 'true\n'], [8, broken]))
    const at = lab.at('linux')
    await git(at, ['bisect', 'start', commits[11] as string, commits[0] as string])
    const step = [
      'bisect',
      'step',
      '--symptom',
      'build',
      '--reason',
      'undeclared',
      '--results',
      lab.at('results'),
    ]
    const command = lab.commandLine(step)
    const { stdout } = await execa('git', ['-C', at, 'bisect', 'run', ...command], {
      env: lab.environment,
      reject: false,
    })
    expect(stdout).toContain(`${commits[8]} is the first bad commit`)
    expect(stdout).toMatch(/^bad: no build: .*block\/bio\.c:12:3: error: 'x' undeclared/m)
  })

  test('each attempt has a directory of its own', async () => {
    await history(scripts(2))
    const step = ['bisect', 'step', '--tree', './linux', '--symptom', 'build', '--attempts', '2']
    expect(await lab.copylab(step)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^good: /) })
    expect(await readdir(lab.at('results/bisect-step'), { recursive: true })).toEqual(
      expect.arrayContaining(['attempts/1', 'attempts/2']),
    )
    expect(await readdir(lab.at('results/bisect-step'))).toEqual(['attempts'])
  })

  test('what is wrong with the command ends the search, and is no bad commit', async () => {
    await history(scripts(2))
    const ended = await lab.copylab(['bisect', 'step', '--tree', './linux', '--symptom', 'none'])
    expect(ended.status).toBe(128)
    const slow = await lab.copylab([
      'bisect',
      'step',
      '--tree',
      './linux',
      '--symptom',
      'slow',
      '--case',
      'nvme/001',
    ])
    expect(slow).toMatchObject({
      status: 128,
      stderr: expect.stringContaining('does not show what it is compared with'),
    })
  })
})

describe('a series', () => {
  const patch = (number: number, script: string, before: string) =>
    `From ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001
From: A U Thor <a@example.org>
Date: Mon, 5 Jan 2026 00:00:00 +0000
Message-ID: <patch-${number}@example.org>
Subject: [PATCH ${number}/4] change ${number}

---
diff --git a/build.sh b/build.sh
--- a/build.sh
+++ b/build.sh
@@ -1 +1 @@
-${before}
+${script}
`

  test('the patch that breaks the build, and who sent it', async () => {
    const contents = ['true', 'true # 1', 'true # 2', broken.trimEnd(), `${broken.trimEnd()} # 4`]
    for (const number of [1, 2, 3, 4])
      await lab.write(
        `s/000${number}-x.patch`,
        patch(number, contents[number] ?? '', contents[number - 1] ?? ''),
      )
    const { status, stderr } = await lab.copylab(['bisect', 'series', '--series', 's', '--symptom', 'build'])
    expect({ status, stderr }).toMatchObject({ status: 0 })
    expect(await answer()).toMatchObject({
      culprit: { id: 'patches-3', change: { messageId: '<patch-3@example.org>' } },
      // The last patch needs the line that the third has made.
      without: { says: 'skip' },
    })
    const mail = await readFile(lab.at('results/bisect/mail.txt'), 'utf8')
    expect(mail).toContain('In-Reply-To: <patch-3@example.org>')
    expect(mail).not.toContain('Fixes:')
  })

  test('who goes on with another series is told so, and what the last bisection said is gone', async () => {
    const write = async (...contents: string[]) => {
      for (const [index, text] of contents.entries())
        await lab.write(`s/000${index + 1}-x.patch`, patch(index + 1, text, contents[index - 1] ?? 'true'))
    }
    await write('true # 1', broken.trimEnd(), `${broken.trimEnd()} # 3`, `${broken.trimEnd()} # 4`)
    const series = ['bisect', 'series', '--series', 's', '--symptom', 'build']
    expect(await lab.copylab(series)).toMatchObject({ status: 0 })
    await write('true # a', 'true # b', 'true # c', 'true # d')
    expect(await lab.copylab(['bisect', 'resume'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('the bisection cannot go on: the series is not what was tested so far'),
    })
    expect(existsSync(lab.at('results/bisect/mail.txt'))).toBe(true)
    expect(await lab.copylab(series)).toMatchObject({ status: 2 })
    expect(existsSync(lab.at('results/bisect/mail.txt'))).toBe(false)
  })

  test('what is wrong with the question is told before an older bisection is lost', async () => {
    const journal = await lab.write('results/bisect/bisect.jsonl', 'an older one\n')
    for (const [args, message] of [
      [['series', '--symptom', 'build'], 'bisect series: the series is none'],
      [['series', '--symptom', 'build', '--case', 'nvme/001'], 'no case is run for --symptom build'],
      [['tree', '--case', 'nvme/001'], 'bisect tree needs --good and --bad'],
      [['series'], '--symptom fail needs --case'],
      [['series', '--case', 'nvme'], 'expected one case, not a group'],
      [['series', '--case', 'nvme/001', '--confidence', '100'], '--confidence 100: expected a percentage'],
    ] as const) {
      const { status, stderr } = await lab.copylab(['bisect', ...args])
      expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining(message) })
    }
    expect(await readFile(journal, 'utf8')).toBe('an older one\n')
    expect(existsSync(lab.at('results/bisect/attempts'))).toBe(false)
  })
})
