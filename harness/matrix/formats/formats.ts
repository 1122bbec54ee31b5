import type { MatrixCell } from '../cells.ts'
import { github } from './github.ts'
import { gitlab } from './gitlab.ts'
import { json } from './json.ts'
import { text } from './text.ts'

export interface FormatOptions {
  /** Jobs that each cell is split into; 1: it is not. */
  shards: number
}

/** Writes cells down; the text ends in a newline. */
export type MatrixFormat = (cells: readonly MatrixCell[], options: FormatOptions) => string

export const matrixFormats = { text, json, github, gitlab } satisfies Record<string, MatrixFormat>
