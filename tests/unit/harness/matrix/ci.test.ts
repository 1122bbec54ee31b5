/**
 * The examples for CI systems: their scripts are run by bash with a copylab that writes down what it is asked for, and
 * what it was asked for is parsed by the real command line.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { commandLine } from '../../../../harness/cli.ts'
import { loadConfig, projectRoot } from '../../../../harness/config/load.ts'
import { matrixCells } from '../../../../harness/matrix/cells.ts'
import { github } from '../../../../harness/matrix/formats/github.ts'
import { gitlab } from '../../../../harness/matrix/formats/gitlab.ts'
import { firstOfEachKernel } from '../../../../harness/matrix/kernels.ts'
import { parseFormat } from '../../../../harness/report/formats/formats.ts'

vi.setConfig({ testTimeout: 120_000 })

const cells = await matrixCells(await loadConfig(projectRoot))
const cellNames = cells.map(({ cell }) => cell.name)
const key = '0123abcd'

let directory: string
const at = (name: string) => join(directory, name)
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-ci-'))
  await mkdir(at('bin'))
  const npx = `#!/usr/bin/env bash
for word in "$@"; do printf '%s\\0' "$word" >> "$CALLS"; done
printf '\\n' >> "$CALLS"
case "$2 $3" in
  'build '*) echo "/cache/kernels/${key}/vmlinux" ;;
  'matrix '*) echo "{$*}" ;;
  'cache export') touch "$4" ;;
esac
`
  await writeFile(at('bin/npx'), npx)
  await chmod(at('bin/npx'), 0o755)
})
afterEach(() => rm(directory, { recursive: true }))

/**
 * Runs a script as a CI system would, in the directory of the test.
 * @returns what it called copylab with, each of which the real command line takes
 */
async function callsOf(script: string, env: Record<string, string> = {}): Promise<string[][]> {
  await rm(at('calls'), { force: true })
  await execa('bash', ['-eo', 'pipefail', '-c', script], {
    cwd: directory,
    env: { PATH: `${at('bin')}:${process.env.PATH}`, CALLS: at('calls'), ...env },
  })
  const text = existsSync(at('calls')) ? await readFile(at('calls'), 'utf8') : ''
  const calls = text
    .split('\0\n')
    .filter(Boolean)
    .map((line) => line.split('\0'))
  for (const [program, ...words] of calls) {
    expect(program).toBe('copylab')
    await parseWords(words)
  }
  return calls.map(([, ...words]) => words)
}

async function parseWords(words: string[]): Promise<void> {
  let started = 0
  const start = async () => {
    started += 1
  }
  await commandLine(start).parseAsync(words, { from: 'user' })
  expect(started, `copylab ${words.join(' ')}`).toBe(1)
  for (const [index, word] of words.entries()) {
    if (word === '--cell') expect(cellNames).toContain(words[index + 1])
    if (word === '--format' && words[0] === 'report') parseFormat(words[index + 1] ?? '', word)
  }
}

const valuesOf = (words: string[], option: string) => words.filter((_, index) => words[index - 1] === option)

test('the check of the test itself refuses an option and a cell that are not there', async () => {
  const silent = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    await expect(callsOf('npx copylab run --sell 6.12')).rejects.toThrow("unknown option '--sell'")
    await expect(callsOf('npx copylab run --cell "6.12 x"')).rejects.toThrow()
  } finally {
    silent.mockRestore()
  }
})

interface Step {
  id?: string
  uses?: string
  run?: string
  with?: Record<string, string>
}
interface Job {
  name?: string
  needs?: string | string[]
  if?: string
  strategy?: { matrix: string }
  outputs?: Record<string, string>
  env?: Record<string, string>
  steps: Step[]
}

