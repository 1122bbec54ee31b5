import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { Failure } from '../failure.ts'

/** A case as it is declared in tests/<group>/*.test.ts. */
export interface CaseInfo {
  /** `nvme/003` */
  id: string
  group: string
  description: string
  /** The kinds of path that must be offloaded for the case to make sense. */
  offloads: string[]
  /** What else it needs, the calls that it makes among it. */
  needs: string[]
  /** Absolute path. */
  file: string
}

/** `kernelCase('id', 'description', { offloads: '…', needs: ['…'] }, …` over one line or several, as the formatter leaves it. */
const declaration = /^kernelCase\(\s*'([^']*)',\s*'((?:[^'\\]|\\.)*)',\s*\{([^}]*)\}/gm

/**
 * All cases below `directory`, in the order of their ids. They are read out of the source, since running it takes
 * vitest, and a second; that each of them then reports a verdict is checked when they run.
 */
export async function findCases(directory: string): Promise<CaseInfo[]> {
  const names = await readdir(directory, { recursive: true })
  const files = names.filter((name) => /^[^/]+\/[^/]+\.test\.ts$/.test(name) && !name.startsWith('unit/'))
  const cases = (await Promise.all(files.map((name) => casesOf(join(directory, name), directory)))).flat()
  cases.sort((a, b) => (a.id < b.id ? -1 : 1))
  for (const [index, { id, file }] of cases.entries()) {
    const before = cases[index - 1]
    if (before?.id === id)
      throw new Failure('usage', `${file}: case ${id} is also declared in ${before.file}`)
  }
  return cases
}

async function casesOf(file: string, directory: string): Promise<CaseInfo[]> {
  const source = await readFile(file, 'utf8')
  const found = [...source.matchAll(declaration)]
  const calls = source.match(/^\s*kernelCase\(/gm)?.length ?? 0
  if (found.length !== calls) {
    throw new Failure(
      'usage',
      `${file}: ${calls - found.length} of ${calls} calls of kernelCase cannot be read`,
      {
        remedy:
          "write id and description as literals in single quotes, then the options' literal, at the left margin",
      },
    )
  }
  return found.map(([, id = '', description = '', options = '']) => {
    const group = relative(directory, file).split('/')[0] ?? ''
    if (!/^[a-z]+\/\d{3}$/.test(id) || !id.startsWith(`${group}/`)) {
      throw new Failure('usage', `${file}: case '${id}' must be named ${group}/NNN, after its folder`)
    }
    return {
      id,
      group,
      description: description.replace(/\\(.)/g, '$1'),
      file,
      ...requirementsOf(options, file, id),
    }
  })
}

/** `key: 'word'` or `key: ['word', 'word']` */
const option = /(\w+): (?:'([^']*)'|\[((?:\s*'[^']*',?)*)\s*\]),?/g

function requirementsOf(options: string, file: string, id: string): Pick<CaseInfo, 'offloads' | 'needs'> {
  const found = { offloads: [] as string[], needs: [] as string[] }
  const rest = options.replace(option, (all, key: string, word?: string, list = '') => {
    if (key !== 'offloads' && key !== 'needs') return all
    found[key] = word === undefined ? [...list.matchAll(/'([^']*)'/g)].map((match) => match[1] ?? '') : [word]
    return ''
  })
  if (!rest.trim()) return found
  throw new Failure('usage', `${file}: the options of case ${id} cannot be read: ${rest.trim()}`, {
    remedy: "write offloads and needs as literals: offloads: 'scsi', needs: ['BLKCOPYV']",
  })
}
