import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'

export interface QmpEvent {
  event: string
  data?: Record<string, unknown>
}

interface Pending {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

/** A QMP client (docs/interop/qmp-spec.txt of QEMU): one JSON object a line. Owns the stream. */
export class QmpClient {
  /** Resolved after the greeting and the negotiation of capabilities; commands may be sent before. */
  readonly ready: Promise<void>
  /** Resolved when the monitor has ended and all that it said was heard. */
  readonly closed: Promise<void>
  readonly #stream: Duplex
  readonly #pending = new Map<number, Pending>()
  readonly #listeners: ((event: QmpEvent) => void)[] = []
  #nextId = 1
  #error: Error | undefined
  #close: () => void = () => {}

  constructor(stream: Duplex) {
    this.#stream = stream
    this.closed = new Promise((resolve) => {
      this.#close = resolve
    })
    const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
    lines.on('line', (line) => this.#receive(line))
    // readline passes the stream's error on.
    lines.on('error', (error) => this.#fail(error as Error))
    stream.on('error', (error) => this.#fail(error))
    stream.on('close', () => this.#fail(new Error('QEMU closed its monitor')))
    lines.on('close', () => this.#fail(new Error('QEMU closed its monitor')))
    this.ready = this.execute('qmp_capabilities').then(() => {})
    this.ready.catch(() => {})
  }

  /** Runs one command; rejects with QEMU's own description of an error. */
  execute(command: string, arguments_?: Record<string, unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#error) return reject(this.#error)
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject })
      this.#stream.write(
        `${JSON.stringify({ execute: command, ...(arguments_ && { arguments: arguments_ }), id })}\n`,
      )
    })
  }

  onEvent(listener: (event: QmpEvent) => void): void {
    this.#listeners.push(listener)
  }

  #receive(line: string): void {
    let message: {
      id?: number
      return?: unknown
      error?: { class: string; desc: string }
    } & Partial<QmpEvent>
    try {
      message = JSON.parse(line)
    } catch (cause) {
      this.#fail(new Error(`QEMU's monitor said what is not JSON: ${line.slice(0, 200)}`, { cause }))
      return
    }
    if (message.event) {
      for (const listener of this.#listeners) listener(message as QmpEvent)
      return
    }
    const pending = message.id === undefined ? undefined : this.#pending.get(message.id)
    if (!pending) return
    this.#pending.delete(message.id as number)
    if (message.error) pending.reject(new Error(`${message.error.class}: ${message.error.desc}`))
    else pending.resolve(message.return)
  }

  #fail(error: Error): void {
    if (this.#error) return
    this.#error = error
    this.#stream.destroy()
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
    this.#close()
  }
}
