/** Leaves merged results in a directory as a run would have left them. */
import { appendFile, copyFile, mkdir, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Failure } from '../failure.ts'
import { lastLookId } from '../run/last-look.ts'
import { type CellPart, type Merged, renumberBoots } from './merge.ts'
import { bootNumber, filesIn, readText } from './read-results.ts'
import { failureFile, provideResults, resultPath } from './results-directory.ts'

/**
 * Copies what the shards have left of each case, and the consoles of their boots, which are numbered anew; the
 * summary comes last. Results that are there already are replaced as a run would replace them.
 * @throws Failure('usage') when the results of a shard are there
 */
export async function writeMerged(
  { summary, parts }: Merged,
  output: string,
  signal: AbortSignal,
): Promise<void> {
  await provideResults(output)
  for (const { directory } of [...parts.values()].flat())
    if ((await realpath(directory)) === (await realpath(output)))
      throw new Failure('usage', `--output: ${output} has results that are to be merged`, {
        remedy: 'name another directory',
      })
  for (const { name } of summary.cells) {
    const directory = join(output, name)
    await mkdir(directory, { recursive: true })
    const consoles = (await filesIn(directory)).filter(bootNumber)
    for (const console of consoles) await rm(join(directory, console), { force: true })
    await rm(join(directory, failureFile), { force: true })
    const cellParts = parts.get(name) ?? []
    const kept = cellParts.flatMap((part) => [...part.cases].filter(([, { files }]) => files))
    await removeCases(output, name, new Set(kept.map(([id]) => id)))
    for (const part of cellParts) await copyPart(name, part, output, signal)
  }
  const path = join(output, 'summary.json')
  await writeFile(`${path}.new`, `${JSON.stringify(summary, null, 2)}\n`)
  await rename(`${path}.new`, path)
}

/** Those of earlier results that these replace, and earlier complaints after a last case. */
async function removeCases(output: string, cell: string, ids: ReadonlySet<string>): Promise<void> {
  const groups = new Set([...ids, lastLookId].map((id) => dirname(resultPath(output, cell, id))))
  for (const group of groups)
    for (const name of await filesIn(group)) {
      const id = `${basename(group)}/${caseOf(name)}`
      if (ids.has(id) || id.startsWith(lastLookId)) await rm(join(group, name), { force: true })
    }
}

async function copyPart(cell: string, part: CellPart, output: string, signal: AbortSignal): Promise<void> {
  const { directory, bootsBefore, cases, failed } = part
  const failure = failed ? await readText(join(directory, cell, failureFile)) : undefined
  // Of several shards that have failed on the cell, all say why.
  if (failure !== undefined) await appendFile(join(output, cell, failureFile), failure)
  for (const name of await filesIn(join(directory, cell))) {
    const number = bootNumber(name)
    if (!number) continue
    signal.throwIfAborted()
    await copyFile(join(directory, cell, name), join(output, cell, `boot-${number + bootsBefore}.console`))
  }
  /** Files of the shard's groups, read once. */
  const groups = new Map<string, string[]>()
  for (const [mergedId, { id, files }] of cases) {
    signal.throwIfAborted()
    if (!files) continue
    const [from, to] = [resultPath(directory, cell, id), resultPath(output, cell, mergedId)]
    const group = dirname(from)
    const names = groups.get(group) ?? (await filesIn(group))
    groups.set(group, names)
    await mkdir(dirname(to), { recursive: true })
    for (const name of names) {
      if (caseOf(name) !== basename(from)) continue
      await copyRenumbered(join(group, name), to + name.slice(basename(from).length), bootsBefore)
    }
  }
}

/** `003` of `003`, `003.full` and so on. */
function caseOf(name: string): string {
  return name.split('.')[0] ?? name
}

/** What is not written by us, such as the kernel's messages, is copied as it is. */
async function copyRenumbered(from: string, to: string, bootsBefore: number): Promise<void> {
  const text = /\.(full|out\.bad)$/.test(from) || !basename(from).includes('.')
  if (!bootsBefore || !text) return copyFile(from, to)
  await writeFile(to, renumberBoots((await readText(from)) ?? '', bootsBefore))
}
