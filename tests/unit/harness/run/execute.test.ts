import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Failure } from '../../../../harness/failure.ts'
import { type CellWork, type Execution, executeCells } from '../../../../harness/run/execute.ts'

/** Cells that write down what goes on; a part ends when the test says so, or when it is aborted. */
class Script {
  readonly log: string[] = []
  readonly failures: string[] = []
  readonly #open = new Map<string, { resolve: (good: boolean) => void; reject: (error: unknown) => void }>()

  cell(name: string, options: Partial<CellWork<string>> = {}): CellWork<string> {
    return {
      ...{ cached: false, cpus: 2, memoryMiB: 384 },
      provide: async (signal) => {
        await this.#part(`build ${name}`, signal)
        return name
      },
      run: (provided, signal) => this.#part(`run ${provided}`, signal),
      failed: ({ message }) => this.failures.push(`${name}: ${message}`),
      ...options,
    }
  }

  #part(what: string, signal: AbortSignal): Promise<boolean> {
    this.log.push(what)
    return new Promise((resolve, reject) => {
      this.#open.set(what, { resolve, reject })
      signal.addEventListener('abort', () => {
        if (!this.#open.delete(what)) return
        this.log.push(`${what} aborted`)
        reject(signal.reason)
      })
    })
  }

  get going(): string[] {
    return [...this.#open.keys()]
  }

  /** Ends a part, and waits until what follows from that has begun. */
  async end(what: string, error?: unknown, good = true): Promise<void> {
    const part = this.#open.get(what)
    if (!part) throw new Error(`${what} does not run, only ${this.going.join(', ')}`)
    this.#open.delete(what)
    if (error === undefined) part.resolve(good)
    else part.reject(error)
    await turn()
  }
}

const start = (cells: CellWork<string>[], options: Partial<Execution> = {}) => {
  const signal = new AbortController().signal
  return executeCells(cells, {
    ...{ capacity: { cores: 2, memoryMiB: 8000 }, failFast: false, signal, ...options },
  })
}

test('cached cells run, then each of the others is built and runs', async () => {
  const script = new Script()
  // The kernel that is cached is provided in no time.
  const provide = async () => 'b'
  const end = start([script.cell('a'), script.cell('b', { cached: true, provide }), script.cell('c')])
  await turn()
  for (const part of ['run b', 'build a', 'run a', 'build c', 'run c']) {
    expect(script.going).toEqual([part])
    await script.end(part)
  }
  expect(await end).toEqual({ stopped: false })
})

test('with cores enough kernels are built one after the other, and their VMs run side by side', async () => {
  const script = new Script()
  const end = start([script.cell('a'), script.cell('b')], { capacity: { cores: 4, memoryMiB: 8000 } })
  await turn()
  await script.end('build a')
  expect(script.going).toEqual(['build b'])
  await script.end('build b')
  expect(script.going).toEqual(['run a', 'run b'])
  await script.end('run a')
  await script.end('run b')
  await end
})

test('a cell that fails is one that fails: the others go on', async () => {
  const script = new Script()
  const end = start([script.cell('a'), script.cell('b'), script.cell('c')])
  await turn()
  await script.end('build a', new Failure('infra', 'does not build'))
  await script.end('build b')
  await script.end('run b', Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }))
  await script.end('build c', new Failure('usage', 'the series does not apply'))
  expect(await end).toEqual({ stopped: false })
  expect(script.failures).toEqual([
    'a: does not build',
    'b: ENOSPC: no space left',
    'c: the series does not apply',
  ])
})

test.each([
  ['a case that has failed', undefined],
  ['a Failure', new Failure('infra', 'lost')],
])('--fail-fast: %s ends all others, and starts none', async (_name, error) => {
  const script = new Script()
  const capacity = { cores: 4, memoryMiB: 8000 }
  const cells = ['a', 'b', 'c'].map((name) => script.cell(name))
  const end = start(cells, { capacity, failFast: true })
  await turn()
  await script.end('build a')
  await script.end('build b')
  await script.end('run a', error, false)
  expect(await end).toEqual({ stopped: true })
  expect(script.log.slice(2)).toEqual(['run a', 'run b', 'run b aborted'])
  expect(script.failures).toEqual(error ? ['a: lost'] : [])
})

test('an abort is no failure, and is waited for', async () => {
  const script = new Script()
  const stop = new AbortController()
  let ended = false
  let release: () => void = () => {}
  const slow = script.cell('a', {
    cached: true,
    provide: async () => 'a',
    run: (_provided, signal) =>
      new Promise((_, reject) => {
        release = () => reject(signal.reason)
      }),
  })
  const end = start([slow, script.cell('b')], { signal: stop.signal }).then((how) => {
    ended = true
    return how
  })
  await turn()
  stop.abort(new Error('Ctrl-C'))
  await turn()
  expect(ended).toBe(false)
  release()
  expect(await end).toEqual({ stopped: false })
  expect([script.log, script.failures]).toEqual([[], []])
})

test('a bug ends all cells, and is thrown when they have ended', async () => {
  const script = new Script()
  const capacity = { cores: 4, memoryMiB: 8000 }
  const cells = ['a', 'b'].map((name) => script.cell(name, { cached: true, provide: async () => name }))
  const end = start(cells, { capacity })
  end.catch(() => {})
  await turn()
  await script.end('run a', new TypeError('x is undefined'))
  await expect(end).rejects.toThrow(TypeError)
  expect(script.log).toContain('run b aborted')
})
