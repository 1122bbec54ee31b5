/** Owns the guests of a cell: boots the first one at once, replaces a broken one, ends them all. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Guest, GuestDisk } from '../../qemu/guest.ts'
import { type Complaint, lookAt } from './last-look.ts'
import { serve } from './rpc.ts'

/** What a worker is told of a guest. */
export interface GuestFacts {
  /** Counts the boots of this cell from 1, in all sittings of the run. */
  boot: number
  release: string
  bootMs: number
  argv: string[]
  consoleLog: string
  traceLog: string
  disks: GuestDisk[]
  /** The kernel's first complaint since the boot, if there is any; no case may run on this guest. */
  splat?: string
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
  /** The guest that works, booted if need be. Rejects once with a GuestLost when it was lost since the last call. */
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
  /** Looks at the guest after the last case: what has come up since a case looked, and leaks. */
  lastLook(): Promise<(Complaint & { facts: GuestFacts }) | undefined>
  close(): Promise<void>
}

/** A kernel that does not come up, or not without a complaint, must not cost a boot for every case. */
const usualAttempts = 2

/**
 * @param directory private; a folder per boot is made in it. Disk images go with their guest, or with `directory`; logs stay
 * @param boot boots a guest in the directory it is given
 */
export async function hostGuests(o: {
  directory: string
  boot: (directory: string) => Promise<Guest>
  /** Boots of this cell that earlier sittings of the run have made. */
  boots?: number
  /** So many boots that come to nothing, or to a complaint, are enough. */
  bootAttempts?: number
}): Promise<GuestHost> {
  const { bootAttempts = usualAttempts } = o
  const socket = join(o.directory, 'guests')
  let facts: GuestFacts | undefined
  let current: Promise<Guest> | undefined
  let count = o.boots ?? 0
  let failed = 0
  let closed = false
  /** Not to be used, and a case has been told so. */
  let told: Guest | undefined

  const start = async (): Promise<Guest> => {
    count += 1
    const directory = join(o.directory, `boot-${count}`)
    await mkdir(directory, { mode: 0o700 })
    try {
      const guest = await o.boot(directory)
      failed = guest.console.splat() === undefined ? 0 : failed + 1
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
      if (known?.lost && known !== told) {
        told = known
        throw known.lost
      }
      if (known ? !known.alive : failed < bootAttempts) await discard()
      const guest = await ensure()
      const splat = guest.console.splat()
      if (splat !== undefined) told = guest
      return { ...(facts as GuestFacts), ...(splat === undefined ? {} : { splat }) }
    },
    exec: async ({ argv, input, timeoutMs }) => {
      const guest = await ensure()
      const options = {
        ...(input === undefined ? {} : { input: Buffer.from(input, 'base64') }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      }
      const result = await guest.exec(argv, options).catch((error) => {
        if (error === guest.lost) told = guest
        throw error
      })
      return { status: result.status, stdout: result.stdout.toString(), stderr: result.stderr.toString() }
    },
    trouble: async () => (await (await ensure()).trouble()) ?? null,
    discard: async () => {
      if (failed < bootAttempts) await discard()
      return null
    },
  }
  void ensure()
  const server = await serve(socket, methods as never)
  return {
    socket,
    lastLook: async () => {
      const guest = await current?.catch(() => undefined)
      if (!guest || guest === told) return undefined
      const complaint = await lookAt(guest)
      return complaint && { ...complaint, facts: facts as GuestFacts }
    },
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
