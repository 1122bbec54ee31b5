/** How a run is seen while it goes: one cell as blktests shows it, several by a line each. */
import type { Emit } from '../events.ts'
import type { RunReporter } from '../run/outcome.ts'
import type { Plan } from '../run/plan.ts'
import type { RunState } from '../run/state.ts'
import type { Estimate } from '../run/times.ts'
import { showCells } from './cells.ts'
import { consoleReporter } from './console.ts'
import { showProgress } from './progress.ts'

export interface RunDisplayOptions {
  plan: Plan
  out: NodeJS.WriteStream
  err: NodeJS.WriteStream
  /** What earlier runs took; absent: nothing was recorded. */
  estimate?: Estimate | undefined
  signal: AbortSignal
}

export interface RunDisplay {
  reporter: RunReporter
  /** For what goes on before a cell is booted. */
  emitFor(cell: string): Emit
  /** It is there, and has to wait for its turn. */
  onProvided(cell: string): void
  onCellEnd(cell: string, how: 'done' | 'stopped'): void
  close(): void
}

/** @param state what earlier sittings of the run have left */
export function runDisplay(options: RunDisplayOptions, state: RunState): RunDisplay {
  return options.plan.cells.length > 1 ? severalCells(options, state) : oneCell(options, state)
}

function severalCells({ plan, out, err, estimate, signal }: RunDisplayOptions, state: RunState): RunDisplay {
  const before = (cell: string) => [...state.verdicts(cell).values()]
  const display = showCells({ cells: plan.cells, before, out, err, estimate, signal })
  return { reporter: display, ...display, close: () => {} }
}

function oneCell({ plan, out, err }: RunDisplayOptions, state: RunState): RunDisplay {
  const progress = showProgress({ stream: err })
  const before = plan.cells.flatMap(({ cell }) => [...state.verdicts(cell.name).values()])
  if (before.length) progress.emit({ type: 'note', message: `${before.length} cases have a verdict already` })
  const reporter = consoleReporter({ results: plan.results, stream: out, before })
  return {
    reporter: {
      ...reporter,
      // From here on each case has its line.
      onCellStart: () => progress.close(),
    },
    emitFor: () => progress.emit,
    onProvided: () => {},
    onCellEnd: () => {},
    close: () => progress.close(),
  }
}
