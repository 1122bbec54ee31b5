import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { configLine, parseConfig, type Request } from './fragments.ts'
import { type Definitions, explainOption, readKconfig } from './kconfig-files.ts'

/** kconfig has not kept an option that was asked for. */
export class OptionDropped extends Failure {}

/** What `make tinyconfig` merges over allnoconfig, where the tree has it. */
const tinyFragments = [
  'kernel/configs/tiny-base.config',
  'kernel/configs/tiny.config',
  'arch/x86/configs/tiny.config',
]

/**
 * Writes `.config` in the build directory: tinyconfig with the requests in it, and checks that every one was kept,
 * save those that are asked for only if the tree has them and that it has not.
 *
 * tinyconfig and the fragments are given to allnoconfig at once. Merging the fragments afterwards, and leaving the
 * rest to olddefconfig, would switch on whatever becomes visible and defaults to y: a fifth more objects.
 * @param make runs make with targets and variables in the build directory.
 */
export async function configure(
  source: string,
  build: string,
  requests: Request[],
  make: (...args: string[]) => Promise<void>,
): Promise<void> {
  const wanted = new Map<string, Request>()
  for (const file of tinyFragments) {
    const text = await readFile(join(source, file), 'utf8').catch(() => '')
    for (const request of parseConfig(file, text)) wanted.set(request.name, request)
  }
  for (const request of requests) {
    // Of the options of one choice the last that is y wins: a request comes after what it overrides.
    wanted.delete(request.name)
    wanted.set(request.name, request)
  }
  const allconfig = join(build, 'copylab.config')
  await writeFile(allconfig, `${[...wanted.values()].map(configLine).join('\n')}\n`)
  await make('allnoconfig', `KCONFIG_ALLCONFIG=${allconfig}`)
  const final = join(build, '.config')
  const dropped = droppedRequests(requests, await readFile(final, 'utf8'))
  if (dropped.length === 0) return
  const options = await readKconfig(source, { SRCARCH: 'x86', HEADER_ARCH: 'x86' })
  const wrong = dropped.filter(({ name, optional }) => !optional || options.has(name))
  if (wrong.length > 0) throw await droppedFailure(options, final, wrong)
}

/** The requests that a final .config does not hold. */
export function droppedRequests(requests: Request[], config: string): Request[] {
  const values = configValues(config)
  return requests.filter(({ name, value }) => (values.get(name) ?? 'n') !== value)
}

function configValues(config: string): Map<string, string> {
  return new Map(parseConfig('.config', config).map(({ name, value }) => [name, value]))
}

async function droppedFailure(
  options: Definitions,
  final: string,
  dropped: Request[],
): Promise<OptionDropped> {
  const values = configValues(await readFile(final, 'utf8'))
  const reasons = dropped.flatMap((request) => [
    `${request.where}: CONFIG_${request.name} is wanted ${request.value}, but kconfig made it ${values.get(request.name) ?? 'n'}`,
    ...explainOption(request.name, request.value, options, values).map((line) => `    ${line}`),
  ])
  return new OptionDropped('usage', reasons.join('\n'), {
    log: final,
    remedy: 'add what is missing to a fragment, or take the line out',
  })
}
