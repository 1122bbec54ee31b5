import { cacheDirectory } from '../cache/directory.ts'
import { loadConfig } from '../config/load.ts'
import { provideKernel } from '../kernel/provide.ts'
import { type CellOptions, plannedCells } from '../matrix/planned.ts'
import { showProgress } from '../report/progress.ts'
import { findTree } from '../tree/find.ts'
import type { CommandContext } from './run.ts'

/** `copylab build`: prints the path of the kernel's image, alone, on standard output; of each cell, in their order. */
export async function build(options: CellOptions, { cwd, signal }: CommandContext): Promise<number> {
  const cells = await plannedCells(await loadConfig(cwd, options), options)
  const progress = showProgress({ stream: process.stderr })
  try {
    const common = { cache: cacheDirectory(), emit: progress.emit, signal }
    for (const { tree, series, kconfig } of cells) {
      const found = await findTree(tree, common)
      const kernel = await provideKernel({ tree: found, series, fragments: kconfig, ...common })
      process.stdout.write(`${kernel.image}\n`)
    }
    return 0
  } finally {
    progress.close()
  }
}
