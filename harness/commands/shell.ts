import { withPrivateDirectory } from '../../qemu/private-directory.ts'
import { inPutDirectory, putFiles, runCommand, runShell, shellTools } from '../../qemu/shell.ts'
import { loadConfig, type Overrides } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { readFragments } from '../kernel/fragments.ts'
import { showProgress } from '../report/progress.ts'
import { bootCell, provideCell } from '../run/cell.ts'
import { planCell } from '../run/plan.ts'
import { configuredSeries } from '../series/load.ts'
import type { CommandContext } from './run.ts'

export interface ShellOptions extends Overrides {
  /** Host files to put into the guest. */
  put?: string[] | undefined
}

/**
 * `copylab shell [--put FILE…] [-- COMMAND…]`: a prompt in a guest, or one command whose exit status is returned.
 * @throws Failure
 */
export async function shell(
  command: string[],
  options: ShellOptions,
  { cwd, signal }: CommandContext,
): Promise<number> {
  if (!command.length && !process.stdin.isTTY) {
    throw new Failure('usage', 'standard input is no terminal, so there can be no prompt', {
      remedy: 'give the command to run: copylab shell -- COMMAND',
    })
  }
  const config = await loadConfig(cwd, options)
  // Before anything is fetched for them.
  await readFragments(config.kconfig)
  const cell = planCell(config, await configuredSeries(config))
  const files = putFiles(options.put ?? [])
  const progress = showProgress({ stream: process.stderr })
  try {
    const emit = progress.emit
    return await withPrivateDirectory('copylab-', async (directory) => {
      const provided = await provideCell(cell, {
        tools: shellTools,
        files,
        // The next one puts another file.
        ...(files.length ? { imageDir: directory } : {}),
        signal,
        emit,
      })
      const guest = await bootCell(provided, directory, { signal, emit })
      progress.close()
      try {
        if (command.length) return await runCommand(guest, inPutDirectory(command), process, signal)
        for (const { name, device, bytes, blockSize } of guest.disks.values()) {
          process.stdout.write(
            `${device.padEnd(14)} ${name}, ${bytes / 2 ** 20} MiB in blocks of ${blockSize}\n`,
          )
        }
        return await runShell(guest, process, signal)
      } finally {
        await guest.shutdown()
      }
    })
  } finally {
    progress.close()
  }
}
