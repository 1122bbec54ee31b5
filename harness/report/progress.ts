import type { Emit, Event } from '../events.ts'

export interface ProgressOptions {
  stream: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  /** Milliseconds; replaced in tests. */
  now?: () => number
}

export interface Progress {
  emit: Emit
  /** Clears the live line and stops the clock. Later events are ignored. */
  close(): void
}

const HEARTBEAT_MS = 30_000
const REDRAW_MS = 200

interface Running {
  step: string
  detail: string
  started: number
  done?: number | undefined
  total?: number | undefined
  note?: string | undefined
}

/**
 * Shows events on a stream: on a terminal one live line, rewritten in place; elsewhere a plain line when a step
 * starts and ends, and a heartbeat every 30 seconds, so that a log shows that a long step is alive.
 */
export function showProgress({ stream, now = Date.now }: ProgressOptions): Progress {
  const live = stream.isTTY === true
  const running = new Map<string, Running>()
  let drawn = false
  let closed = false
  let lastLine = now()

  const clear = () => {
    if (drawn) stream.write('\r\u001b[K')
    drawn = false
  }
  const line = (text: string) => {
    clear()
    stream.write(`${text}\n`)
    lastLine = now()
  }
  const tick = () => {
    const current = [...running.values()].at(-1)
    if (!current) return clear()
    if (live) {
      clear()
      stream.write(describe(current, now()).slice(0, (stream.columns || 80) - 1))
      drawn = true
    } else if (now() - lastLine >= HEARTBEAT_MS) {
      line(describe(current, now()))
    }
  }
  const timer = setInterval(tick, live ? REDRAW_MS : 1000)
  timer.unref()

  const emit = (event: Event) => {
    if (closed) return
    switch (event.type) {
      case 'step-started':
        running.set(event.step, { step: event.step, detail: event.detail ?? '', started: now() })
        if (live) tick()
        else line(`${event.step}: ${event.detail ?? 'started'}`)
        break
      case 'step-progress': {
        const step = running.get(event.step)
        if (step) Object.assign(step, { done: event.done, total: event.total, note: event.note })
        break
      }
      case 'step-finished': {
        const known = running.get(event.step)
        running.delete(event.step)
        // What came from the cache is silent: a warm run shows only what it does.
        if (!event.cached) {
          const what = event.detail ?? known?.detail
          line(`${event.step}: ${what ? `${what}, ` : ''}${duration(event.ms)}`)
        }
        break
      }
      case 'note':
        line(event.message)
        break
    }
  }
  return {
    emit,
    close() {
      clearInterval(timer)
      clear()
      closed = true
    },
  }
}

function describe(step: Running, time: number): string {
  const parts = [`${step.step}: ${duration(time - step.started)}`]
  if (step.done !== undefined) {
    const share = step.total ? ` (${Math.min(99, Math.floor((100 * step.done) / step.total))} %)` : ''
    parts.push(`${step.done}${step.total ? `/${step.total}` : ''}${share}`)
  }
  if (step.note) parts.push(step.note)
  else if (step.detail) parts.push(step.detail)
  return parts.join('  ')
}

/** `0.4 s`, `12 s`, `6 min 03 s`. */
export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}