describe('.github/workflows/copylab.yml', async () => {
  const source = await readFile(join(projectRoot, '.github/workflows/copylab.yml'), 'utf8')
  const { jobs } = parse(source) as { jobs: Record<string, Job> }
  const needsOf = (job: Job) => [job.needs ?? []].flat()
  const step = (job: string, uses: string) =>
    jobs[job]?.steps.find((one) => one.uses?.startsWith(uses))?.with ?? {}
  const entries = {
    kernels: JSON.parse(github(firstOfEachKernel(cells), { shards: 1 })).include[0],
    cases: JSON.parse(github(cells, { shards: 2 })).include[0],
  }

  /** Puts values in for expressions; one that the test does not know is an error. */
  const evaluate = (name: string, text: string) =>
    text.replace(/\$\{\{ (.*?) \}\}/g, (all, expression: string) => {
      const entry = entries[name as keyof typeof entries]
      const field = /^matrix\.(\w+)$/.exec(expression)?.[1]
      if (field !== undefined && Object.hasOwn(entry ?? {}, field)) return entry[field]
      if (expression === 'github.run_id') return '42'
      throw new Error(`${name}: ${all}`)
    })
  const scriptCalls = async (name: string) => {
    const { steps, env = {} } = jobs[name] ?? { steps: [] }
    const values = Object.entries(env).map(([variable, value]) => [variable, evaluate(name, value)])
    const script = steps.map(({ run = '' }) => run).join('\n')
    expect(script).not.toContain('${{')
    return callsOf(script, { ...Object.fromEntries(values), GITHUB_OUTPUT: at('output') })
  }

  test('jobs need jobs that are there, and name actions by owner and version, and no host', () => {
    for (const [name, job] of Object.entries(jobs)) {
      for (const need of needsOf(job)) expect(Object.keys(jobs)).toContain(need)
      for (const [, need, output] of JSON.stringify(job).matchAll(/needs\.(\w+)\.outputs\.(\w+)/g)) {
        expect(needsOf(job)).toContain(need)
        expect(jobs[need ?? '']?.outputs, name).toHaveProperty(output ?? '')
      }
      for (const { uses } of job.steps) if (uses) expect(uses).toMatch(/^[\w-]+\/[\w-]+(\/[\w-]+)?@v\d+$/)
      if (job.name) expect(evaluate(name, job.name)).toContain(entries[name as keyof typeof entries].cell)
    }
    expect(source).not.toMatch(/:\/\/|\.(com|org|io|net)\b/)
  })

  test('the plan says, in two outputs, which kernels to build and which cases to run', async () => {
    const calls = await scriptCalls('plan')
    expect(calls).toEqual([
      ['matrix', '--format', 'github', '--kernels'],
      ['matrix', '--format', 'github', '--shards', '2'],
    ])
    const lines = (await readFile(at('output'), 'utf8')).trim().split('\n')
    const outputs = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)))
    for (const [name, expression] of Object.entries(jobs.plan?.outputs ?? {})) {
      expect(expression).toBe(`\${{ steps.plan.outputs.${name} }}`)
      expect(jobs[name]?.strategy?.matrix).toBe(`\${{ fromJSON(needs.plan.outputs.${name}) }}`)
    }
    expect(outputs).toEqual({
      kernels: '{copylab matrix --format github --kernels}',
      cases: '{copylab matrix --format github --shards 2}',
    })
    expect(jobs.plan?.steps.some(({ id }) => id === 'plan')).toBe(true)
  })

  test('a kernel is built once, exported by its key, and is what the cases import', async () => {
    const { cell } = entries.kernels
    const build = [
      ['build', '--cell', cell],
      ['cache', 'export', 'kernel.tar', key],
    ]
    expect(await scriptCalls('kernels')).toEqual(build)
    expect(await scriptCalls('kernels')).toEqual([['cache', 'import', 'kernel.tar'], ...build])
    const [saved, restored] = [step('kernels', 'actions/cache@'), step('cases', 'actions/cache/restore@')]
    expect(restored).toEqual({ key: saved.key, path: saved.path })
    expect(saved.path).toBe('kernel.tar')
    expect(evaluate('kernels', saved.key ?? '')).toBe(`kernel-${entries.kernels.kernel}-42`)
    expect(saved.key?.startsWith(saved['restore-keys'] ?? '?')).toBe(true)
    // Two kernels of which one name begins with the other's must not be taken for each other.
    expect(saved['restore-keys']).toMatch(/-$/)
  })

  test('cases are run in shards, and their results are merged', async () => {
    const { cell, shard, slug } = entries.cases
    expect(await scriptCalls('cases')).toEqual([
      ['run', '--cell', cell, '--shard', shard, '--results', step('cases', 'actions/upload-artifact@').path],
    ])
    const artifact = evaluate('cases', step('cases', 'actions/upload-artifact@').name ?? '')
    expect(artifact).toBe(`results-${slug}`)
    const { pattern = '', path = '' } = step('report', 'actions/download-artifact@')
    expect(artifact).toMatch(new RegExp(`^${pattern.replace('*', '.+')}$`))
    await mkdir(at(`${path}/${artifact}`), { recursive: true })
    const [report = []] = await scriptCalls('report')
    expect(report.slice(0, 3)).toEqual(['report', `${path}/${artifact}`, '--matrix'])
    const kept = step('report', 'actions/upload-artifact@').path?.trim().split('\n')
    const files = valuesOf(report, '--format').flatMap((format) => format.split('=').slice(1))
    expect(kept).toEqual([...valuesOf(report, '--output'), ...files])
  })

  test('names of artifacts have no characters that GitHub refuses', () => {
    for (const { slug } of JSON.parse(github(cells, { shards: 2 })).include)
      expect(slug).not.toMatch(/["<>|*?:\r\n\\/]/)
  })
})

