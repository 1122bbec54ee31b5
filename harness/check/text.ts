/** The checks that read patches and files, and build nothing. */
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import pLimit from 'p-limit'
import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { Failure } from '../failure.ts'
import type { Diff } from '../series/diff.ts'
import { git, gitEnvironment, tryGit } from '../tree/git.ts'
import type { Tree } from '../tree/provide.ts'
import { newMessages } from './output.ts'
import type { CheckName, CheckResult } from './result.ts'

export interface TextOptions {
  /** Its base is checked out: the scripts are the tree's own, not those of the series. */
  tree: Tree
  /** The tree's base, and the commit of each patch. */
  commits: readonly string[]
  diffs: readonly Diff[]
  checks: ReadonlySet<CheckName>
  /** Types of messages that checkpatch is not to give. */
  ignore: readonly string[]
  jobs: number
  signal?: AbortSignal | undefined
}

/** Of checkpatch: a tree of copylab's has no history to look commits up in. */
const needsHistory = ['UNKNOWN_COMMIT_ID']

/** @returns for each patch the results of `checkpatch`, `kernel-doc` and `whitespace`, those that are wanted */
export async function checkTexts(options: TextOptions): Promise<Partial<Record<CheckName, CheckResult>>[]> {
  const limit = pLimit(options.jobs)
  const { checks, commits } = options
  const wanted: [CheckName, typeof checkpatch][] = [
    ['checkpatch', checkpatch],
    ['kernel-doc', kernelDoc],
    ['whitespace', whitespace],
  ]
  return Promise.all(
    commits.slice(1).map(async (_commit, index) => {
      const made = await Promise.all(
        wanted
          .filter(([name]) => checks.has(name))
          .map(([name, check]) =>
            limit(async () => {
              options.signal?.throwIfAborted()
              const findings = await check(index + 1, options)
              return [name, { state: findings.length ? 'fail' : 'ok', findings }] as const
            }),
          ),
      )
      return Object.fromEntries(made) as Partial<Record<CheckName, CheckResult>>
    }),
  )
}

/** Runs a script of the tree's that says something of its own accord, and has no say over anything else. */
async function script(
  tree: Tree,
  [program = '', ...args]: string[],
  signal: AbortSignal | undefined,
): Promise<{ lines: string[]; exitCode: number }> {
  const { stdout, stderr, exitCode, shortMessage, escapedCommand } = await execa(program, args, {
    cwd: tree.git,
    // Python would leave what it compiled in the tree.
    env: { ...gitEnvironment(), PYTHONDONTWRITEBYTECODE: '1' },
    extendEnv: false,
    reject: false,
    ...(signal && { cancelSignal: signal }),
  })
  signal?.throwIfAborted()
  if (exitCode === undefined)
    throw new Failure('infra', `cannot run ${program}: ${shortMessage}`, { command: escapedCommand })
  return { lines: `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim()), exitCode }
}

async function checkpatch(number: number, { tree, commits, ignore, signal }: TextOptions): Promise<string[]> {
  return withPrivateDirectory('copylab-checkpatch-', async (directory) => {
    const patch = join(directory, `${number}.patch`)
    const commit = commits[number] ?? ''
    await writeFile(
      patch,
      await git(tree.git, ['format-patch', '-1', '--stdout', '--no-signature', commit], { signal }),
    )
    const how = [
      '--strict',
      '--terse',
      '--showfile',
      '--show-types',
      '--no-summary',
      '--color=never',
      '--root=.',
    ]
    const types = [...needsHistory, ...ignore].join(',')
    const command = ['perl', 'scripts/checkpatch.pl', ...how, `--ignore=${types}`, patch]
    const { lines, exitCode } = await script(tree, command, signal)
    const findings = lines
      .map((line) => line.replace(`${patch}:`, '').replace(/^\d+: (?=\w+:)/, ''))
      .filter(isFinding)
    if (exitCode !== 0 && findings.length === 0)
      throw new Failure(
        'infra',
        `checkpatch ended with status ${exitCode}: ${lines.at(-1) ?? 'it said nothing'}`,
      )
    return findings
  })
}

function isFinding(line: string): boolean {
  return /\b(ERROR|WARNING|CHECK):[A-Z0-9_]+: /.test(line)
}

/** What scripts/kernel-doc says of the files that a patch touches and did not say before it. */
async function kernelDoc(number: number, { tree, commits, diffs, signal }: TextOptions): Promise<string[]> {
  const paths = new Set(
    diffs[number - 1]?.files.flatMap(({ paths }) => paths).filter((path) => /\.[ch]$/.test(path)),
  )
  if (paths.size === 0) return []
  const name = 'scripts/kernel-doc'
  const firstLine = (await readFile(join(tree.git, name), 'utf8')).split('\n', 1)[0] ?? ''
  const interpreter = ['python3', 'perl'].find((one) => firstLine.includes(one)) ?? 'sh'
  return withPrivateDirectory('copylab-doc-', async (directory) => {
    const said = async (commit: string): Promise<string[]> => {
      const place = await mkdtemp(join(directory, 'at-'))
      const files: string[] = []
      for (const path of paths) {
        const { status, stdout } = await tryGit(tree.git, ['show', `${commit}:${path}`], { signal })
        if (status !== 0) continue
        await mkdir(dirname(join(place, path)), { recursive: true })
        await writeFile(join(place, path), `${stdout}\n`)
        files.push(join(place, path))
      }
      if (files.length === 0) return []
      const { lines, exitCode } = await script(tree, [interpreter, name, '-none', ...files], signal)
      const found = lines.filter((line) => /^\S+:\d+:? .*(warning|error)|^(warning|error): /i.test(line))
      if (exitCode !== 0 && found.length === 0)
        throw new Failure(
          'infra',
          `${name} ended with status ${exitCode}: ${lines.at(-1) ?? 'it said nothing'}`,
        )
      return found.map((line) =>
        line.replace(`${place}/`, '').replace(/^(Warning|Error): (\S+:\d+) /, '$2: $1: '),
      )
    }
    const [before, after] = await Promise.all([said(commits[number - 1] ?? ''), said(commits[number] ?? '')])
    return newMessages(before, after)
  })
}

/** `git diff --check`, one line a place. */
async function whitespace(number: number, { tree, commits, signal }: TextOptions): Promise<string[]> {
  const args = ['diff', '--check', commits[number - 1] ?? '', commits[number] ?? '']
  const { stdout } = await tryGit(tree.git, args, { signal })
  return stdout.split('\n').filter((line) => /^[^+\s].*:\d+: /.test(line))
}
