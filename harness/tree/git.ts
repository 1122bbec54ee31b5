import { execa } from 'execa'
import { storageRemedy } from '../cache/room.ts'
import { Failure } from '../failure.ts'
import { requirePrograms } from '../programs.ts'

export interface GitOptions {
  signal?: AbortSignal | undefined
  input?: string | undefined
  /** Path of the index, instead of the repository's own. */
  index?: string | undefined
  /**
   * For what talks to other machines, and for repositories of the user: with the user's configuration and
   * credentials, and without a question on the terminal.
   */
  asUser?: boolean | undefined
  /** Hears how far git says it is, as in `Receiving objects: 37%`. */
  note?: ((note: string) => void) | undefined
}

/** What a user may set for git beside its configuration; the others say which repository and which files. */
const usersVariables = /^GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|PROXY_\w+|SSL_\w+|HTTP_\w+|CONFIG_\w+)$/

/**
 * The environment of every git that copylab starts: no configuration, hooks or identity of the user unless that is
 * asked for, no repository inherited from a hook that copylab runs in, fixed names and dates, so that the same input
 * gives the same commit.
 */
export function gitEnvironment({ asUser = false }: Pick<GitOptions, 'asUser'> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('GIT_') || (asUser && usersVariables.test(name)),
  )
  const date = '2000-01-01T00:00:00Z'
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C',
    ...(asUser
      ? // The user's index is not even refreshed.
        { GIT_OPTIONAL_LOCKS: '0' }
      : { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }),
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
 * @throws Failure('infra') when there is no git
 */
export function gitCommand(directory: string, args: string[]): [string, string[]] {
  requirePrograms(['git', 'setpriv'])
  return ['setpriv', ['--pdeathsig', 'KILL', 'git', '-C', directory, ...args]]
}

/** Runs git in `directory` and returns what it said, whatever its exit status. */
export async function tryGit(
  directory: string,
  args: string[],
  options: GitOptions = {},
): Promise<GitResult> {
  const { signal, input = '', index, note } = options
  signal?.throwIfAborted()
  const child = execa(...gitCommand(directory, args), {
    env: { ...gitEnvironment(options), ...(index === undefined ? {} : { GIT_INDEX_FILE: index }) },
    extendEnv: false,
    input,
    reject: false,
    maxBuffer: 64 << 20,
    ...(signal && { cancelSignal: signal }),
  })
  if (note) {
    child.stderr.on('data', (data: Buffer) => {
      const [said] = /[A-Z][a-z]+ \w+: +\d+%/.exec(data.toString()) ?? []
      if (said) note(said)
    })
  }
  const result = await child
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
  const words = stderr.trim() || stdout.trim()
  throw new Failure('infra', `git ${args[0]} failed in ${directory}: ${words}`, {
    command: `git -C ${directory} ${args.join(' ')}`,
    ...storageRemedy(words),
  })
}
