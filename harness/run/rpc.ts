/** Calls between the process that owns the guests and the vitest worker: lines of JSON over a UNIX socket. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export type Methods = Record<string, (argument: never) => Promise<unknown>>

interface Answer {
  id: number
  value?: unknown
  error?: { name: string; message: string; [property: string]: unknown }
}

/** Answers calls until closed; `close` also hangs up on callers. */
export async function serve(path: string, methods: Methods): Promise<{ close: () => Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    createInterface({ input: socket }).on('line', async (line) => {
      const { id, method, argument } = JSON.parse(line)
      let answer: Answer
      try {
        const run = methods[method]
        if (!run) throw new Error(`there is no method '${method}'`)
        answer = { id, value: await run(argument as never) }
      } catch (error) {
        answer = { id, error: encodeError(error) }
      }
      if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`)
    })
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
}

export interface Caller {
  /** Rejects with the server's error: same name, message and properties. */
  call<T>(method: string, argument?: unknown): Promise<T>
  close(): void
}

export async function dial(path: string): Promise<Caller> {
  const socket = connect(path)
  await once(socket, 'connect')
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let last = 0
  createInterface({ input: socket }).on('line', (line) => {
    const { id, value, error } = JSON.parse(line) as Answer
    const call = waiting.get(id)
    waiting.delete(id)
    if (error) call?.reject(Object.assign(new Error(error.message), error))
    else call?.resolve(value as never)
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    for (const { reject } of waiting.values())
      reject(new Error('copylab has closed the channel to its guests'))
    waiting.clear()
  })
  return {
    call: (method, argument) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new Error('copylab has closed the channel to its guests'))
        last += 1
        waiting.set(last, { resolve, reject })
        socket.write(`${JSON.stringify({ id: last, method, argument })}\n`)
      }),
    close: () => socket.destroy(),
  }
}

function encodeError(error: unknown): NonNullable<Answer['error']> {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const properties = Object.fromEntries(
    Object.entries(error).filter(([, value]) => typeof value === 'string'),
  )
  return { ...properties, name: error.name, message: error.message }
}
