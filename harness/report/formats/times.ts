import { timesOf } from '../../run/times.ts'
import type { Report } from '../report.ts'

/** What `copylab run --times` reads: small enough to be kept with a repository, a line a cell. */
export function times({ summary }: Report): string {
  const { times, cells } = timesOf(summary)
  const lines = Object.entries(cells).map(
    ([name, cell]) => `${JSON.stringify(name)}: ${JSON.stringify(cell)}`,
  )
  return `{"times": ${times}, "cells": {\n${lines.join(',\n')}\n}}\n`
}
