import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Event } from '../../../../harness/events.ts'
import { git } from '../../../../harness/tree/git.ts'
import { provideTree } from '../../../../harness/tree/provide.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

const makefile = 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 9\nall:\n'
const spec = { label: '6.12', debian: 'linux-source-6.12' }
let directory: string
let cache: string
const at = (...names: string[]) => join(cache, 'trees', spec.debian, ...names)
const calls = () => readFile(join(directory, 'calls'), 'utf8').catch(() => '')

/** Puts a program of the given name before all others on the PATH. */
async function fakeProgram(name: string, script: string): Promise<void> {
  const path = join(directory, 'bin', name)
  await writeFile(path, `#!/bin/sh\necho "${name} $*" >> ${join(directory, 'calls')}\n${script}\n`)
  await chmod(path, 0o755)
}

/** An apt-get that has the package to give. */
const generous = () =>
  fakeProgram(
    'apt-get',
    `case "$*" in *download*) cp ${join(directory, 'toy.deb')} linux-source-6.12_6.12.9-1_all.deb;; esac`,
  )

/** Makes toy.deb of the source directory. */
async function packageSource(): Promise<void> {
  const root = join(directory, 'deb')
  await mkdir(join(root, 'usr/src'), { recursive: true })
  await mkdir(join(root, 'DEBIAN'), { recursive: true })
  const fields = [
    'Package: linux-source-6.12',
    'Version: 6.12.9-1',
    'Architecture: all',
    'Maintainer: x',
    'Description: x',
  ]
  await writeFile(join(root, 'DEBIAN/control'), `${fields.join('\n')}\n`)
  await execa(
    'tar',
    ['-cJf', join(root, 'usr/src/linux-source-6.12.tar.xz'), '-C', directory, 'linux-source-6.12'],
    { env: { XZ_OPT: '-0' } },
  )
  await execa('dpkg-deb', ['--build', '-Znone', root, join(directory, 'toy.deb')])
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-tree-'))
  cache = join(directory, 'copylab')
  const source = join(directory, 'linux-source-6.12')
  await mkdir(join(source, 'scripts'), { recursive: true })
  await writeFile(join(source, '.gitignore'), '/*\n')
  await writeFile(join(source, 'Makefile'), makefile)
  await writeFile(join(source, 'big.h'), 'x'.repeat(3_000_000))
  await writeFile(join(source, 'scripts/run "me" ü'), '#!/bin/sh\n', { mode: 0o755 })
  await symlink('Makefile', join(source, 'link'))
  await packageSource()
  await mkdir(join(directory, 'bin'))
  vi.stubEnv('PATH', [join(directory, 'bin'), process.env.PATH].join(delimiter))
  vi.stubEnv('XDG_CACHE_HOME', directory)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

test('the work tree holds every file as the package has it, committed', async () => {
  await generous()
  const tree = await provideTree(spec, { cache })
  expect(tree).toMatchObject({ label: '6.12', version: '6.12.9-1', git: at('source') })
  expect((await readdir(tree.git)).sort()).toEqual([
    '.git',
    '.gitignore',
    'Makefile',
    'big.h',
    'link',
    'scripts',
  ])
  expect((await stat(join(tree.git, 'scripts/run "me" ü'))).mode & 0o100).toBe(0o100)
  expect((await stat(join(tree.git, 'big.h'))).size).toBe(3_000_000)
  expect(await readFile(join(tree.git, 'link'), 'utf8')).toBe(makefile)
  expect(await git(tree.git, ['status', '--porcelain', '--ignored'])).toBe('')
  expect(await git(tree.git, ['rev-parse', 'HEAD', 'HEAD^{tree}'])).toBe(`${tree.base}\n${tree.id}`)
})

test('the identity is the content, and a tree that is ready needs neither apt nor git', async () => {
  await generous()
  const tree = await provideTree(spec, { cache })
  await rm(at(), { recursive: true })
  expect(await provideTree(spec, { cache })).toEqual(tree)
  await fakeProgram('apt-get', 'exit 1')
  await fakeProgram('git', 'exit 1')
  const before = await calls()
  expect(await provideTree(spec, { cache })).toEqual(tree)
  expect(await calls()).toBe(before)
})

test.each([
  ['the download', [], ['fetch', 'unpack', 'checkout']],
  ['the import', ['package'], ['unpack', 'checkout']],
  ['the checkout', ['package', 'source'], ['checkout']],
])('a run that was killed during %s is taken up after the last whole step', async (_what, whole, steps) => {
  await generous()
  const tree = await provideTree(spec, { cache })
  await rm(at('ready.json'))
  await mkdir(at('package.new-999999999-1'), { recursive: true })
  await writeFile(at('source/.git/index.lock'), '')
  await rm(at('source/Makefile'))
  for (const name of ['package', 'source']) {
    if (!whole.includes(name)) await rm(at(name), { recursive: true })
  }
  const events: Event[] = []
  expect(await provideTree(spec, { cache, emit: (event) => events.push(event) })).toEqual(tree)
  expect(
    events.filter(({ type }) => type === 'step-started').map((event) => 'step' in event && event.step),
  ).toEqual(steps)
  expect(await git(tree.git, ['status', '--porcelain', '--ignored'])).toBe('')
})

test('where the lists do not know the package, private ones are read', async () => {
  await fakeProgram(
    'apt-get',
    `case "$*" in
      *update) ;;
      *Dir::State::Lists*download*) cp ${join(directory, 'toy.deb')} linux-source-6.12_6.12.9-1_all.deb;;
      *) echo "E: Unable to locate package" >&2; exit 100;;
    esac`,
  )
  await provideTree(spec, { cache })
  expect((await calls()).split('\n')).toEqual([
    expect.stringMatching(/^apt-get .* download linux-source-6\.12$/),
    expect.stringMatching(/^apt-get .*Lists=.*\/copylab\/apt\/lists .* update$/),
    expect.stringMatching(/^apt-get .*Lists=.* download linux-source-6\.12$/),
    '',
  ])
})

/** Directory of the trees that are fetched from a suite. */
const suiteTree = () => join(cache, 'trees', 'linux-source-6.12@trixie-backports')
const fromSuite = { ...spec, suite: 'trixie-backports' }
const targets = (...lines: string[]) => lines.map((line) => `echo 'mirror ${line}'`).join('; ')

test('a suite is read from the mirror of the machine, by an apt that sees nothing else', async () => {
  await fakeProgram(
    'apt-get',
    `case "$*" in
      *indextargets*) ${targets('http://other/x Other Other', 'http://mine/debian/ Debian Debian', 'http://mine/security/ Debian Debian-Security')};;
      *SourceList=*SourceParts=/dev/null*update) ;;
      *SourceList=*SourceParts=/dev/null*download*) cp ${join(directory, 'toy.deb')} linux-source-6.12_6.12.9-1_all.deb;;
      *) exit 100;;
    esac`,
  )
  const tree = await provideTree(fromSuite, { cache })
  expect(tree).toMatchObject({ label: '6.12', version: '6.12.9-1', git: join(suiteTree(), 'source') })
  const state = join(cache, 'apt', 'trixie-backports')
  expect(await readFile(join(state, 'sources.list'), 'utf8')).toMatch(
    /^deb \[target=Packages signed-by=\S*debian-archive-keyring\S*\] http:\/\/mine\/debian\/ trixie-backports main\n$/,
  )
  expect(await calls()).toContain(`Dir::State::Lists=${join(state, 'lists')}`)
  expect(await readdir(join(cache, 'trees'))).toEqual(['linux-source-6.12@trixie-backports'])
})

test('where the lists were never read, the mirrors are tried in turn', async () => {
  await fakeProgram(
    'apt-get',
    `case "$*" in
      *indextargets*--no-release-info*) ${targets('http://first/ $(ORIGIN) $(LABEL)', 'http://second/ $(ORIGIN) $(LABEL)')};;
      *indextargets*) ;;
      *update) grep second ${join(cache, 'apt/trixie-backports/sources.list')} || { echo 'E: no Release file' >&2; exit 100; };;
      *download*) cp ${join(directory, 'toy.deb')} linux-source-6.12_6.12.9-1_all.deb;;
    esac`,
  )
  expect(await provideTree(fromSuite, { cache })).toMatchObject({ version: '6.12.9-1' })
})

test.each([
  [
    'no mirror has',
    targets('http://mine/debian/ Debian Debian'),
    'E: no Release file',
    'has the suite trixie-backports',
  ],
  ['no mirror could have', ':', 'name no archive', 'add a Debian mirror'],
])('a suite that %s is a Failure with the remedy', async (_what, listed, words, remedy) => {
  await fakeProgram(
    'apt-get',
    `case "$*" in *indextargets*) ${listed};; *) echo 'E: no Release file' >&2; exit 100;; esac`,
  )
  const error = await provideTree(fromSuite, { cache }).catch((failure) => failure)
  expect(error).toMatchObject({ kind: 'infra', remedy: expect.stringContaining(remedy) })
  expect(error.message).toContain(words)
  expect(await readdir(suiteTree())).toEqual([])
})

test("a package that is not to be had is a Failure with apt's words, command and remedy", async () => {
  await fakeProgram('apt-get', 'echo "E: Unable to locate package" >&2; exit 100')
  const error = await provideTree(spec, { cache }).catch((failure) => failure)
  expect(error).toMatchObject({
    kind: 'infra',
    command: expect.stringContaining('download'),
    remedy: expect.any(String),
  })
  expect(error.message).toContain('E: Unable to locate package')
  expect(await readdir(at())).toEqual([])
})

test('a package that is damaged is a Failure that says which', async () => {
  await generous()
  await writeFile(join(directory, 'broken.xz'), 'no xz at all')
  await fakeProgram('xz', `exec /usr/bin/xz -dc ${join(directory, 'broken.xz')}`)
  const error = await provideTree(spec, { cache }).catch((failure) => failure)
  expect(error).toMatchObject({ kind: 'infra', message: expect.stringContaining(at('package/package.deb')) })
  expect(await readdir(at())).toEqual(['package'])
})

test('a package that was deleted is fetched again, and what came out of it is made anew', async () => {
  await generous()
  await provideTree(spec, { cache })
  await rm(at('ready.json'))
  await rm(at('package/package.deb'))
  const source = join(directory, 'linux-source-6.12')
  await writeFile(join(source, 'Makefile'), `${makefile}another:\n`)
  await packageSource()
  const tree = await provideTree(spec, { cache })
  expect(await readFile(join(tree.git, 'Makefile'), 'utf8')).toBe(`${makefile}another:\n`)
})

test('a git whose copylab is killed does not go on', async () => {
  await fakeProgram('git', `echo $$ > ${join(directory, 'pid')}; exec sleep 60`)
  const program = `
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
    register()
    const { git } = await import(${JSON.stringify(new URL('../../../../harness/tree/git.ts', import.meta.url).href)})
    await git('/', ['checkout'])`
  const copylab = execa(process.execPath, ['--input-type=module', '--eval', program], { reject: false })
  const pid = () => readFile(join(directory, 'pid'), 'utf8').then(Number)
  await vi.waitFor(async () => expect(await pid()).toBeGreaterThan(0), 20_000)
  copylab.kill('SIGKILL')
  await copylab
  const git = await pid()
  await vi.waitFor(() => expect(() => process.kill(git, 0)).toThrow('ESRCH'), 5000)
})

test('an aborted download leaves nothing, and the next run works', async () => {
  await fakeProgram('apt-get', 'touch linux-source-6.12.part; exec sleep 60')
  const controller = new AbortController()
  const running = provideTree(spec, { cache, signal: controller.signal })
  await vi.waitFor(async () => expect(await calls()).toContain('download'), 5000)
  controller.abort(new Error('interrupted'))
  await expect(running).rejects.toThrow('interrupted')
  expect(await readdir(at())).toEqual([])
  await generous()
  await provideTree(spec, { cache })
})

test('an aborted import ends at once, though every pipe is full', async () => {
  await generous()
  // More than pipes and buffers hold, packed or not, and importers that read none of it.
  const source = join(directory, 'linux-source-6.12')
  await writeFile(join(source, 'huge.h'), randomBytes(12 << 20))
  await packageSource()
  const real = (await execa('which', ['git'])).stdout
  await fakeProgram('git', `case "$*" in *fast-import*) exec sleep 60;; *) exec ${real} "$@";; esac`)
  const controller = new AbortController()
  const running = provideTree(spec, { cache, signal: controller.signal })
  await vi.waitFor(async () => expect((await calls()).match(/fast-import/g)).toHaveLength(2), 5000)
  controller.abort(new Error('interrupted'))
  await expect(running).rejects.toThrow('interrupted')
  expect(await readdir(at())).toEqual(['package'])
})

test("an importer that dies is a Failure with git's words", async () => {
  await generous()
  const real = (await execa('which', ['git'])).stdout
  const dying = 'echo "fatal: write error: No space left on device" >&2; exit 128'
  await fakeProgram('git', `case "$*" in *fast-import*) ${dying};; *) exec ${real} "$@";; esac`)
  await expect(provideTree(spec, { cache })).rejects.toThrow('No space left on device')
  expect(await readdir(at())).toEqual(['package'])
})
