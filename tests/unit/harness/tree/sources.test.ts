import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { TreeSource } from '../../../../harness/config/schema.ts'
import type { Event } from '../../../../harness/events.ts'
import { findTree } from '../../../../harness/tree/find.ts'
import { git } from '../../../../harness/tree/git.ts'
import { provideTree } from '../../../../harness/tree/provide.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 })

const makefile = 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 9\nEXTRAVERSION = -rc1\nall:\n'
let directory: string
let cache: string
/** A kernel source in a few files, with no git in it. */
let plain: string
const at = (...names: string[]) => join(directory, ...names)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-sources-'))
  cache = at('copylab')
  plain = at('linux-6.12')
  await mkdir(join(plain, 'scripts'), { recursive: true })
  await writeFile(join(plain, 'Makefile'), makefile)
  // As Debian's ends: whatever asks git what is there must not believe it.
  await writeFile(join(plain, '.gitignore'), '/*\n')
  await writeFile(join(plain, 'scripts/run'), '#!/bin/sh\n', { mode: 0o755 })
  await symlink('../Makefile', join(plain, 'scripts/link'))
  await mkdir(at('bin'))
  vi.stubEnv('PATH', [at('bin'), process.env.PATH].join(delimiter))
  vi.stubEnv('XDG_CACHE_HOME', directory)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const provide = (source: TreeSource, emit?: (event: Event) => void) =>
  provideTree({ label: 'x', ...source }, { cache, emit })
const failing = (source: TreeSource) => provide(source).catch((failure) => failure)
const steps = async (source: TreeSource) => {
  const names: string[] = []
  await provide(source, (event) => event.type === 'step-started' && names.push(event.step))
  return names
}

/** A git repository with the plain source as its only commit, tagged v1. */
async function repository(): Promise<string> {
  const path = at('repository')
  await cp(plain, path, { recursive: true, verbatimSymlinks: true })
  await git(path, ['init', '--quiet', '--initial-branch=main'])
  await commit(path, 'one')
  await git(path, ['tag', '--annotate', '--message=v1', 'v1'])
  return path
}
async function commit(path: string, message: string): Promise<string> {
  await git(path, ['add', '--all', '--force', '.'])
  await git(path, ['commit', '--quiet', `--message=${message}`])
  return git(path, ['rev-parse', 'HEAD'])
}

/** Everything that could change when somebody writes. */
async function snapshot(path: string): Promise<string> {
  const { stdout } = await execa('find', [path, '-printf', '%P %y %m %s %T@ %C@\n'])
  return stdout
}

test('the same content has the same identity, whatever it comes in', async () => {
  const id = await git(await repository(), ['rev-parse', 'HEAD^{tree}'])
  const pack = async (name: string, ...args: string[]) => {
    await execa('tar', ['--create', `--file=${at(name)}`, ...args])
    return { tarball: at(name) }
  }
  const sources: TreeSource[] = [
    await pack('top.tar.xz', '--xz', '-C', directory, 'linux-6.12'),
    await pack('bare.tar.gz', '--gzip', '-C', plain, '.'),
    await pack('named-otherwise', '--zstd', '-C', plain, '.gitignore', 'Makefile', 'scripts'),
    await pack('plain.tar', '-C', directory, './linux-6.12'),
    { directory: plain, dirty: 'refuse' },
    { directory: at('repository'), dirty: 'refuse' },
    { git: at('repository'), ref: 'main' },
    { git: `file://${at('repository')}`, ref: 'v1' },
  ]
  const trees = await Promise.all(sources.map((source) => provide(source)))
  expect(trees.map((tree) => tree.id)).toEqual(sources.map(() => id))
  for (const tree of trees) {
    expect(tree.version).toMatch(/^6\.12\.9-rc1(-g[0-9a-f]{12})?$/)
    expect(await git(tree.git, ['rev-parse', `${tree.base}^{tree}`])).toBe(id)
  }
  const [first] = trees
  expect(await readdir(first?.git ?? '')).toEqual(['.git', '.gitignore', 'Makefile', 'scripts'])
  expect((await stat(join(first?.git ?? '', 'scripts/run'))).mode & 0o100).toBe(0o100)
})

