/** The formats by name, and how they are asked for. */
import { Failure } from '../../failure.ts'
import type { Format } from '../report.ts'
import { blktests } from './blktests.ts'
import { html } from './html.ts'
import { json } from './json.ts'
import { junit } from './junit.ts'
import { ktap } from './ktap.ts'
import { times } from './times.ts'

export const formats: Record<string, Format> = { blktests, html, json, junit, ktap, times }

export interface WantedFormat {
  name: string
  format: Format
  /** Path as it was given; undefined: standard output. */
  file: string | undefined
}

/**
 * `NAME` or `NAME=FILE`.
 * @param option its name, for messages
 * @throws Failure('usage')
 */
export function parseFormat(text: string, option: string): WantedFormat {
  const [name = '', ...rest] = text.split('=')
  const file = rest.length ? rest.join('=') : undefined
  const format = Object.hasOwn(formats, name) ? formats[name] : undefined
  if (!format)
    throw new Failure('usage', `${option}: there is no format "${name}"`, {
      remedy: `expected one of: ${Object.keys(formats).join(', ')}; NAME=FILE writes it to a file`,
    })
  if (file === '') throw new Failure('usage', `${option}: "${text}" names no file`)
  return { name, format, file }
}
