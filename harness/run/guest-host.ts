/** Owns the guests of a cell: boots the first one at once, replaces a broken one, ends them all. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Guest, GuestDisk } from '../../qemu/guest.ts'
import { serve } from './rpc.ts'

/** What a worker is told of a guest. */
export interface GuestFacts {
  /** Counts the boots of this cell from 1. */
  boot: number
  release: string
  bootMs: number
  argv: string[]
  consoleLog: string
  traceLog: string
  disks: GuestDisk[]
}

export interface ExecRequest {
  argv: string[]
  /** Bytes for the command's standard input, base64. */
  input?: string
  timeoutMs?: number
}

/** Standard output and error as UTF-8. */
export interface ExecAnswer {
  status: number
  stdout: string
  stderr: string
}

/** The calls that a worker may make; `rpc.ts` carries them. */
export interface GuestMethods {
  /** The guest that works, booted if need be. */
  guest(): Promise<GuestFacts>
  exec(request: ExecRequest): Promise<ExecAnswer>
  /** Why the guest must be replaced, null when it need not. */
  trouble(): Promise<string | null>
  /** Ends the guest; the next `guest` call boots another. */
  discard(): Promise<null>
}

export interface GuestHost {
  /** UNIX socket of the calls. */
  socket: string
  close(): Promise<void>
}

/** A kernel that does not come up must not cost a boot timeout for every case. */
const bootAttempts = 2

/**
 * @param directory private; a folder per boot is made in it, and removed with the guest's disks unless `keep`
 * @param boot boots a guest in the directory it is given
 */
export async function hostGuests(o: {
  directory: string
  boot: (directory: string) => Promise<Guest>
}): Promise<GuestHost> {
  const socket = join(o.directory, 'guests')
  let facts: GuestFacts | undefined
  let current: Promise<Guest> | undefined
  let count = 0
  let failed = 0
  let closed = false

  const start = async (): Promise<Guest> => {
    count += 1
    const directory = join(o.directory, `boot-${count}`)
    await mkdir(directory, { mode: 0o700 })
    try {
      const guest = await o.boot(directory)
      failed = 0
      facts = factsOf(guest, count)
      return guest
    } catch (error) {
      failed += 1
      throw error
    }
  }
  const ensure = (): Promise<Guest> => {
    if (closed) return Promise.reject(new Error('copylab is ending'))
    if (!current) {
      current = start()
      current.catch(() => {})
    }
    return current
  }
  const discard = async () => {
    const guest = await current?.catch(() => undefined)
    current = undefined
    if (!guest) return
    await guest.kill()
    // The logs stay until the run ends; images are large.
    await Promise.all([...guest.disks.values()].map(({ backing }) => rm(backing, { force: true })))
  }

  const methods: GuestMethods = {
    guest: async () => {
      const known = await current?.catch(() => undefined)
      if (known ? !known.alive : failed < bootAttempts) await discard()
      await ensure()
      return facts as GuestFacts
    },
    exec: async ({ argv, input, timeoutMs }) => {
      const guest = await ensure()
      const result = await guest.exec(argv, {
        ...(input === undefined ? {} : { input: Buffer.from(input, 'base64') }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      })
      return { status: result.status, stdout: result.stdout.toString(), stderr: result.stderr.toString() }
    },
    trouble: async () => (await (await ensure()).trouble()) ?? null,
    discard: async () => {
      await discard()
      return null
    },
  }
  void ensure()
  const server = await serve(socket, methods as never)
  return {
    socket,
    close: async () => {
      closed = true
      await Promise.all([server.close(), current?.then((guest) => guest.kill()).catch(() => {})])
    },
  }
}

function factsOf(guest: Guest, boot: number): GuestFacts {
  return {
    boot,
    release: guest.release,
    bootMs: guest.bootMs,
    argv: [...guest.argv],
    consoleLog: guest.consoleLog,
    traceLog: guest.traceLog,
    disks: [...guest.disks.values()].map((disk) => ({ ...disk })),
  }
}