test('a source that has not changed is not read again', async () => {
  await execa('tar', ['-czf', at('a.tar.gz'), '-C', directory, 'linux-6.12'])
  for (const source of [{ tarball: at('a.tar.gz') }, { directory: plain, dirty: 'refuse' }] as const) {
    const tree = await provide(source)
    await writeFile(at('bin/git'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
    expect(await provide(source)).toEqual(tree)
    await rm(at('bin/git'))
  }
})

test('a directory that has changed is imported again, and only what changed is written', async () => {
  const source = { directory: plain, dirty: 'refuse' } as const
  const before = await provide(source)
  const script = join(before.git, 'scripts/run')
  const { mtimeMs } = await stat(script)
  await writeFile(join(plain, 'Makefile'), `${makefile}more:\n`)
  await rm(join(plain, 'scripts/link'))
  const after = await provide(source)
  expect(after.id).not.toBe(before.id)
  expect(await readFile(join(after.git, 'Makefile'), 'utf8')).toContain('more:')
  expect(await readdir(join(after.git, 'scripts'))).toEqual(['run'])
  expect((await stat(script)).mtimeMs).toBe(mtimeMs)
})

test('a tarball that was replaced is imported again', async () => {
  await execa('tar', ['-czf', at('a.tar.gz'), '-C', directory, 'linux-6.12'])
  const before = await provide({ tarball: at('a.tar.gz') })
  await writeFile(join(plain, 'Makefile'), `${makefile}more:\n`)
  await execa('tar', ['-czf', at('b.tar.gz'), '-C', directory, 'linux-6.12'])
  await rename(at('b.tar.gz'), at('a.tar.gz'))
  expect((await provide({ tarball: at('a.tar.gz') })).id).not.toBe(before.id)
})

describe('a git work tree', () => {
  test("is only read, the user's index not even refreshed", async () => {
    const path = await repository()
    // What makes git refresh the index: a file with another time and the same content.
    await writeFile(join(path, 'Makefile'), makefile)
    const before = await snapshot(path)
    await provide({ directory: path, dirty: 'refuse' })
    await writeFile(join(path, 'Makefile'), `${makefile}more:\n`)
    const changed = await snapshot(path)
    await provide({ directory: path, dirty: 'copy' })
    await failing({ directory: path, dirty: 'refuse' })
    expect(await snapshot(path)).toBe(changed)
    expect(before.replace(/.*Makefile.*/, '')).toBe(changed.replace(/.*Makefile.*/, ''))
  })

  test('with changes is refused, with what they are and what to do', async () => {
    const path = await repository()
    await writeFile(join(path, 'Makefile'), `${makefile}more:\n`)
    await git(path, ['rm', '--quiet', '--cached', 'scripts/run'])
    expect(await failing({ directory: path, dirty: 'refuse' })).toMatchObject({
      kind: 'usage',
      message: `${path} has changes that are not committed: M Makefile, D  scripts/run`,
      remedy: expect.stringContaining('--dirty copy'),
    })
  })

  test('with changes is copied as it is: edited, deleted, new and untracked files, but not ignored ones', async () => {
    const path = await repository()
    await writeFile(join(path, '.gitignore'), '*.o\n')
    await commit(path, 'two')
    await writeFile(join(path, 'Makefile'), `${makefile}more:\n`)
    await rm(join(path, 'scripts/link'))
    await writeFile(join(path, 'scripts/new "ü"'), 'new\n')
    await chmod(join(path, 'scripts/run'), 0o644)
    await writeFile(join(path, 'a.o'), 'object\n')
    const source = { directory: path, dirty: 'copy' } as const
    const tree = await provide(source)
    expect(tree.version).toMatch(/^6\.12\.9-rc1-g[0-9a-f]{12}-dirty$/)
    expect(await provide(source)).toEqual(tree)
    await rm(join(path, 'a.o'))
    // What the user would get.
    expect(tree.id).toBe(await git(path, ['rev-parse', `${await commit(path, 'three')}^{tree}`]))
    expect(await git(tree.git, ['ls-tree', '-r', '--name-only', tree.base])).not.toContain('a.o')
    expect(await git(tree.git, ['log', '--format=%s', tree.base])).toBe('with changes\ntwo\none')
  })

  test('of a linked worktree is that work tree', async () => {
    const path = await repository()
    await git(path, ['worktree', 'add', '--quiet', '--detach', at('linked')])
    await writeFile(at('linked/Makefile'), `${makefile}linked:\n`)
    const head = await commit(at('linked'), 'linked')
    expect((await provide({ directory: at('linked'), dirty: 'refuse' })).base).toBe(head)
  })
})

describe('a git repository', () => {
  test.each(['path', 'URL'])('by its %s is fetched once, and again when the branch has moved', async (by) => {
    const path = await repository()
    const source = { git: by === 'path' ? path : `file://${path}`, ref: 'main' }
    expect(await steps(source)).toEqual(['fetch'])
    expect(await steps(source)).toEqual([])
    await writeFile(join(path, 'Makefile'), `${makefile}more:\n`)
    const moved = await commit(path, 'two')
    expect(await steps(source)).toEqual(['fetch'])
    expect((await provide(source)).base).toBe(moved)
    const old = await git(path, ['rev-parse', 'HEAD~'])
    for (const ref of ['main~1', 'v1', 'refs/tags/v1', old, old.slice(0, 10), 'HEAD^'])
      expect((await provide({ ...source, ref })).base).toBe(old)
    expect(await readdir(join(cache, 'trees'))).toHaveLength(1)
  })

  test('is not asked for a commit that was fetched', async () => {
    const path = await repository()
    const source = { git: `file://${path}`, ref: 'v1' }
    const tree = await provide(source)
    await rename(path, at('gone'))
    expect(await provide({ ...source, ref: tree.base })).toMatchObject({ id: tree.id })
    expect(await failing(source)).toMatchObject({
      kind: 'infra',
      message: expect.stringMatching(/^cannot fetch file:.*: fatal: /),
      remedy: expect.stringContaining('whole hash'),
    })
  })

  test('has commits that no branch leads to', async () => {
    const path = await repository()
    await provide({ git: `file://${path}`, ref: 'main' })
    await git(path, ['checkout', '--quiet', '--detach'])
    await writeFile(join(path, 'Makefile'), `${makefile}more:\n`)
    const loose = await commit(path, 'loose')
    await git(path, ['checkout', '--quiet', 'main'])
    expect((await provide({ git: `file://${path}`, ref: loose })).base).toBe(loose)
  })

  test.each(['path', 'URL'])('by its %s says which names are like one that it has not got', async (by) => {
    const path = await repository()
    const origin = by === 'path' ? path : `file://${path}`
    const failure = await failing({ git: origin, ref: 'next' })
    expect(failure).toMatchObject({ kind: 'usage', remedy: expect.stringContaining('git ls-remote') })
    expect(failure.message).toBe(`${origin} has no branch, tag or commit "next"`)
    expect((await failing({ git: origin, ref: 'v10' })).message).toMatch(/"v10"; it has v1$/)
    expect((await failing({ git: origin, ref: 'mai' })).message).toMatch(/"mai"; it has main$/)
    expect((await failing({ git: origin, ref: '0123456789abcdef' })).kind).toBe('usage')
  })

  test('that is none, or below one, is said so', async () => {
    const path = await repository()
    expect(await failing({ git: plain, ref: 'v1' })).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(`${plain} is no git repository`),
    })
    const below = await failing({ git: join(path, 'scripts'), ref: 'v1' })
    expect(below.message).toContain(`the repository is ${path}`)
  })

  test('a clone that was killed is made anew', async () => {
    const path = await repository()
    const source = { git: path, ref: 'v1' }
    const tree = await provide(source)
    await rename(tree.git, `${tree.git}.new-999999999-1`)
    expect(await provide(source)).toEqual(tree)
    expect((await readdir(join(tree.git, '..'))).sort()).toEqual(['commits', 'source'])
  })

  test('that has a submodule, or is no kernel, is refused', async () => {
    const path = await repository()
    await git(path, ['update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},sub`])
    await git(path, ['commit', '--quiet', '--message=sub'])
    expect((await failing({ git: path, ref: 'HEAD' })).message).toContain('sub is a submodule')
    await git(path, ['rm', '--quiet', '-r', '--cached', '.'])
    await git(path, ['add', '--force', 'scripts'])
    await git(path, ['commit', '--quiet', '--message=none'])
    expect(await failing({ git: path, ref: 'HEAD' })).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('is no kernel source'),
    })
  })
})

