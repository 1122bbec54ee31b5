import type { Duplex } from 'node:stream'
import pLimit from 'p-limit'

/** Numbers of the protocol; agent/agent.c documents it and has the same ones. */
const headerBytes = 12
const version = 1
const windowBytes = 65536
const maxPayload = 65536
const maxArguments = 1024
const maxCommands = 64

export interface CommandOptions {
  /** Run on a pseudo terminal of this size. */
  terminal?: { rows: number; columns: number }
  /** A returned promise holds the whole channel back until it is settled. */
  onStdout?: (chunk: Buffer) => void | Promise<void>
  onStderr?: (chunk: Buffer) => void | Promise<void>
}

/** A command that runs in the guest. */
export interface Command {
  /** Settled when all of it was handed to the guest, or when the command has ended. */
  write(data: Uint8Array): Promise<void>
  /** End of standard input. */
  end(): void
  /** Sends a signal, by number, to the command's process group. */
  kill(signal: number): void
  resize(rows: number, columns: number): void
  /** Exit status, 128 + signal as in sh; rejected when the channel ends first. */
  readonly exited: Promise<number>
}

interface Running {
  options: CommandOptions
  credit: number
  queue: { data: Uint8Array; sent: () => void }[]
  ended: boolean
  endSent: boolean
  resolve: (status: number) => void
  reject: (error: Error) => void
}

/** The host's end of the agent's channel. Owns the stream. */
export class AgentChannel {
  /** What the agent says first: `uname -r`. Rejected when the channel ends before. */
  readonly hello: Promise<string>
  /** Resolved with the reason when the channel is gone. */
  readonly closed: Promise<Error>
  /** Bytes heard from the guest: grows as long as the agent makes progress. */
  received = 0

  readonly #stream: Duplex
  readonly #running = new Map<number, Running>()
  readonly #slots = pLimit(maxCommands)
  #rest: Buffer = Buffer.alloc(0)
  #nextId = 1
  #held = 0
  #error: Error | undefined
  #welcome: (release: string) => void = () => {}
  #close: (error: Error) => void = () => {}

  constructor(stream: Duplex) {
    this.#stream = stream
    this.closed = new Promise((resolve) => {
      this.#close = resolve
    })
    this.hello = new Promise((resolve, reject) => {
      this.#welcome = resolve
      this.closed.then(reject)
    })
    this.hello.catch(() => {})
    stream.on('data', (chunk: Buffer) => {
      try {
        this.#receive(chunk)
      } catch (error) {
        this.#fail(error as Error)
      }
    })
    stream.on('error', (error) => this.#fail(error))
    stream.on('close', () => this.#fail(new Error('the agent channel was closed')))
    stream.on('end', () => this.#fail(new Error('the agent channel was closed')))
  }

  /** Starts a command; waits while the agent has as many as it takes. Throws when argv is too long. */
  start(argv: readonly string[], options: CommandOptions = {}): Promise<Command> {
    const strings = Buffer.from(argv.map((argument) => `${argument}\0`).join(''))
    if (argv.length === 0 || argv.length > maxArguments || strings.length + 8 > maxPayload) {
      throw new RangeError(
        `a guest command takes 1 to ${maxArguments} arguments, ${maxPayload - 8} bytes in all`,
      )
    }
    if (argv.some((argument) => argument.includes('\0')))
      throw new RangeError('an argument has a NUL character')
    return new Promise((started, failed) => {
      this.#slots(async () => {
        if (this.#error) return failed(this.#error)
        const command = this.#launch(strings, options)
        started(command)
        await command.exited.catch(() => {})
      })
    })
  }

  /** Asks the agent for a sign of life; it shows in `received`. */
  ping(): void {
    this.#send('P', 0)
  }

  #launch(strings: Buffer, options: CommandOptions): Command {
    const id = this.#nextId++
    const { terminal } = options
    const prefix = Buffer.alloc(8)
    prefix.writeUInt32LE(terminal ? 1 : 0)
    if (terminal) windowSize(terminal.rows, terminal.columns).copy(prefix, 4)
    this.#send('R', id, Buffer.concat([prefix, strings]))

    const exited = new Promise<number>((resolve, reject) => {
      this.#running.set(id, {
        options,
        credit: windowBytes,
        queue: [],
        ended: false,
        endSent: false,
        resolve,
        reject,
      })
    })
    exited.catch(() => {})
    return {
      exited,
      write: (data) => new Promise<void>((sent) => this.#enqueue(id, data, sent)),
      end: () => {
        const running = this.#running.get(id)
        if (!running || running.ended) return
        running.ended = true
        this.#pump(id, running)
      },
      kill: (signal) => {
        const payload = Buffer.alloc(4)
        payload.writeUInt32LE(signal)
        if (this.#running.has(id)) this.#send('K', id, payload)
      },
      resize: (rows, columns) => {
        if (this.#running.has(id)) this.#send('W', id, windowSize(rows, columns))
      },
    }
  }

  #enqueue(id: number, data: Uint8Array, sent: () => void): void {
    const running = this.#running.get(id)
    if (!running || running.ended) {
      sent()
      return
    }
    running.queue.push({ data, sent })
    this.#pump(id, running)
  }

  /** Sends what the window allows; the guest's buffer of a command holds no more. */
  #pump(id: number, running: Running): void {
    for (let head = running.queue[0]; head && running.credit > 0; head = running.queue[0]) {
      const part = head.data.subarray(0, running.credit)
      if (part.length) this.#send('I', id, part)
      running.credit -= part.length
      head.data = head.data.subarray(part.length)
      if (head.data.length) return
      running.queue.shift()
      head.sent()
    }
    if (!running.ended || running.endSent || running.queue.length) return
    running.endSent = true
    this.#send('E', id)
  }

