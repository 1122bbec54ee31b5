import { cacheDirectory } from '../cache/directory.ts'
import { loadConfig, type Overrides } from '../config/load.ts'
import { provideKernel } from '../kernel/provide.ts'
import { showProgress } from '../report/progress.ts'
import { configuredSeries } from '../series/load.ts'
import { findTree } from '../tree/find.ts'
import type { CommandContext } from './run.ts'

/** `copylab build`: prints the path of the kernel's image, alone, on standard output. */
export async function build(options: Overrides, { cwd, signal }: CommandContext): Promise<number> {
  const config = await loadConfig(cwd, options)
  const progress = showProgress({ stream: process.stderr })
  try {
    const common = { cache: cacheDirectory(), emit: progress.emit, signal }
    const series = await configuredSeries(config)
    const tree = await findTree(config.tree, common)
    const kernel = await provideKernel({ tree, series, fragments: config.kconfig, ...common })
    process.stdout.write(`${kernel.image}\n`)
    return 0
  } finally {
    progress.close()
  }
}
