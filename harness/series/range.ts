/** The commits of a git repository as patches. */
import { readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../failure.ts'
import { gitCommand, gitEnvironment, tryGit } from '../tree/git.ts'
import { keep } from './keep.ts'
import type { Source } from './source.ts'

/** Beside the patches: the files that they change, as they were, so that git can merge where a tree has drifted. */
export const blobPack = 'blobs.pack'

const mostCommits = 1000

/** Nothing of what the repository's own configuration may say about patches, and no program that it names. */
const formatting = [
  ...['--full-index', '--binary', '--find-renames', '--zero-commit', '--no-signature', '--no-attach'],
  ...[
    '--no-thread',
    '--no-cover-letter',
    '--no-ext-diff',
    '--no-textconv',
    '--no-notes',
    '--no-to',
    '--no-cc',
  ],
  ...[
    '--no-add-header',
    '--no-base',
    '--no-from',
    '--src-prefix=a/',
    '--dst-prefix=b/',
    '--subject-prefix=PATCH',
  ],
  ...['--unified=3', '--stat=75', '--suffix=.patch', '--quiet'],
]

/**
 * Paths of the patches of a range, in order, in the cache.
 * @throws Failure('usage') when the range is empty, has merges, or git cannot read it
 */
export async function rangePatches({ path, from, to }: Source & { kind: 'range' }): Promise<string[]> {
  const ask = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await tryGit(path, args)
    if (status === 0) return stdout
    throw new Failure('usage', `${path}:${from}..${to}: git cannot read the range: ${stderr.trim()}`, {
      command: `git -C ${path} ${args.join(' ')}`,
      remedy: 'name a git repository and two of its branches, tags or commits: REPOSITORY:A..B',
    })
  }
  const [first, last] = await Promise.all(
    [from, to].map((name) => ask('rev-parse', '--verify', '--end-of-options', `${name}^{commit}`)),
  )
  const range = `${first}..${last}`
  const commits = Number(await ask('rev-list', '--count', range))
  const where = `${basename(path)}:${from}..${to}`
  if (commits === 0) {
    throw new Failure('usage', `${where} is empty: ${to} has no commit that ${from} has not`, {
      remedy: 'name the base first: REPOSITORY:BASE..TOPIC',
    })
  }
  if (commits > mostCommits) {
    throw new Failure(
      'usage',
      `${where} has ${commits} commits; more than ${mostCommits} are not taken as a series`,
      { remedy: 'name a base that is nearer' },
    )
  }
  const merges = await ask('rev-list', '--merges', '--oneline', range)
  if (merges) {
    throw new Failure(
      'usage',
      `${where} has a merge, ${merges.split('\n')[0]}; a series is one line of commits`,
      {
        remedy: `rebase it: git rebase ${from} ${to}`,
      },
    )
  }
  const directory = await keep(`range 1 ${range}`, async (temporary) => {
    await ask('format-patch', ...formatting, '--output-directory', temporary, range)
    await writeFile(join(temporary, blobPack), await oldBlobs(path, range, ask))
  })
  const names = (await readdir(directory)).filter((name) => name.endsWith('.patch'))
  return names.sort().map((name) => join(directory, name))
}

async function oldBlobs(
  repository: string,
  range: string,
  ask: (...args: string[]) => Promise<string>,
): Promise<Uint8Array> {
  const changes = await ask('log', '--raw', '--no-abbrev', '--no-renames', '--format=', range)
  const blobs = [...changes.matchAll(/^:100\d{3} \d{6} ([0-9a-f]{40,64}) /gm)].map(([, blob]) => blob)
  const { stdout } = await execa(...gitCommand(repository, ['pack-objects', '--stdout', '--quiet']), {
    env: gitEnvironment(),
    extendEnv: false,
    input: `${[...new Set(blobs)].join('\n')}\n`,
    encoding: 'buffer',
  })
  return stdout
}
