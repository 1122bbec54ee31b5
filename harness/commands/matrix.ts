import { loadConfig } from '../config/load.ts'
import { Failure } from '../failure.ts'
import { matrixCells } from '../matrix/cells.ts'
import { matrixFormats } from '../matrix/formats/formats.ts'
import { firstOfEachKernel } from '../matrix/kernels.ts'
import type { CommandContext } from './run.ts'

export interface MatrixOptions {
  format: keyof typeof matrixFormats
  /** Jobs a cell, as typed. */
  shards?: string | undefined
  /** Only the first cell of those that share a kernel. */
  kernels?: boolean | undefined
}

/** `copylab matrix`: prints the cells of copylab.yaml; nothing is fetched, built or started. */
export async function matrix(options: MatrixOptions, { cwd }: CommandContext): Promise<number> {
  const { format, kernels } = options
  const shards = shardCount(options)
  const cells = await matrixCells(await loadConfig(cwd))
  process.stdout.write(matrixFormats[format](kernels ? firstOfEachKernel(cells) : cells, { shards }))
  return 0
}

function shardCount({ format, shards }: MatrixOptions): number {
  if (shards === undefined) return 1
  if (!/^[1-9]\d{0,2}$/.test(shards))
    throw new Failure('usage', `--shards: expected a number from 1 to 999, not ${JSON.stringify(shards)}`)
  if (format === 'text' || format === 'json')
    throw new Failure(
      'usage',
      `--shards: the format ${format} has cells, not jobs: expected github or gitlab`,
    )
  return Number(shards)
}
