/** The one build directory in which all patches of a series are built on a tree, one after the other. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { buildLockFile } from '../cache/lock.ts'
import type { Emit } from '../events.ts'
import { Failure } from '../failure.ts'
import { imageOf } from '../kernel/build.ts'
import { configLine, type Request, readFragments } from '../kernel/fragments.ts'
import { configure } from '../kernel/kconfig.ts'
import { runMake } from '../kernel/make.ts'
import { buildEnvironment, hasCcache, reproducible } from '../kernel/toolchain.ts'
import { git } from '../tree/git.ts'
import type { Tree } from '../tree/provide.ts'
import { type BuiltObject, readCommand } from './affected.ts'
import { type MakeOutput, readOutput } from './output.ts'

export interface WorkshopOptions {
  /** The caller holds its lock. */
  tree: Tree
  /** Descriptor of that lock. */
  lock: number
  /** Paths of kconfig fragments. */
  fragments: string[]
  cache: string
  signal?: AbortSignal | undefined
  emit?: Emit | undefined
}

/** Whether a path of a diff changes what options there are. */
const kconfigFile = /(^|\/)Kconfig[^/]*$/

export class Workshop {
  readonly directory: string
  readonly log: string
  readonly #options: WorkshopOptions
  readonly #requests: Request[]
  readonly #common: string[]
  /** Warnings of every object as it was compiled last, kept beside the objects: make says nothing of what is up to date. */
  #warnings: Record<string, string[]> = {}
  #configured = false

  static async open(options: WorkshopOptions): Promise<Workshop> {
    const { tree, cache } = options
    const requests = await readFragments(options.fragments)
    const text = [tree.objects, ...requests.map(configLine)].join('\n')
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 12)
    const directory = join(cache, 'check', `${tree.label}-${hash}`)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeFile(join(directory, buildLockFile), tree.lock)
    const compiler = (await hasCcache()) ? ['CC=ccache gcc'] : []
    const workshop = new Workshop(options, requests, directory, compiler)
    await rm(workshop.log, { force: true })
    const known = await readFile(join(directory, 'copylab-warnings.json'), 'utf8').catch(() => '{}')
    workshop.#warnings = JSON.parse(known)
    return workshop
  }

  private constructor(options: WorkshopOptions, requests: Request[], directory: string, compiler: string[]) {
    this.#options = options
    this.#requests = requests
    this.directory = directory
    this.log = join(directory, 'copylab-build.log')
    const jobs = `-j${availableParallelism()}`
    // A recipe's words together: which object a warning belongs to is told by the line before it.
    const how = ['--keep-going', '--output-sync=target', jobs]
    this.#common = ['-C', options.tree.git, `O=${directory}`, ...how, ...compiler, ...reproducible]
  }

  /** Checks a commit out, and configures it when there is no configuration yet or `paths` of its patches change Kconfig. */
  async at(commit: string, paths: readonly string[]): Promise<void> {
    const { tree, signal } = this.#options
    await git(tree.git, ['checkout', '--quiet', '--force', '--detach', commit], { signal })
    if (this.#configured && !paths.some((path) => kconfigFile.test(path))) return
    await configure(tree.git, this.directory, this.#requests, (...targets) => this.#make(targets))
    this.#configured = true
  }

  /** What a whole build makes. */
  async image(): Promise<string> {
    return imageOf(await readFile(join(this.directory, '.config'), 'utf8')).target
  }

  /**
   * Makes targets and goes on where one fails.
   * @param settings such as `W=1`, which are no part of the kernel's own build
   * @throws Failure('infra') when make fails and none of its words says why.
   */
  async make(targets: readonly string[], settings: readonly string[] = []): Promise<MakeOutput> {
    const { tree, emit } = this.#options
    const lines: string[] = []
    let count = 0
    let failure: unknown
    try {
      await this.#make([...settings, ...targets], (line) => {
        lines.push(line)
        if (/^ {2}(CC|AS|HOSTCC) /.test(line))
          emit?.({ type: 'step-progress', step: 'build', done: ++count, note: 'objects' })
      })
    } catch (error) {
      if (!(error instanceof Failure) || error.remedy !== undefined) throw error
      failure = error
    }
    const output = readOutput(lines, tree.git, this.directory)
    if (failure && output.failed.size === 0 && output.errors.length === 0)
      output.errors.push((failure as Failure).message.replace(/^the kernel does not build: /, ''))
    if (settings.length === 0) await this.#remember(output)
    return output
  }

  /** Of every object, as it was compiled last without any settings. */
  warnings(): Map<string, string[]> {
    return new Map(Object.entries(this.#warnings))
  }

  async #remember({ warnings, failed }: MakeOutput): Promise<void> {
    for (const [object, found] of warnings) {
      if (found.length && !failed.has(object)) this.#warnings[object] = found
      else delete this.#warnings[object]
    }
    await writeFile(join(this.directory, 'copylab-warnings.json'), JSON.stringify(this.#warnings))
  }

  async #make(targets: readonly string[], onLine?: (line: string) => void): Promise<void> {
    const { cache, lock, signal } = this.#options
    const environment = buildEnvironment(cache)
    const args = [...this.#common, ...targets]
    await runMake({ args, environment, log: this.log, lock, signal, ...(onLine && { onLine }) })
  }

  /** All that was compiled of the tree's sources, host programs aside. */
  async objects(): Promise<BuiltObject[]> {
    const names = await readdir(this.directory, { recursive: true })
    const inTree = (path: string) => {
      const inside = relative(this.#options.tree.git, resolve(this.directory, path))
      return inside.startsWith('..') ? undefined : inside
    }
    const read = names
      .filter((name) => /(^|\/)\.[^/]+\.o\.cmd$/.test(name) && !/^(scripts|tools|usr)\//.test(name))
      .map(async (name) => {
        const object = name.replace(/(^|\/)\.([^/]+)\.cmd$/, '$1$2')
        return readCommand(object, await readFile(join(this.directory, name), 'utf8'), inTree)
      })
    return (await Promise.all(read)).filter((object) => object !== undefined)
  }

  /** Whether the tree has a file as it is checked out. */
  has(path: string): boolean {
    return existsSync(join(this.#options.tree.git, path))
  }

  /** The text of a file as it is checked out; empty when there is none. */
  text(path: string): Promise<string> {
    return readFile(join(this.#options.tree.git, path), 'latin1').catch(() => '')
  }
}
