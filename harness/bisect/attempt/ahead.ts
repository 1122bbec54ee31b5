/** Kernels that are likely to be asked for next, built while a VM runs. */
import { availableParallelism } from 'node:os'
import { cacheDirectory } from '../../cache/directory.ts'
import { provideKernel } from '../../kernel/provide.ts'
import { findTree } from '../../tree/find.ts'
import type { Candidate } from '../space/candidate.ts'

/** Builds the kernel of a candidate and says whether there was anything to build; replaced in tests. */
export type Build = (candidate: Candidate, signal: AbortSignal) => Promise<boolean>

/** Cores that a build has to have for itself beside a VM, so that neither waits for the other. */
const coresForBuild = 2

export class Ahead {
  #wanted: readonly Candidate[] = []
  #building: { id: string; stop: AbortController; done: Promise<void> } | undefined
  /** Milliseconds of the builds that are done and that nobody has asked for. */
  readonly #took = new Map<string, number>()
  readonly #build: Build
  readonly #cores: number

  constructor(build: Build = buildQuietly, cores = availableParallelism()) {
    this.#build = build
    this.#cores = cores
  }

  /** What may be asked next, the likelier first. */
  expect(candidates: readonly Candidate[]): void {
    this.#wanted = candidates
  }

  /** `candidate` is wanted now: what else is being built makes way for it. Resolves when it has. */
  async makeWayFor({ id }: Candidate): Promise<void> {
    if (this.#building && this.#building.id !== id) await this.#abort()
  }

  /** A VM of `cpus` runs from now on: what is wanted is built beside it, if the machine has cores for both. */
  start(cpus: number): void {
    if (this.#building || this.#cores < cpus + coresForBuild) return
    const [next, ...rest] = this.#wanted
    this.#wanted = rest
    if (!next) return
    const stop = new AbortController()
    const began = performance.now()
    const done = this.#build(next, stop.signal).then(
      (built) => void (built && this.#took.set(next.id, performance.now() - began)),
      // Whoever asks for it in earnest will be told.
      () => {},
    )
    const building = { id: next.id, stop, done }
    this.#building = building
    void done.then(() => {
      if (this.#building !== building) return
      this.#building = undefined
      if (!stop.signal.aborted) this.start(cpus)
    })
  }

  /** How long the early build of a candidate took, milliseconds; once, and only if there was one. */
  took({ id }: Candidate): number | undefined {
    const ms = this.#took.get(id)
    this.#took.delete(id)
    return ms
  }

  async stop(): Promise<void> {
    this.#wanted = []
    await this.#abort()
  }

  async #abort(): Promise<void> {
    const building = this.#building
    building?.stop.abort()
    await building?.done
    if (this.#building === building) this.#building = undefined
  }
}

async function buildQuietly(candidate: Candidate, signal: AbortSignal): Promise<boolean> {
  const { tree, series, kconfig, sharedBuild } = await candidate.cell()
  const options = { cache: cacheDirectory(), signal }
  const found = await findTree(tree, options)
  const { built } = await provideKernel({ tree: found, series, fragments: kconfig, sharedBuild, ...options })
  return built
}
