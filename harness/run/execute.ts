/** Does what the scheduler decides: provides cells and runs their VMs, until all have ended. */
import { expected, type Failure } from '../failure.ts'
import { type Capacity, nextToStart, type Slot } from './schedule.ts'

/** One cell's work. `provided` is what the first half hands to the second. */
export interface CellWork<Provided> extends Pick<Slot, 'cpus' | 'memoryMiB'> {
  /** Everything it needs is there, so that providing takes neither cores nor time. */
  cached: boolean
  provide(signal: AbortSignal): Promise<Provided>
  /** @returns whether the cell may pass for a success */
  run(provided: Provided, signal: AbortSignal): Promise<boolean>
  /** It has come to nothing, or its run was cut short by an error. */
  failed(failure: Failure): void
}

export interface Execution {
  capacity: Capacity
  /** The first cell that fails ends all others. */
  failFast: boolean
  signal: AbortSignal
}

/**
 * Resolves when nothing runs any more. One cell's Failure is that cell's; an error that nobody expects ends all cells,
 * and is thrown when they have ended.
 * @returns whether it was ended early by a failure
 */
export async function executeCells<Provided>(
  cells: readonly CellWork<Provided>[],
  { capacity, failFast, signal }: Execution,
): Promise<{ stopped: boolean }> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const slots: Slot[] = cells.map(({ cached, cpus, memoryMiB }) => ({
    ...{ stage: cached ? 'cached' : 'missing', cpus, memoryMiB },
  }))
  const ready = new Map<number, Provided>()
  const going = new Set<Promise<void>>()
  let bug: { error: unknown } | undefined

  const advance = async (index: number) => {
    const [cell, slot] = [cells[index] as CellWork<Provided>, slots[index] as Slot]
    const missing = slot.stage === 'missing'
    slot.stage = missing ? 'providing' : 'running'
    try {
      const provided = ready.has(index) ? (ready.get(index) as Provided) : await cell.provide(either)
      ready.delete(index)
      if (missing) {
        ready.set(index, provided)
        slot.stage = 'provided'
        return
      }
      if (!(await cell.run(provided, either)) && failFast) stop.abort(new Error('a cell has failed'))
    } catch (error) {
      // What was aborted says so in many ways.
      if (!either.aborted) end(cell, error)
    }
    slot.stage = 'ended'
  }
  const end = (cell: CellWork<Provided>, error: unknown) => {
    try {
      const failure = expected(error)
      if (!failure) throw error
      cell.failed(failure)
      if (failFast) stop.abort(failure)
    } catch (unexpected) {
      bug ??= { error: unexpected }
      stop.abort(unexpected)
    }
  }

  for (;;) {
    if (!either.aborted) {
      for (const index of nextToStart(slots, capacity)) {
        const work = advance(index).finally(() => going.delete(work))
        going.add(work)
      }
    }
    if (going.size === 0) break
    await Promise.race(going)
  }
  if (bug) throw bug.error
  return { stopped: stop.signal.aborted }
}
