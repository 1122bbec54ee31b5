#!/usr/bin/env node
// The entry. Plain JavaScript without dependencies: it installs what the rest needs, then runs harness/main.ts.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
/** Says that packages and modules were checked; it holds the key of what they were checked against. */
const stamp = join(modules, '.copylab-ready')
const read = (...path) => readFileSync(join(root, ...path), 'utf8')

const args = process.argv.slice(2)
/** git bisect run would take less than 128 for a bad commit, which is not what it is. */
const infraStatus = args[0] === 'bisect' && args[1] === 'step' ? 128 : 3
// Node.js would end with 1, which says that a case has failed, or that a commit is bad.
process.on('uncaughtException', (error) => {
  process.stderr.write(`copylab: this is a bug in copylab\n${error?.stack ?? error}\n`)
  process.exit(infraStatus)
})
const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
const command = own.find((word) => !word.startsWith('-'))
const wantsHelp =
  command === undefined || command === 'help' || own.some((word) => /^(-h|--help|--version)$/.test(word))
// These say what they find; they start neither make nor QEMU.
const needsPackages = !['list', 'matrix', 'report', 'doctor'].includes(command) && !own.includes('--dry-run')

function say(message) {
  process.stderr.write(`copylab: ${message}\n`)
}

function fail(message) {
  say(message)
  process.exit(infraStatus)
}

/** Set-up fails on disks, permissions and damaged files: no stack, but what it was and what to do. */
async function attempt(work) {
  try {
    return await work()
  } catch (error) {
    const place = `a cache that you can write to (XDG_CACHE_HOME) and the files of ${root} as they were checked out`
    fail(`cannot set up: ${error.message}\n  remedy:  it takes ${place}`)
  }
}

function setUp() {
  const key = stateKey()
  if (isReady(key)) return
  // The lock ends with this process, at the latest.
  const lock = takeLock()
  if (!isReady(stateKey())) {
    const withPackages = needsPackages ? installPackages() : false
    installModules()
    writeFileSync(stamp, `${stateKey()} ${withPackages ? 'packages' : ''}`)
  }
  closeSync(lock)
}

function isReady(key) {
  try {
    const [known, packages] = readFileSync(stamp, 'utf8').split(' ')
    return known === key && (packages === 'packages' || !needsPackages)
  } catch {
    return false
  }
}

/** Changes when the lock file, the package list, Node.js or anything that dpkg has installed does. */
function stateKey() {
  const hash = createHash('sha256').update(process.version)
  hash.update(read('package-lock.json')).update(read('harness', 'packages.json'))
  try {
    const { mtimeMs, size } = statSync('/var/lib/dpkg/status')
    hash.update(`${mtimeMs} ${size}`)
  } catch {
    // No dpkg: nothing there that could change.
  }
  return hash.digest('hex')
}

function takeLock() {
  const { XDG_CACHE_HOME } = process.env
  const base = XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache')
  const directory = join(base, 'copylab', 'locks')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const name = createHash('sha256').update(root).digest('hex').slice(0, 12)
  const path = join(directory, `setup-${name}.lock`)
  const lock = openSync(path, 'a', 0o600)
  const flock = (...options) =>
    spawnSync('flock', [...options, '--exclusive', '3'], { stdio: ['ignore', 'inherit', 'inherit', lock] })
      .status
  let status = flock('--nonblock')
  if (status === 1) {
    say('waiting for another copylab that is setting up')
    status = flock()
  }
  if (status !== 0) fail(`cannot lock ${path}: flock(1) ended with status ${status}`)
  return lock
}

/** @returns whether every required Debian package is installed. */
function installPackages() {
  const missing = missingPackages()
  if (missing === undefined) {
    say('there is no dpkg-query, so this is no Debian; going on with the programs that are here')
    return true
  }
  if (missing.length === 0) return true
  const isRoot = process.getuid() === 0
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', ...missing]
  const sudo = isRoot ? undefined : spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' })
  const hasSudo = sudo !== undefined && !sudo.error
  // What people are told has to work on a machine that has never read its package lists.
  const byHand = [['apt-get', 'update'], install]
    .map((step) => [...(hasSudo ? ['sudo'] : []), ...step].join(' '))
    .join(' && ')
  const asRoot = isRoot || hasSudo ? '' : ' as root'
  if (sudo && sudo.status !== 0) {
    fail(
      `Debian packages are missing, and installing them takes root. Run this${asRoot}, then try again:\n\n  ${byHand}\n`,
    )
  }
  const apt = (verb, ...rest) => {
    const words = [
      'apt-get',
      '-q',
      '-o',
      'DPkg::Lock::Timeout=600',
      '-o',
      'Acquire::Retries=3',
      verb,
      ...rest,
    ]
    const prefix = isRoot ? [] : ['sudo', '-n']
    const [program, ...argv] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C', ...words]
    return spawnSync(program, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    })
  }
  say(`installing Debian packages: ${install.join(' ')}`)
  let result = apt(...install.slice(1))
  if (result.status !== 0) {
    // The package lists are missing, or older than the archive.
    say('that failed; reading the package lists (apt-get update) and trying again')
    apt('update')
    result = apt(...install.slice(1))
  }
  const left = missingPackages() ?? []
  if (result.status !== 0 || left.length > 0) {
    const words = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-15).join('\n  ')
    fail(`cannot install ${left.join(' ')}:\n  ${words}\nRun this${asRoot} to see why: ${byHand}`)
  }
  return true
}

/** @returns the required packages that are not installed, or undefined where there is no dpkg. */
function missingPackages() {
  const names = Object.keys(JSON.parse(read('harness', 'packages.json')).required)
  const query = spawnSync(
    'dpkg-query',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format
    ['--show', '--showformat', '${binary:Package} ${db:Status-Status}\n', ...names],
    {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    },
  )
  if (query.error) return undefined
  const installed = new Set()
  for (const line of query.stdout.split('\n')) {
    const [name, status] = line.split(' ')
    if (status === 'installed') installed.add(name.split(':')[0])
  }
  return names.filter((name) => !installed.has(name))
}

function installModules() {
  if (modulesMatch()) return
  say('installing Node.js modules: npm ci')
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm']
  const [program, ...argv] = [...npm, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const { status, error } = spawnSync(program, argv, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0)
    fail(`npm ci failed${error ? `: ${error.message}` : ''}. Run npm ci --include=dev in ${root} to see why`)
}

/** npm writes what it installed to node_modules/.package-lock.json, in the format of package-lock.json. */
function modulesMatch() {
  let wanted
  let installed
  try {
    wanted = JSON.parse(read('package-lock.json')).packages
    installed = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages
  } catch {
    return false
  }
  // An optional one is for another platform when it is not there.
  return Object.entries(wanted).every(
    ([path, { integrity, optional }]) =>
      path === '' || (installed[path] ? installed[path].integrity === integrity : optional),
  )
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Node.js ${process.version} is too old; copylab needs 20.19 or newer`)
}
if (wantsHelp) {
  // Asking for help installs nothing; before the first set-up there is only this.
  if (!existsSync(join(modules, 'esbuild'))) {
    process.stdout.write(
      'Usage: copylab <run|test|build|check-series|list|matrix|report|shell|bench|cache|doctor> [options]\n\n' +
        'The first command other than --help installs what copylab needs. npm start is the same as copylab run.\n',
    )
    process.exit(0)
  }
} else {
  await attempt(setUp)
}
// Stacks name the TypeScript lines.
process.setSourceMapsEnabled(true)
const { bundledCommandLine } = await import('./bundle.mjs')
await import(await attempt(bundledCommandLine))
