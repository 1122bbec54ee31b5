/** A place with a toy kernel in it, copylab's command line as a user starts it, and what every refusal must be like. */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, expect, vi } from 'vitest'
import { git } from '../../../harness/tree/git.ts'

/** What copylab asks of a kernel's build system, in a few lines. */
export const makefile = `VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
allnoconfig:
	@cp $(KCONFIG_ALLCONFIG) $(O)/.config
	@sed -i /NEVER/d $(O)/.config
vmlinux:
	@sh ./build.sh
	@cp /bin/true $(O)/vmlinux
	@mkdir -p $(O)/include/config && echo 6.12.1 > $(O)/include/config/kernel.release
`
const lines = Array.from({ length: 30 }, (_, index) => `line ${index}\n`)

const usual: Record<string, string> = {
  'linux/Makefile': makefile,
  'linux/build.sh': 'true\n',
  'linux/Kconfig': 'config NEVER\n\tbool "never"\n\tdepends on NET\n',
  'linux/x': 'a\ncontext\n',
  'linux/dir/a.c': lines.join(''),
  'kconfigs/base.config': 'CONFIG_A=y\n',
  'copylab.yaml': 'trees:\n  toy: { directory: linux }\ntree: toy\nkconfig: [base]\n',
}

export interface StartOptions {
  environment?: NodeJS.ProcessEnv
  /** A command line that starts the one that is appended to it. */
  through?: readonly string[]
  /** What may be there afterwards that was not before: paths in the lab, each with all below it. */
  leaves?: readonly string[]
}

export interface Lab {
  directory: string
  at(...names: string[]): string
  write(name: string, content: string | Uint8Array): Promise<string>
  /** What starts copylab with these arguments, in `environment`, from wherever. */
  commandLine(args: readonly string[]): string[]
  environment: NodeJS.ProcessEnv
  /** Runs copylab to its end. */
  copylab(args: readonly string[], options?: StartOptions): Promise<Ended>
  /**
   * Runs a copylab that has to refuse what it is given: with one message that says what to do and no stack, with nothing on
   * standard output, and with no file, tree or kernel changed.
   * @returns the message, with `$` for the lab's path
   */
  refused(status: number, args: readonly string[], options?: StartOptions): Promise<string>
}

interface Ended {
  status: number | undefined
  stdout: string
  stderr: string
}

/** A lab for the tests of a file, whose tree is ready in the cache; each test begins with the usual files only. */
export function useLab(): Lab {
  // It starts real programs, and the machine may be busy.
  vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
  let directory = ''
  let program = ''
  const at = (...names: string[]) => join(directory, ...names)

  const write = async (name: string, content: string | Uint8Array) => {
    await mkdir(dirname(at(name)), { recursive: true })
    await writeFile(at(name), content)
    return at(name)
  }

  const commandLine = (args: readonly string[]) => [process.execPath, program, ...args]
  const place = () => ({ XDG_CACHE_HOME: at('cache'), TMPDIR: at('tmp') })

  const copylab = async (args: readonly string[], { environment, through = [] }: StartOptions = {}) => {
    const [command = '', ...rest] = [...through, ...commandLine(args)]
    const { exitCode, stdout, stderr } = await execa(command, rest, {
      cwd: directory,
      stdin: 'ignore',
      reject: false,
      env: { ...place(), ...environment },
    })
    return { status: exitCode, stdout, stderr }
  }

  const reset = async () => {
    for (const name of readdirSync(directory))
      if (name !== 'cache') await rm(at(name), { recursive: true, force: true })
    await mkdir(at('tmp'))
    for (const [name, text] of Object.entries(usual)) await write(name, text)
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'copylab-bad-'))
    // What harness/copylab.mjs starts once it has set the machine up.
    const bundle = new URL('../../../harness/bundle.mjs', import.meta.url).href
    const { bundledCommandLine } = await import(bundle)
    program = new URL(await bundledCommandLine()).pathname
    await reset()
    expect(await copylab(['build'])).toMatchObject({ status: 0 })
  })
  beforeEach(reset)
  afterAll(() => rm(directory, { recursive: true, force: true }))

  const refused = async (status: number, args: readonly string[], options: StartOptions = {}) => {
    const before = contentOf(directory, options.leaves)
    const trees = at('cache/copylab/trees')
    const heads = headsOf(trees)
    const { stderr, ...ended } = await copylab(args, options)
    expect({ ...ended, stderr }).toEqual({ status, stdout: '', stderr })
    expect(contentOf(directory, options.leaves)).toEqual(before)
    // A kernel that does not build stays checked out.
    if (status === 2) expect(headsOf(trees)).toEqual(heads)
    for (const name of readdirSync(trees)) {
      const tree = join(trees, name, 'source')
      if (existsSync(tree)) expect(await git(tree, ['status', '--porcelain', '--ignored'])).toBe('')
    }
    const message = stderr.replace(progress, '')
    expect(message).toMatch(/^copylab: (?!this is a bug)/)
    expect(message.match(/^copylab: |^ +at .*:\d+/gm)).toHaveLength(1)
    expect(message).toMatch(/^ {2}remedy: {2}\S|\bexpected |\bunknown key /m)
    return message.slice('copylab: '.length).replaceAll(directory, '$')
  }

  return {
    get directory() {
      return directory
    },
    get environment() {
      return place()
    },
    ...{ at, write, commandLine, copylab, refused },
  }
}

/** Lines that say what is being done, before anything went wrong. */
const progress = /^(?:(?:unpack|checkout|fetch|series|kconfig|build): .*\n|series .* has no profile, .*\n)+/

/** Of the cache: what is kept, and nothing that is made again or only says who used what. */
const kept = /^cache\/copylab\/(kernels|import|.*\.new-)/

/** Every file by its path, with a hash of what it holds. */
function contentOf(directory: string, leaves: readonly string[] = []): Record<string, string> {
  const found: Record<string, string> = {}
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
  for (const name of names) {
    if (name.startsWith('cache/') && !kept.test(name)) continue
    if (leaves.some((leaf) => name === leaf || name.startsWith(`${leaf}/`))) continue
    found[name] = hashOf(join(directory, name))
  }
  return found
}

function hashOf(path: string): string {
  const stats = lstatSync(path)
  if (stats.isSymbolicLink()) return readlinkSync(path)
  // One that a test has made unreadable is read all the same, by root.
  return stats.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
}

/** What the trees of the cache have checked out. */
function headsOf(trees: string): string[] {
  const works = readdirSync(trees)
    .map((name) => join(trees, name, 'source'))
    .filter((tree) => existsSync(tree))
  return works.map((tree) => `${tree} ${readFileSync(join(tree, '.git/HEAD'), 'utf8')}`)
}