interface GitlabJob {
  stage: string
  script: string[]
  needs?: { job: string; artifacts: boolean }[]
  dependencies?: string[]
  artifacts: { paths: string[]; reports?: { junit: string } }
  cache?: { key: string; paths: string[] }
}

describe('.gitlab-ci.yml', async () => {
  const source = await readFile(join(projectRoot, '.gitlab-ci.yml'), 'utf8')
  const parent = parse(source)
  const {
    default: defaults,
    stages,
    ...jobs
  } = parse(gitlab(cells, { shards: 2 })) as {
    default: { image: string }
    stages: string[]
    [job: string]: unknown
  }
  const child = jobs as Record<string, GitlabJob>
  const ofStage = (stage: string) => Object.entries(child).filter(([, job]) => job.stage === stage)

  test('the plan leaves the child pipeline that the next job starts', async () => {
    const { plan, cells: trigger } = parent
    expect(await callsOf(plan.script.join('\n'))).toEqual([['matrix', '--format', 'gitlab', '--shards', '2']])
    const [{ artifact, job }] = trigger.trigger.include
    expect(plan.artifacts.paths).toEqual([artifact])
    expect(await readFile(at(artifact), 'utf8')).toBe('{copylab matrix --format gitlab --shards 2}\n')
    expect(parent).toHaveProperty(job)
    expect(parent.stages).toEqual([plan.stage, trigger.stage])
    expect(plan.image).toBe(defaults.image)
    expect(source).not.toMatch(/:\/\/|\.(com|org|io|net)\b/)
  })

  test('the child pipeline has a job for each kernel and for each shard of each cell', () => {
    expect(ofStage('kernels')).toHaveLength(firstOfEachKernel(cells).length)
    expect(ofStage('cases')).toHaveLength(2 * cells.length)
    const asked = ofStage('cases').map(
      ([, { script }]) => /--cell (\S+) --shard/.exec(script.join('\n'))?.[1],
    )
    expect(new Set(asked)).toEqual(new Set(cellNames))
    for (const { stage } of Object.values(child)) expect(stages).toContain(stage)
    expect(stages).toEqual(['kernels', 'cases', 'report'])
  })

  test('a kernel is built once, exported by its key, and is what the cases import', async () => {
    for (const [, { needs = [] }] of ofStage('cases'))
      for (const { job } of needs) expect(child[job]?.stage).toBe('kernels')
    const [name, one] = ofStage('cases').find(([job]) => job.includes('qemu-10.0')) ?? ['', undefined]
    const kernel = one?.needs?.[0]?.job ?? ''
    // Another cell has the same.
    expect(name).not.toContain(`${kernel.slice('kernel '.length)} `)
    const { script = [], artifacts, cache } = child[kernel] ?? {}
    const build = [
      ['build', '--cell', kernel.slice('kernel '.length)],
      ['cache', 'export', 'kernel.tar', key],
    ]
    expect(await callsOf(script.join('\n'))).toEqual(build)
    expect(await callsOf(script.join('\n'))).toEqual([['cache', 'import', 'kernel.tar'], ...build])
    expect([artifacts?.paths, cache?.paths]).toEqual([['kernel.tar'], ['kernel.tar']])
    expect(cache?.key).not.toContain('/')
  })

  test('each shard has results of its own, which the last job merges', async () => {
    const results = new Set<string>()
    for (const [name, { script, artifacts }] of ofStage('cases')) {
      const [directory = ''] = /--results \S+$/.exec(script.at(-1) ?? '') ?? []
      results.add(directory)
      expect(directory).toContain(`--results ${artifacts.paths[0]}`)
      expect(child.report?.dependencies).toContain(name)
    }
    expect(results.size).toBe(2 * cells.length)
    const [first] = ofStage('cases')
    const [, run = []] = await callsOf((first?.[1].script ?? []).join('\n'))
    expect(run.slice(0, 5)).toEqual(['run', '--cell', cellNames[0], '--shard', '1/2'])

    const [own = ''] = valuesOf(run, '--results')
    await mkdir(at(own), { recursive: true })
    const [report = []] = await callsOf((child.report?.script ?? []).join('\n'))
    expect(report.slice(0, 3)).toEqual(['report', own, '--matrix'])
    const kept = child.report?.artifacts.paths.map((path) => basename(path))
    const files = valuesOf(report, '--format').flatMap((format) => format.split('=').slice(1))
    expect(kept).toEqual([...valuesOf(report, '--output'), ...files])
    expect(files).toContain(child.report?.artifacts.reports?.junit)
  })
})