test('the identity outlives the files, which come back when they are wanted', async () => {
  await execa('tar', ['-czf', at('a.tar.gz'), '-C', directory, 'linux-6.12'])
  const path = await repository()
  const sources: TreeSource[] = [
    { tarball: at('a.tar.gz') },
    { directory: plain, dirty: 'refuse' },
    { directory: path, dirty: 'refuse' },
    { git: `file://${path}`, ref: 'v1' },
  ]
  for (const source of sources) {
    const tree = await provide(source)
    await rm(tree.git, { recursive: true })
    const events: Event[] = []
    const found = await findTree({ label: 'x', ...source }, { cache, emit: (event) => events.push(event) })
    expect(found).toMatchObject({ id: tree.id, version: tree.version, label: 'x' })
    expect(events).toEqual([])
    expect(await found.provide()).toEqual(tree)
    expect(await readdir(tree.git)).toContain('.git')
  }
  await writeFile(join(plain, 'Makefile'), `${makefile}more:\n`)
  const changed = await findTree({ label: 'x', directory: plain, dirty: 'refuse' }, { cache })
  expect(changed.id).toBe((await changed.provide()).id)
})

test.each(['.config', 'vmlinux'])('a directory with a %s, left by a build, is refused', async (name) => {
  await writeFile(join(plain, name), '')
  expect(await failing({ directory: plain, dirty: 'refuse' })).toMatchObject({
    kind: 'usage',
    message: expect.stringContaining(`it has ${name}`),
    remedy: `make -C ${plain} mrproper`,
  })
})

test('a full disk is the fault of the machine, and named', async () => {
  const { stdout } = await execa('which', ['git'])
  const dying = 'echo "fatal: write error: No space left on device" >&2; exit 128'
  const script = `#!/bin/sh\ncase "$*" in *fast-import*|*clone*) ${dying};; *) exec ${stdout} "$@";; esac\n`
  const path = await repository()
  await writeFile(at('bin/git'), script, { mode: 0o755 })
  for (const source of [
    { directory: plain, dirty: 'refuse' },
    { git: path, ref: 'v1' },
  ] as const) {
    expect(await failing(source)).toMatchObject({
      kind: 'infra',
      message: expect.stringContaining('No space left on device'),
      remedy: expect.stringContaining('make room'),
    })
  }
})
