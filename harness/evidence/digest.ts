/** SHA-256 in another thread: that of a whole disk takes longer than comparing it, and nobody waits for it. */
import { Worker } from 'node:worker_threads'

const program = `
const { createHash } = require('node:crypto')
const { parentPort } = require('node:worker_threads')
parentPort.on('message', ({ id, memory }) => {
  const sha256 = createHash('sha256').update(new Uint8Array(memory)).digest('hex')
  parentPort.postMessage({ id, sha256 })
})`

let worker: Worker | undefined
let last = 0
const waiting = new Map<number, { resolve: (sha256: string) => void; reject: (error: Error) => void }>()

/** The digest in hex of shared memory, which must not change until it is there. */
export function digest(memory: SharedArrayBuffer): Promise<string> {
  worker ??= start()
  last += 1
  const id = last
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject })
    worker?.ref()
    worker?.postMessage({ id, memory })
  })
}

function start(): Worker {
  const thread = new Worker(program, { eval: true })
  thread.on('message', ({ id, sha256 }) => {
    waiting.get(id)?.resolve(sha256)
    waiting.delete(id)
    // An idle thread must not keep the process.
    if (!waiting.size) thread.unref()
  })
  thread.on('error', (error) => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
    worker = undefined
  })
  return thread
}
