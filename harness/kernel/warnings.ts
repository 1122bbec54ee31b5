/**
 * What the compiler warns of in a whole kernel. make says nothing of what is up to date, so that each build takes notes beside
 * the objects, and a kernel has the warnings of its own build and of those that it builds upon.
 */
import { existsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { readOutput, withoutLine } from '../check/output.ts'

/** By object, of those that have any; absent where objects were compiled before anybody took notes. */
const notes = (directory: string) => join(directory, 'copylab-warnings.json')

/** Begins to take notes in a build directory that has no objects yet. */
export async function beginNotes(directory: string): Promise<void> {
  if (!existsSync(join(directory, '.config'))) await writeFile(notes(directory), '{}')
}

/** Whether the notes tell of every object. */
export function hasNotes(directory: string): boolean {
  return existsSync(notes(directory))
}

/**
 * Takes notes of a build, also of one that failed or was cut short. Doing so twice does no harm.
 * @param log make's output, grouped by recipe (`--output-sync=target`)
 * @param source the tree's root
 */
export async function takeNotes(directory: string, log: string, source: string): Promise<void> {
  if (!hasNotes(directory)) return
  const text = await readFile(log, 'utf8').catch(() => '')
  if (!text) return
  const known = await readNotes(directory)
  const { warnings } = readOutput(text.split('\n'), source, directory)
  for (const [object, found] of warnings) {
    if (found.length) known[object] = found
    else delete known[object]
  }
  await writeFile(notes(directory), JSON.stringify(known))
}

/**
 * The warnings of the kernel that was built last, without line numbers and sorted; each as often as in the one object that
 * has most of it, since those in headers come with every object.
 * @returns null: they are not known
 */
export async function notedWarnings(directory: string, source: string): Promise<string[] | null> {
  if (!hasNotes(directory)) return null
  const most = new Map<string, number>()
  const linked = await linkedObjects(directory)
  for (const [object, found] of Object.entries(await readNotes(directory))) {
    // Fewer patches or another configuration leave objects that are no part of the kernel. Below arch/ are some that
    // become a part of it without the linker.
    if (linked && !linked.has(object) && !object.startsWith('arch/')) continue
    const name = join(source, object.replace(/\.o$/, ''))
    if (!['.c', '.S', '.rs'].some((suffix) => existsSync(name + suffix))) continue
    const here = new Map<string, number>()
    for (const text of found.map(withoutLine)) here.set(text, (here.get(text) ?? 0) + 1)
    for (const [text, times] of here) most.set(text, Math.max(times, most.get(text) ?? 0))
  }
  return [...most].flatMap(([text, times]) => new Array<string>(times).fill(text)).sort()
}

/** Empties a build directory that has objects without notes; ccache has most of them. */
export async function startOver(directory: string): Promise<void> {
  if (!hasNotes(directory)) await rm(directory, { recursive: true, force: true })
}

/** Writes them into the facts of a kernel that was built without notes. @param meta path */
export async function addWarnings(meta: string, warnings: string[] | null): Promise<void> {
  const facts = { ...JSON.parse(await readFile(meta, 'utf8')), warnings }
  const temporary = `${meta}.${process.pid}`
  await writeFile(temporary, `${JSON.stringify(facts, null, 2)}\n`)
  await rename(temporary, meta)
}

/** undefined: the tree is older than 6.1 and makes no such archive */
async function linkedObjects(directory: string): Promise<Set<string> | undefined> {
  if (!existsSync(join(directory, 'vmlinux.a'))) return undefined
  const { stdout } = await execa('ar', ['t', 'vmlinux.a'], { cwd: directory, maxBuffer: 64 << 20 })
  return new Set(stdout.split('\n'))
}

async function readNotes(directory: string): Promise<Record<string, string[]>> {
  return JSON.parse(await readFile(notes(directory), 'utf8'))
}
