import { type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { withLock } from '../../../../harness/cache/lock.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 })

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-cli-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const cli = (...args: string[]) => [
  '--import',
  import.meta.resolve('tsx'),
  fileURLToPath(new URL('../../../../harness/main.ts', import.meta.url)),
  ...args,
]
const copylab = (...args: string[]) =>
  execa(process.execPath, cli(...args), {
    cwd: directory,
    env: { XDG_CACHE_HOME: directory },
    reject: false,
  })

test('help has examples and exit statuses', async () => {
  const { exitCode, stdout } = await copylab('shell', '--help')
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/Examples:\n {2}copylab shell\n[\s\S]*Exit status: 0/)
})

test.each([
  [['frobnicate'], "unknown command 'frobnicate'"],
  [['run', '--sereis', 'none'], 'Did you mean --series?'],
  [['build', '--accel', 'tcg'], "unknown option '--accel'"],
  [['run', '--memory', '1'], 'copylab: --memory: '],
  [['run', '--patches', 'x'], 'copylab: --patches: expected a number from 0 on, not "x"'],
  [['run', '--series-version', '0'], 'copylab: --series-version: expected a number from 1 on, not "0"'],
  [['run', '--series', 'nowhere'], 'there is no series /'],
  [['run', '--series', 'none', '--series-version', '2'], 'there is no series to take patches of'],
  [['run', '--series', 'none', '--series', 'x'], '--series: none and x cannot both be the series'],
  [
    ['check-series', '--only', 'apply,biuld'],
    'copylab: --only: there is no check biuld; expected some of: apply,',
  ],
  [['cache', 'prune'], 'copylab: the cache has no limit: --max-size says how large it may be'],
  [['cache', 'prune', '--max-size', 'lots'], 'copylab: --max-size: expected a size such as 20G or 500M'],
  [['cache', 'import', 'none.tar'], 'copylab: there is no file /'],
  [['cache', 'frobnicate'], "unknown command 'frobnicate'"],
  [['build', '--tree', './none.tar.xz'], 'copylab: --tree: there is no file /'],
  [['build', '--tree', 'https://example.org/x.git'], 'names no branch, tag or commit'],
  [['build', '--dirty', 'copy'], 'copylab: --dirty copy: the tree 6.12 is no directory'],
  [['run', '--shard', '4/3'], 'copylab: --shard: expected i/n such as 2/3, with i from 1 to n, not "4/3"'],
  [['run', '--resume', '--results', 'nowhere'], 'copylab: there is nothing to resume: ENOENT'],
  [['report', 'none'], 'none/summary.json cannot be read: ENOENT'],
  [['run', '--reporter', 'xml'], 'copylab: --reporter: there is no format "xml"'],
  [['run', '--times', 'x'], 'copylab: --times says how to split a plan, and there is no --shard to take'],
  [['run', '--shard', '1/3', '--times', 'x'], 'copylab: --times: cannot read /'],
  [['run', '--accel', 'hvf'], 'Allowed choices are auto, kvm, tcg'],
  [
    ['build', '--tree', '5.0'],
    'copylab: --tree: there is no tree "5.0"; expected one of: 6.1, 6.12, 7.2, 7.3',
  ],
])('%j is a usage error', async (args, words) => {
  const { exitCode, stderr, stdout } = await copylab(...args)
  expect(stderr).toContain(words)
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
})

test('words that cannot be written to standard error change no status', async () => {
  const full = await open('/dev/full', 'w')
  try {
    const stdio = ['ignore', 'ignore', full.fd] satisfies StdioOptions
    const child = spawn(process.execPath, cli('build', '--tree', '5.0'), { cwd: directory, stdio })
    expect(await once(child, 'close')).toEqual([2, null])
  } finally {
    await full.close()
  }
})

test('a file system that refuses is no bug: a plain message, a remedy, status 3', async () => {
  const program = `const fs = await import('node:fs/promises')
    const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    const { readFile } = fs.default
    fs.default.readFile = (path, ...rest) =>
      String(path).endsWith('.test.ts') ? Promise.reject(error) : readFile(path, ...rest)
    ;(await import('node:module')).syncBuiltinESMExports()`
  const preload = join(directory, 'full.mjs')
  await writeFile(preload, program)
  vi.stubEnv('NODE_OPTIONS', `--import ${preload}`)
  const { exitCode, stderr } = await copylab('list')
  expect(exitCode).toBe(3)
  expect(stderr).toMatch(/^copylab: ENOSPC: no space left on device, write\n {2}remedy: {2}make room[^\n]*$/)
})

test('a wrong configuration names file and line', async () => {
  await writeFile(join(directory, 'copylab.yaml'), 'trees: {}\ntree: x\nkconfig: boot\n')
  const { exitCode, stderr } = await copylab('build')
  expect(exitCode).toBe(2)
  expect(stderr).toContain(`${directory}/copylab.yaml:3: kconfig: `)
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s ends what runs, with status %i',
  async (signal, status) => {
    const text = 'trees: { x: { debian: linux-source-9.9 } }\ntree: x\nkconfig: [./a.config]\n'
    await writeFile(join(directory, 'copylab.yaml'), text)
    await writeFile(join(directory, 'a.config'), 'CONFIG_A=y\n')
    vi.stubEnv('XDG_CACHE_HOME', directory)
    await withLock('tree-linux-source-9.9', async () => {
      const child = copylab('build')
      const heard: string[] = []
      child.stderr.on('data', (data) => heard.push(String(data)))
      await vi.waitFor(() => expect(heard.join('')).toContain('waiting for'), 20_000)
      child.kill(signal)
      expect((await child).exitCode).toBe(status)
    })
  },
  30_000,
)

test('the cache has a limit when it was given one, and is listed', async () => {
  expect((await copylab('cache', 'limit')).stdout).toBe('no limit')
  expect((await copylab('cache', 'limit', '1.5G')).stdout).toBe('1.5 GB')
  const { stdout, exitCode } = await copylab('cache', 'ls', '--json')
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ cache: join(directory, 'copylab'), maxBytes: 1.5e9 })
  expect((await copylab('cache', 'prune')).stdout).toMatch(/^0.0 kB freed, [\d.]+ kB left$/)
})

test('list ends well when nobody reads on', async () => {
  const child = copylab('list')
  child.stdout.destroy()
  expect((await child).exitCode).toBe(0)
})

test('a run ends with the status of SIGPIPE when nobody reads on', async () => {
  const child = copylab('run', '--dry-run')
  child.stdout.destroy()
  expect((await child).exitCode).toBe(141)
})
