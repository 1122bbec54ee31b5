import { createHash } from 'node:crypto'
import { access, constants, mkdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, delimiter, dirname, join } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../harness/failure.ts'

const flags = ['-static', '-O2', '-Wall', '-Wextra', '-std=gnu11']

/**
 * Compiles one C file to a static program for the guest and returns its path in `cacheDir`, which is created. The
 * name is made of the source with its own headers, the compiler and the flags, so an unchanged source costs two stats
 * and a few reads. Throws an infra Failure with the compiler's first error.
 */
export async function compileStatic(source: string, cacheDir: string): Promise<string> {
  const gcc = await findProgram('gcc')
  if (!gcc) {
    throw new Failure('infra', `cannot compile ${source}: there is no gcc`, {
      remedy: 'install gcc and libc6-dev',
    })
  }
  const real = await realpath(gcc)
  const { size, mtimeMs } = await stat(real)
  const key = createHash('sha256')
    .update(JSON.stringify([real, size, mtimeMs, flags]))
    .update(JSON.stringify(await textsOf(source)))
    .digest('hex')
  const program = join(cacheDir, `${basename(source, '.c')}-${key.slice(0, 20)}`)
  if (await exists(program)) return program

  await mkdir(cacheDir, { recursive: true, mode: 0o700 })
  const temporary = `${program}.${process.pid}.tmp`
  const argv = [...flags, '-o', temporary, source]
  const result = await execa(gcc, argv, { reject: false, all: true, env: { LC_ALL: 'C' } })
  if (result.failed) {
    await rm(temporary, { force: true })
    const lines = result.all?.split('\n') ?? []
    const first =
      lines.find((line) => /error:|cannot find|undefined reference/.test(line)) ?? result.message ?? ''
    throw new Failure('infra', `cannot compile ${source}: ${first.trim()}`, {
      command: [gcc, ...flags, '-o', '/dev/null', source].join(' '),
      ...(first.includes('cannot find -l') && {
        remedy: 'install libc6-dev, which has the static C library',
      }),
    })
  }
  await rename(temporary, program)
  return program
}

/**
 * A source and all that it includes in quotes, as their directories have them. Null stands for what cannot be read: the
 * compiler may find it elsewhere, and if not, says where it is asked for.
 */
async function textsOf(source: string, seen = new Set<string>()): Promise<(string | null)[]> {
  if (seen.has(source)) return []
  seen.add(source)
  const text = await readFile(source, 'utf8').catch(() => null)
  if (text === null) return [null]
  const texts: (string | null)[] = [text]
  for (const [, name = ''] of text.matchAll(/^#include "([^"]+)"/gm)) {
    texts.push(...(await textsOf(join(dirname(source), name), seen)))
  }
  return texts
}

/** The path of a program as a shell would find it; sbin is searched too, where the block tools are. */
export async function findProgram(name: string): Promise<string | undefined> {
  const path = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  const candidates = name.includes('/') ? [name] : path.filter(Boolean).map((folder) => join(folder, name))
  for (const candidate of candidates) {
    if (await exists(candidate, constants.X_OK)) return candidate
  }
  return undefined
}

async function exists(path: string, mode = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
