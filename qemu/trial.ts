import { execa } from 'execa'
import { bareMachineArgv } from './argv.ts'
import { createImages } from './disks.ts'
import { withPrivateDirectory } from './private-directory.ts'
import { defaultTopology } from './topology.ts'

/** Half a second is usual. */
const deadlineMs = 60_000

/**
 * Starts the machine that guests run on with its firmware and all the devices of the default topology, but with no
 * kernel and its processors stopped, and ends it at once: a QEMU that only tells its version may lack any of these.
 * @returns QEMU's last words when it cannot, undefined when it can
 */
export async function tryMachine(qemu: string, signal?: AbortSignal): Promise<string | undefined> {
  signal?.throwIfAborted()
  return withPrivateDirectory('copylab-trial-', async (directory) => {
    await createImages(defaultTopology, directory)
    const machine = { qemu, qemuVersion: '', accel: 'tcg', cpus: 1, memoryMiB: 128 } as const
    const channels = { console: 'null', qmp: 'null', agent: 'null' }
    const bare = bareMachineArgv({ topology: defaultTopology, machine, directory, channels })
    const argv = [...bare, '-S', '-monitor', 'stdio']
    const { failed, exitCode, timedOut, stderr } = await execa(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', qemu, ...argv],
      {
        input: 'quit\n',
        reject: false,
        timeout: deadlineMs,
        killSignal: 'SIGKILL',
        ...(signal && { cancelSignal: signal }),
      },
    )
    signal?.throwIfAborted()
    if (!failed) return undefined
    if (timedOut) return `a machine that does nothing did not end within ${deadlineMs} ms`
    return stderr.trim().split('\n').at(-1) || `exit status ${exitCode}`
  })
}
