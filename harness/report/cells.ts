/** Shows a run with several cells as it goes: a line a cell that is rewritten in place, or plain lines in a log. */
import type { Emit, Event } from '../events.ts'
import { describeFailure, type Failure } from '../failure.ts'
import { type CaseOutcome, count, type RunReporter } from '../run/outcome.ts'
import type { PlannedCell } from '../run/plan.ts'
import type { Estimate } from '../run/times.ts'
import { type CellView, frame } from './cell-lines.ts'
import { isColoured, painter, showCase, unwellLines } from './console.ts'
import { duration } from './progress.ts'

type Stream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number }

export interface CellsDisplayOptions {
  /** All cells of the run, also those that are done. */
  cells: readonly PlannedCell[]
  /** Outcomes of earlier sittings. */
  before?: (cell: string) => readonly Pick<CaseOutcome, 'id' | 'verdict'>[]
  /** Verdicts, failures and, on a terminal, the lines that are rewritten. */
  out: Stream
  /** In a log: steps and signs of life. */
  err: Stream
  /** Absent: nothing was recorded. */
  estimate?: Estimate | undefined
  /** Aborted when somebody else has written to the terminal that the run is being ended. */
  signal?: AbortSignal | undefined
  /** Milliseconds; replaced in tests. */
  now?: () => number
}

export interface CellsDisplay extends RunReporter {
  /** For the steps of a cell that is being provided. */
  emitFor(cell: string): Emit
  /** It is provided, and has to wait for its turn. */
  onProvided(cell: string): void
  /** All its cases have run, or it was ended early. */
  onCellEnd(cell: string, how: 'done' | 'stopped'): void
}

const heartbeatMs = 30_000
const redrawMs = 1000

interface Live extends CellView {
  /** Ids of cases that have no verdict yet. */
  open: Set<string>
  outcomes: Pick<CaseOutcome, 'id' | 'verdict'>[]
  /** When the case that runs was started. */
  caseStarted?: number
  /** Whether a case has ended in this sitting. */
  judged?: boolean
}

