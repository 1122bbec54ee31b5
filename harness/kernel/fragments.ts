import { Failure } from '../failure.ts'
import { readInput } from '../input.ts'

/** One requested option: `CONFIG_X=y` has the value `y`, `# CONFIG_X is not set` has `n`. */
export interface Request {
  /** Without `CONFIG_`. */
  name: string
  /** `y`, `m`, `n`, a number or a quoted string, as .config has it. */
  value: string
  /** `file:line` that asks for it. */
  where: string
  /** It is asked for only where the tree has such an option: the line ends in `# if the tree has it`. */
  optional?: boolean
}

/** What a line of a fragment ends in to ask for an option that only some trees have. */
const optionalMark = /\s+# if the tree has it$/

/** What other tools take for an include; as a comment it would be passed over in silence. */
const includes = /^\s*(#\s*include\s+["<]|(-?include|source)\s)/

/** The options of one .config or fragment, in order. */
export function parseConfig(file: string, text: string): Request[] {
  const requests: Request[] = []
  for (const [index, whole] of text.split('\n').entries()) {
    const where = `${file}:${index + 1}`
    const line = whole.replace(optionalMark, '')
    const optional = line === whole ? {} : { optional: true }
    const unset = /^# CONFIG_(\w+) is not set\s*$/.exec(line)
    const set = /^CONFIG_(\w+)=(\S.*?)\s*$/.exec(line)
    if (unset?.[1]) requests.push({ name: unset[1], value: 'n', where })
    else if (set?.[1] && set[2]) requests.push({ name: set[1], value: set[2], where, ...optional })
    else if (includes.test(line)) {
      throw new Failure('usage', `${where}: a fragment cannot include another: ${line.trim()}`, {
        remedy: 'name both, in kconfig: of copylab.yaml or with --kconfig',
      })
    } else if (line.trim() && !line.startsWith('#')) {
      const problem = `${where}: expected CONFIG_X=value or # CONFIG_X is not set, not ${line.trim()}`
      throw new Failure('usage', problem, { remedy: 'mend the line, or make it a comment with #' })
    }
  }
  return requests
}

/**
 * Reads fragments and merges them.
 * @returns one request an option, sorted by name, so that order and comments change nothing downstream.
 * @throws Failure('usage') for a fragment that is not there, a line that says nothing, or two that contradict.
 */
export async function readFragments(files: string[]): Promise<Request[]> {
  const merged = new Map<string, Request>()
  for (const file of files) {
    for (const request of parseConfig(file, await readFragment(file))) {
      const other = merged.get(request.name)
      if (other && other.value !== request.value) {
        throw new Failure(
          'usage',
          `CONFIG_${request.name} is wanted ${request.value} by ${request.where}, ${other.value} by ${other.where}`,
          { remedy: 'leave one of the two fragments out, or move the option to a fragment of its own' },
        )
      }
      // One that must be there outweighs one that may be missing.
      merged.set(request.name, other && !other.optional ? other : request)
    }
  }
  return [...merged.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The line that .config has for a request. */
export function configLine({ name, value }: Pick<Request, 'name' | 'value'>): string {
  return value === 'n' ? `# CONFIG_${name} is not set` : `CONFIG_${name}=${value}`
}

async function readFragment(file: string): Promise<string> {
  const content = await readInput(file)
  if (content) return content.toString()
  throw new Failure('usage', `there is no kconfig fragment ${file}`, {
    remedy:
      'copylab.yaml and --kconfig take sets of copylab.yaml, names of files in kconfigs/ without .config, or paths',
  })
}
