/** Which results directories belong to one run, whether they are all there, and what they disagree about. */
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Failure } from '../failure.ts'
import type { Summary } from './summary.ts'

/** A directory of results, as it was read. */
export interface Results {
  directory: string
  summary: Summary
  /** How often each cell was booted, by its name. */
  boots: ReadonlyMap<string, number>
}

/**
 * Results of one plan each: all of it, or shards of it.
 * @throws Failure('usage') when some of them cannot be in one report, since a case would have two results
 */
export function sortRuns(all: readonly Results[]): Results[][] {
  const runs: [Results, ...Results[]][] = []
  for (const results of all) {
    const run = runs.find(([first]) => isDeepStrictEqual(first.summary.plan, results.summary.plan))
    if (run) run.push(results)
    else runs.push([results])
  }
  for (const [first, ...others] of runs) for (const other of others) checkOneRun(first, other)
  for (const run of runs) checkTwice(run)
  for (const [index, [one]] of runs.entries())
    for (const [other] of runs.slice(index + 1)) checkApart(one, other)
  return runs
}

/** Of two results with one plan. */
function checkOneRun(first: Results, other: Results): void {
  const where = `${first.directory} and ${other.directory}`
  const [a, b] = [first.summary.shard, other.summary.shard]
  if (!a || !b)
    throw new Failure('usage', `${where} have results of the same cases`, {
      remedy: 'report them one by one',
    })
  if (a.count !== b.count)
    throw new Failure('usage', `${where} are of different splits: into ${a.count} and ${b.count} shards`, {
      remedy: 'give the shards of one run',
    })
  if (a.split !== b.split)
    throw new Failure('usage', `${where} are shards that were split in different ways`, {
      remedy: 'run all shards with the same --times FILE and the same copylab, or all without --times',
    })
}

function checkTwice(run: readonly Results[]): void {
  const seen = new Map<number, string>()
  for (const { directory, summary } of run) {
    if (!summary.shard) continue
    const { index, count } = summary.shard
    const before = seen.get(index)
    if (before !== undefined)
      throw new Failure('usage', `shard ${index}/${count} is there twice: ${before} and ${directory}`, {
        remedy: 'give the one that counts',
      })
    seen.set(index, directory)
  }
}

/** Results with different plans must be of different cells. */
function checkApart(one: Results, other: Results): void {
  for (const a of one.summary.plan) {
    const b = other.summary.plan.find(({ cell }) => cell === a.cell)
    if (!b) continue
    const without = (mine: readonly string[], theirs: readonly string[]) => {
      const known = new Set(theirs)
      return mine.filter((id) => !known.has(id))
    }
    const [onlyA, onlyB] = [without(a.cases, b.cases), without(b.cases, a.cases)]
    const cells = new Set([...one.summary.plan, ...other.summary.plan].map(({ cell }) => cell)).size
    const why =
      a.seriesHash !== b.seriesHash
        ? 'the patches are others'
        : onlyA.length || onlyB.length
          ? `${onlyA.length + onlyB.length} cases are planned in only one of them, such as ${onlyA[0] ?? onlyB[0]}`
          : `${cells} cells are planned in them together, but not all in each`
    throw new Failure(
      'usage',
      `${one.directory} and ${other.directory} both have the cell ${a.cell}, and are of different runs: ${why}`,
      { remedy: 'give the shards of one run, or runs of different cells' },
    )
  }
}

/** What a reader of the report must know: what is missing of a run, and what was not the same for all of its parts. */
export function findingsOf(runs: readonly Results[][]): string[] {
  const all = runs.flat()
  return [
    ...all.flatMap(({ summary }) => summary.findings),
    ...runs.flatMap(missingShards),
    ...all.flatMap(unfinished),
    ...different(all),
    ...runs.flatMap(missingCases),
  ].filter((finding, index, findings) => findings.indexOf(finding) === index)
}

/** Of cells that must be in a report. */
export function missingCells(all: readonly Results[], expected: readonly string[]): string[] {
  const planned = new Set(all.flatMap(({ summary }) => summary.plan.map(({ cell }) => cell)))
  return expected.filter((name) => !planned.has(name)).map((name) => `${name}: nothing was run of this cell`)
}

function missingShards(run: readonly Results[]): string[] {
  const count = run[0]?.summary.shard?.count ?? 0
  const there = run.map(({ summary }) => summary.shard?.index)
  return Array.from({ length: count }, (_, index) => index + 1)
    .filter((index) => !there.includes(index))
    .map((index) => `shard ${index}/${count} is missing`)
}

function unfinished({ directory, summary }: Results): string[] {
  if (summary.interrupted) return [`${directory}: the run was interrupted`]
  return summary.finished ? [] : [`${directory}: the run has not ended; it was killed, or goes on`]
}

function missingCases(run: readonly Results[]): string[] {
  return (run[0]?.summary.plan ?? []).flatMap(({ cell, cases }) => {
    const results = run.flatMap(({ summary }) => summary.cells.filter(({ name }) => name === cell))
    const there = new Set(results.flatMap((one) => one.cases.map(({ id }) => id)))
    const missing = cases.filter((id) => !there.has(id))
    if (!missing.length) return []
    const some = `${missing.slice(0, 3).join(' ')}${missing.length > 3 ? ' …' : ''}`
    return [`${cell}: ${missing.length} of ${cases.length} cases have no result: ${some}`]
  })
}

/** What the machines did not have in common. Each result is true, but they are not of one cell. */
function different(all: readonly Results[]): string[] {
  const findings: string[] = []
  const seen = new Map<string, { value: unknown; directory: string }>()
  const compare = (directory: string, what: string, value: unknown) => {
    // Nothing is known of it where the cell has come to nothing.
    if (value === undefined || value === null) return
    const before = seen.get(what)
    if (!before) seen.set(what, { value, directory })
    else if (before.value !== value)
      findings.push(`${what} is ${before.value} in ${before.directory}, but ${value} in ${directory}`)
  }
  for (const { directory, summary } of all) {
    compare(directory, 'copylab', summary.copylab)
    for (const { name, tree, kconfig, kernel, machine, topology } of summary.cells) {
      const facts = {
        'the tree': tree.version,
        'the kconfig': kconfig.map((path) => basename(path, '.config')).join(','),
        'the compiler': kernel?.compiler,
        'the kernel': kernel?.key,
        QEMU: machine?.qemuVersion,
        'the accelerator': machine?.accel,
        'the number of CPUs': machine?.cpus,
        'the memory in MiB': machine?.memoryMiB,
        'the topology': topology,
      }
      for (const [what, value] of Object.entries(facts)) compare(directory, `${name}: ${what}`, value)
    }
  }
  return findings
}
