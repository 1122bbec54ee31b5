import { writeFileSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

/** A project like copylab's own, with programs on the PATH that only write down how they were called. */
let directory: string
const calls = async () =>
  (await readFile(join(directory, 'calls'), 'utf8').catch(() => '')).split('\n').slice(0, -1)
const forget = () => rm(join(directory, 'calls'), { force: true })

async function fakeProgram(name: string, script: string): Promise<void> {
  const path = join(directory, 'bin', name)
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
}

const record = (name: string) => `echo "${name} $*" >> ${'$'}COPYLAB_TEST/calls`

const copylab = (args: string[], environment: Record<string, string> = {}) =>
  execa(process.execPath, [join(directory, 'harness/copylab.mjs'), ...args], {
    env: {
      PATH: `${join(directory, 'bin')}:/usr/bin:/bin`,
      HOME: directory,
      COPYLAB_TEST: directory,
      ...environment,
    },
    extendEnv: false,
    reject: false,
  })

/** Makes the process believe that it is an ordinary user. */
const asUser = { NODE_OPTIONS: '--import data:text/javascript,process.getuid=()=>1000' }
const asRoot = { NODE_OPTIONS: '--import data:text/javascript,process.getuid=()=>0' }

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-setup-'))
  await mkdir(join(directory, 'harness'))
  await mkdir(join(directory, 'bin'))
  await copyFile(
    new URL('../../../../harness/copylab.mjs', import.meta.url),
    join(directory, 'harness/copylab.mjs'),
  )
  await writeFile(join(directory, 'harness/packages.json'), '{"required": {"flex": "x", "bc": "y"}}')
  const lock = {
    packages: {
      '': {},
      'node_modules/x': { integrity: 'sha512-a' },
      'node_modules/mac': { optional: true },
    },
  }
  await writeFile(join(directory, 'package-lock.json'), JSON.stringify(lock))
  await fakeProgram(
    'dpkg-query',
    `echo "bc installed"; [ -f "$COPYLAB_TEST/flex" ] && echo "flex:amd64 installed"; exit 0`,
  )
  await fakeProgram('apt-get', `${record('apt-get')}; touch "$COPYLAB_TEST/flex"`)
  await fakeProgram('sudo', `${record('sudo')}; exit 1`)
  await fakeProgram(
    'npm',
    `${record('npm')}
    mkdir -p node_modules
    echo '{"packages":{"node_modules/x":{"integrity":"sha512-a"}}}' > node_modules/.package-lock.json`,
  )
  await writeFile(
    join(directory, 'harness/bundle.mjs'),
    'export const bundledCommandLine = async () => "data:text/javascript,console.log(`cli`)"',
  )
})
afterEach(() => rm(directory, { recursive: true }))

const install = expect.stringMatching(
  /^apt-get .*DPkg::Lock::Timeout.* install --yes --no-install-recommends flex$/,
)
const npmCi = expect.stringMatching(/^npm ci --include=dev /)

test('the first run installs what is missing and says so; the second starts nothing', async () => {
  const first = await copylab(['run'], asRoot)
  expect(first).toMatchObject({ exitCode: 0, stdout: 'cli' })
  expect(first.stderr).toContain(
    'installing Debian packages: apt-get install --yes --no-install-recommends flex',
  )
  expect(await calls()).toEqual([install, npmCi])
  await forget()
  const second = await copylab(['run'], asRoot)
  expect(second).toMatchObject({ exitCode: 0, stdout: 'cli', stderr: '' })
  expect(await calls()).toEqual([])
})

test('another lock file installs the modules again, and modules that match stay', async () => {
  await copylab(['run'], asRoot)
  await forget()
  const path = join(directory, 'package-lock.json')
  await writeFile(path, `${await readFile(path, 'utf8')} `)
  await copylab(['run'], asRoot)
  expect(await calls()).toEqual([])
  await writeFile(path, (await readFile(path, 'utf8')).replace('sha512-a', 'sha512-b'))
  await copylab(['run'], asRoot)
  expect(await calls()).toEqual([npmCi])
})

test('package lists that are missing are read once', async () => {
  await fakeProgram(
    'apt-get',
    `${record('apt-get')}
    case "$*" in *update) touch "$COPYLAB_TEST/lists";; esac
    [ -f "$COPYLAB_TEST/lists" ] || { echo "E: Unable to locate package flex" >&2; exit 100; }
    touch "$COPYLAB_TEST/flex"`,
  )
  expect((await copylab(['build'], asRoot)).exitCode).toBe(0)
  expect(await calls()).toEqual([install, expect.stringMatching(/ update$/), install, npmCi])
})

test("what cannot be installed is said with apt's words, and ends with status 3", async () => {
  await fakeProgram('apt-get', 'echo "E: Unable to locate package flex" >&2; exit 100')
  const { exitCode, stderr } = await copylab(['run'], asRoot)
  expect(exitCode).toBe(3)
  expect(stderr).toMatch(/cannot install flex:[\s\S]*E: Unable to locate package flex/)
  expect(await calls()).toEqual([])
})

