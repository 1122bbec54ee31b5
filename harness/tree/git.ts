import { execa } from 'execa'
import { Failure } from '../failure.ts'

export interface GitOptions {
  signal?: AbortSignal | undefined
  input?: string | undefined
  /** Path of the index, instead of the repository's own. */
  index?: string | undefined
}

/**
 * The environment of every git that copylab starts: no configuration, hooks or identity of the user, no repository
 * inherited from a hook that copylab runs in, fixed names and dates, so that the same input gives the same commit.
 */
export function gitEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'))
  const date = '2000-01-01T00:00:00Z'
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'copylab',
    GIT_AUTHOR_EMAIL: 'copylab@localhost',
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: 'copylab',
    GIT_COMMITTER_EMAIL: 'copylab@localhost',
    GIT_COMMITTER_DATE: date,
  }
}

export interface GitResult {
  status: number
  stdout: string
  stderr: string
}

/**
 * The command line of a git that ends with copylab, even when that is killed: it holds no lock, and must not go on
 * changing a tree that the next copylab works on.
 */
export function gitCommand(directory: string, args: string[]): [string, string[]] {
  return ['setpriv', ['--pdeathsig', 'KILL', 'git', '-C', directory, ...args]]
}

/** Runs git in `directory` and returns what it said, whatever its exit status. */
export async function tryGit(
  directory: string,
  args: string[],
  options: GitOptions = {},
): Promise<GitResult> {
  const { signal, input = '', index } = options
  signal?.throwIfAborted()
  const result = await execa(...gitCommand(directory, args), {
    env: { ...gitEnvironment(), ...(index === undefined ? {} : { GIT_INDEX_FILE: index }) },
    extendEnv: false,
    input,
    reject: false,
    maxBuffer: 64 << 20,
    ...(signal && { cancelSignal: signal }),
  })
  signal?.throwIfAborted()
  if (result.exitCode === undefined) {
    throw new Failure('infra', `git did not end by itself: ${result.shortMessage}`, {
      command: result.escapedCommand,
    })
  }
  return { status: result.exitCode, stdout: result.stdout, stderr: result.stderr }
}

/**
 * Runs git in `directory` and returns its standard output without the last newline.
 * @throws Failure('infra') with git's own words when it fails.
 */
export async function git(directory: string, args: string[], options: GitOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await tryGit(directory, args, options)
  if (status === 0) return stdout
  throw new Failure('infra', `git ${args[0]} failed in ${directory}: ${stderr.trim() || stdout.trim()}`, {
    command: `git -C ${directory} ${args.join(' ')}`,
  })
}