export function showCells(options: CellsDisplayOptions): CellsDisplay {
  const { cells, before = () => [], out, err, estimate, signal, now = Date.now } = options
  const live = out.isTTY === true && err.isTTY === true
  const paint = painter(isColoured(out))
  const started = now()
  const views = new Map<string, Live>()
  for (const { cell, cases } of cells) {
    const outcomes = [...before(cell.name)]
    const seen = new Set(outcomes.map(({ id }) => id))
    const open = new Set(cases.map(({ id }) => id).filter((id) => !seen.has(id)))
    views.set(cell.name, {
      ...{ name: cell.name, phase: open.size ? 'queued' : 'done', detail: '', open, outcomes },
      ...{ done: cases.length - open.size, total: cases.length, totals: count(outcomes) },
    })
  }
  const planned = new Map(cells.map((one) => [one.cell.name, one.cell]))
  let drawn = 0
  let shown = ''
  let lastLine = now()

  const leftOf = ({
    name,
    phase,
    open,
    caseStarted,
    judged,
    started: began = now(),
  }: Live): number | undefined => {
    const cell = planned.get(name)
    if (!estimate || !cell) return undefined
    const { caseMs, overheadMs } = estimate(cell)
    const cases = [...open].reduce((sum, id) => sum + caseMs(id), 0)
    if (phase !== 'running') return cases + overheadMs
    // The first case waits for the boot.
    const overhead = judged ? 0 : Math.max(0, overheadMs - (now() - began))
    const waited = judged || overhead === 0 ? now() - (caseStarted ?? now()) : 0
    return Math.max(0, cases - waited) + overhead
  }
  const current = () =>
    [...views.values()].map((view): CellView => {
      const leftMs = leftOf(view)
      return { ...view, ...(leftMs !== undefined && { leftMs }) }
    })
  const erase = () => {
    const up = drawn > 1 ? `\u001b[${drawn - 1}A` : ''
    const sequence = drawn ? `\r${up}\u001b[J` : ''
    drawn = 0
    return sequence
  }
  const lines = () =>
    frame(current(), { now: now(), columns: out.columns || 80, rows: (out.rows || 24) - 1, started })
  const draw = (above: readonly string[] = []) => {
    const kept = above.map((line) => `${line}\n`).join('')
    const next = lines()
    const text = next.join('\n')
    if (drawn && !kept && text === shown) return
    out.write(`${erase()}${kept}${text}`)
    drawn = next.length
    shown = text
  }
  /** Lines that stay. */
  const say = (stream: Stream, ...text: string[]) => {
    if (text.length === 0) return
    if (live) draw(text)
    else stream.write(text.map((line) => `${line}\n`).join(''))
    lastLine = now()
  }
  const beat = () => {
    if (live) return draw()
    if (now() - lastLine < heartbeatMs) return
    const going = current().filter(({ phase }) => phase === 'running' || phase === 'providing')
    say(
      err,
      ...frame(going, { now: now(), columns: 200, rows: Number.POSITIVE_INFINITY, started }).slice(0, -1),
    )
  }
  const timer = setInterval(beat, live ? redrawMs : 1000)
  timer.unref()

  // The lines are no longer where they were.
  signal?.addEventListener('abort', () => {
    drawn = 0
  })

  const set = (name: string, changes: Partial<Live>) => {
    const view = views.get(name)
    if (view) Object.assign(view, { started: view.started ?? now() }, changes)
  }
  const change = (name: string, changes: Partial<Live>) => {
    set(name, changes)
    if (live) draw()
  }
  const judge = (name: string, outcomes: readonly CaseOutcome[]) => {
    const view = views.get(name)
    if (!view) return
    for (const outcome of outcomes) {
      view.open.delete(outcome.id)
      view.outcomes = [...view.outcomes.filter(({ id }) => id !== outcome.id), outcome]
    }
    view.judged = true
    view.done = view.total - view.open.size
    view.totals = count(view.outcomes)
  }
  const on = (name: string, event: Event) => {
    switch (event.type) {
      case 'step-started':
        change(name, { phase: 'providing', detail: event.step })
        if (!live) say(err, `${name}: ${event.step}: ${event.detail ?? 'started'}`)
        break
      case 'step-progress':
        // There are thousands of these: the next tick draws them.
        set(name, { detail: progressOf(event) })
        break
      case 'step-finished':
        if (!live && !event.cached) say(err, `${name}: ${event.step}: ${duration(event.ms)}`)
        break
      case 'note':
        change(name, { phase: 'providing', detail: event.message })
        if (!live)
          say(err, event.message.startsWith(`${name}: `) ? event.message : `${name}: ${event.message}`)
    }
  }
  return {
    emitFor: (name) => (event) => on(name, event),
    onProvided: (name) => change(name, { phase: 'provided', detail: '' }),
    onCellStart: ({ cell }) => change(cell.name, { phase: 'running', detail: 'booting' }),
    onCaseStart({ cell }, { id }) {
      change(cell.name, { detail: id, caseStarted: now() })
    },
    onCaseEnd({ cell }, outcome) {
      judge(cell.name, [outcome])
      const { verdict } = outcome
      // On a terminal the line of the cell counts what goes well.
      if (live && (verdict === 'pass' || verdict === 'not run')) return draw()
      const [title = '', ...below] = showCase(outcome, new Map(), paint).trimEnd().split('\n')
      say(out, `${cell.name}: ${title}`, ...(verdict === 'pass' ? [] : below))
    },
    onCellEnd(name, how) {
      change(name, { phase: how, detail: '', ended: now() })
      const view = views.get(name)
      if (!live && view)
        say(
          err,
          `${name}: ${how}, ${view.done} of ${view.total} cases, ${duration(now() - (view.started ?? now()))}`,
        )
    },
    onCellFailed(cell, failure: Failure, rest) {
      judge(cell.name, rest)
      change(cell.name, { phase: 'failed', detail: failure.message.split('\n')[0] ?? '', ended: now() })
      const lost = `${rest.length} cases have no verdict`
      say(out, ...`${cell.name}: ${describeFailure(failure)}\n  ${lost}`.split('\n'))
    },
    onRunEnd() {
      clearInterval(timer)
      const all = [...views.values()]
      for (const view of all)
        if (!view.ended && view.phase !== 'done') Object.assign(view, { phase: 'stopped', detail: '' })
      const last = frame(current(), { now: now(), columns: 200, rows: Number.POSITIVE_INFINITY, started })
      const unwell = all.flatMap(({ name, outcomes }) =>
        unwellLines(outcomes, paint).map((line) => `${name}: ${line}`),
      )
      out.write(`${live ? erase() : ''}${[...last, ...unwell].map((line) => `${line}\n`).join('')}`)
    },
  }
}

function progressOf({ step, done, total, note }: Extract<Event, { type: 'step-progress' }>): string {
  const count = done === undefined ? '' : ` ${done}${total ? `/${total}` : ''}`
  return `${step}${count}${note ? ` ${note}` : ''}`
}