test('git bisect run takes neither a set-up that fails nor a bug for a bad commit', async () => {
  const step = ['bisect', 'step', '--symptom', 'build']
  await writeFile(
    join(directory, 'harness/bundle.mjs'),
    'export const bundledCommandLine = async () => "data:text/javascript,setImmediate(()=>{throw new Error(`oh`)})"',
  )
  expect(await copylab(step, asRoot)).toMatchObject({
    exitCode: 128,
    stderr: expect.stringContaining('this is a bug in copylab\nError: oh'),
  })
  expect((await copylab(['run'], asRoot)).exitCode).toBe(3)
  await rm(join(directory, 'flex'))
  await rm(join(directory, 'node_modules/.copylab-ready'))
  await fakeProgram('apt-get', 'exit 100')
  expect((await copylab(step, asRoot)).exitCode).toBe(128)
})

test('a user without sudo is shown the command, and nothing is installed', async () => {
  const { exitCode, stderr } = await copylab(['run'], asUser)
  expect(exitCode).toBe(3)
  const words = 'sudo apt-get update && sudo apt-get install --yes --no-install-recommends flex'
  expect(stderr).toContain(`Run this, then try again:\n\n  ${words}\n`)
  expect(await calls()).toEqual(['sudo -n true'])
})

test('where there is no sudo, the command is one for root', async () => {
  await rm(join(directory, 'bin/sudo'))
  // Only what the set-up starts, so that no sudo of this machine is found.
  await symlink('/usr/bin/flock', join(directory, 'bin/flock'))
  for (const name of ['sh', 'env']) await symlink(`/bin/${name}`, join(directory, 'bin', name))
  const { exitCode, stderr } = await copylab(['run'], { ...asUser, PATH: join(directory, 'bin') })
  expect(exitCode).toBe(3)
  const words = 'apt-get update && apt-get install --yes --no-install-recommends flex'
  expect(stderr).toContain(`Run this as root, then try again:\n\n  ${words}\n`)
})

test.each([
  ['a cache that is a file', () => writeFile(join(directory, '.cache'), ''), 'ENOTDIR'],
  ['a lock file that is gone', () => rm(join(directory, 'package-lock.json')), 'package-lock.json'],
  ['a flock that fails', () => fakeProgram('flock', 'exit 66'), 'flock(1) ended with status 66'],
  [
    'a bundle that cannot be made',
    () => {
      const broken = 'export const bundledCommandLine = async () => { throw new Error("esbuild broke") }'
      return writeFile(join(directory, 'harness/bundle.mjs'), broken)
    },
    'esbuild broke',
  ],
])('%s is said plainly, with status 3', async (_what, spoil, words) => {
  await spoil()
  const { exitCode, stderr } = await copylab(['run'], asRoot)
  expect(exitCode).toBe(3)
  expect(stderr).toContain(words)
  expect(stderr).not.toMatch(/^ +at /m)
})

test.each(['18.20.4', '20.18.3'])('Node.js %s is refused', async (version) => {
  const code = `Object.defineProperty(process.versions,'node',{value:'${version}'})`
  const environment = { NODE_OPTIONS: `--import data:text/javascript,${code}` }
  const { exitCode, stderr } = await copylab(['run'], environment)
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('20.19 or newer'),
  })
})

test('a user with sudo installs by it', async () => {
  await fakeProgram('sudo', `${record('sudo')}; shift; exec "$@"`)
  expect((await copylab(['run'], asUser)).exitCode).toBe(0)
  expect(await calls()).toEqual([
    'sudo -n true',
    expect.stringMatching(/^sudo -n env .*apt-get/),
    install,
    npmCi,
  ])
})

test.each([[['--help']], [['run', '--help']], [['help']], [[]]])('%j installs nothing', async (args) => {
  const { exitCode, stdout } = await copylab(args, asRoot)
  expect(exitCode).toBe(0)
  expect(stdout).toContain('Usage: copylab')
  expect(await calls()).toEqual([])
})

test.each([
  [['list']],
  [['matrix']],
  [['report', 'x']],
  [['doctor']],
  [['run', '--dry-run']],
])('%j needs no Debian packages', async (args) => {
  expect((await copylab(args, asUser)).stdout).toBe('cli')
  expect(await calls()).toEqual([npmCi])
  // And does not count as a set-up for what needs them.
  expect((await copylab(['build'], asUser)).exitCode).toBe(3)
})

test("an option behind -- is the guest's", async () => {
  expect((await copylab(['shell', '--', 'ls', '--help'], asRoot)).stdout).toBe('cli')
  expect(await calls()).toEqual([install, npmCi])
})

test('of two at once one sets up', async () => {
  await fakeProgram(
    'apt-get',
    `${record('apt-get')}; while [ ! -f "$COPYLAB_TEST/waiting" ]; do sleep 0.1; done; touch "$COPYLAB_TEST/flex"`,
  )
  const started = [copylab(['run'], asRoot), copylab(['run'], asRoot)]
  for (const { stderr } of started)
    stderr.on('data', (chunk: Buffer) => {
      if (chunk.includes('waiting for another')) writeFileSync(join(directory, 'waiting'), '')
    })
  const both = await Promise.all(started)
  expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0])
  expect(both.map(({ stderr }) => stderr).join()).toContain('waiting for another copylab that is setting up')
  expect(await calls()).toEqual([install, npmCi])
})