  #send(type: string, id: number, payload: Uint8Array = Buffer.alloc(0)): void {
    if (this.#error) return
    const header = Buffer.alloc(headerBytes)
    header.writeUInt32LE(type.charCodeAt(0), 0)
    header.writeUInt32LE(id, 4)
    header.writeUInt32LE(payload.length, 8)
    this.#stream.write(Buffer.concat([header, payload]))
  }

  #receive(chunk: Buffer): void {
    this.received += chunk.length
    const data = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk
    let at = 0
    while (data.length - at >= headerBytes) {
      const length = data.readUInt32LE(at + 8)
      if (length > maxPayload) throw new Error(`the agent sent a frame of ${length} bytes`)
      if (data.length - at < headerBytes + length) break
      const type = String.fromCharCode(data.readUInt32LE(at) & 0xff)
      this.#handle(
        type,
        data.readUInt32LE(at + 4),
        data.subarray(at + headerBytes, at + headerBytes + length),
      )
      at += headerBytes + length
    }
    this.#rest = data.subarray(at)
  }

  #handle(type: string, id: number, payload: Buffer): void {
    if (type === 'p') return
    if (type === 'H') {
      const spoken = payload.readUInt32LE(0)
      if (spoken !== version) throw new Error(`the agent speaks protocol ${spoken}, not ${version}`)
      this.#welcome(payload.toString('utf8', 4))
      return
    }
    const running = this.#running.get(id)
    if (!running) throw new Error(`the agent sent frame '${type}' for unknown command ${id}`)
    if (type === 'o') this.#deliver(running.options.onStdout, payload)
    else if (type === 'e') this.#deliver(running.options.onStderr, payload)
    else if (type === 'a') {
      running.credit += payload.readUInt32LE(0)
      this.#pump(id, running)
    } else if (type === 'x') {
      this.#running.delete(id)
      for (const { sent } of running.queue) sent()
      running.resolve(payload.readUInt32LE(0))
    } else throw new Error(`the agent sent an unknown frame '${type}'`)
  }

  #deliver(consumer: CommandOptions['onStdout'], payload: Buffer): void {
    const busy = consumer?.(payload)
    if (!busy) return
    if (this.#held++ === 0) this.#stream.pause()
    busy
      .catch((error) => this.#fail(error))
      .finally(() => {
        if (--this.#held === 0) this.#stream.resume()
      })
  }

  #fail(error: Error): void {
    if (this.#error) return
    this.#error = error
    this.#stream.destroy()
    for (const { queue, reject } of this.#running.values()) {
      for (const { sent } of queue) sent()
      reject(error)
    }
    this.#running.clear()
    this.#close(error)
  }
}

function windowSize(rows: number, columns: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt16LE(rows, 0)
  payload.writeUInt16LE(columns, 2)
  return payload
}
