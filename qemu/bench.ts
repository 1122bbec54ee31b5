import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '../harness/failure.ts'
import { qemuArgv } from './argv.ts'
import { compileStatic, findProgram } from './cc.ts'
import { writeCpio } from './cpio.ts'
import { createImages } from './disks.ts'
import type { GuestOptions } from './guest.ts'
import { quoted } from './lost.ts'
import { channelBackends, startQemu } from './process.ts'

/**
 * Boots the machine that `bootGuest` would boot with a first process that only says that it is up, and returns the
 * time from the start of QEMU to that, in ms: the yardstick for a boot to the agent. `directory` is private and empty.
 * Throws an infra Failure when it is not up in time.
 */
export async function bootTrivial(
  options: Omit<GuestOptions, 'initrd'> & { cacheDir: string },
): Promise<number> {
  const { machine, directory, topology, cacheDir, signal, bootTimeoutMs = 60_000 } = options
  signal?.throwIfAborted()
  const program = await compileStatic(fileURLToPath(new URL('agent/trivial.c', import.meta.url)), cacheDir)
  const initrd = join(directory, 'trivial.cpio')
  await mkdir(directory, { recursive: true })
  await writeCpio(initrd, [{ path: '/init', kind: 'file', source: program, mode: 0o755 }])
  await createImages(topology, directory)
  const qemu = (await findProgram(machine.qemu)) ?? machine.qemu
  const [qmp, console] = channelBackends
  const argv = qemuArgv({ ...options, initrd, channels: { console, qmp, agent: 'null' } })

  const started = performance.now()
  const process = await startQemu(qemu, argv, directory)
  const abort = () => void process.kill()
  signal?.addEventListener('abort', abort, { once: true })
  const timer = setTimeout(abort, bootTimeoutMs)
  try {
    let printed = ''
    const up = new Promise<number>((resolve) => {
      process.channels[1]?.on('data', (chunk: Buffer) => {
        printed += chunk.toString('latin1')
        if (printed.includes('trivial init is up')) resolve(performance.now() - started)
      })
    })
    const ms = await Promise.race([up, process.exited.then(() => undefined)])
    signal?.throwIfAborted()
    if (ms !== undefined) return ms
    throw new Failure('infra', `the trivial init was not up within ${bootTimeoutMs} ms`, {
      log: process.log,
      command: quoted([qemu, ...argv]),
    })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    await process.kill()
  }
}
