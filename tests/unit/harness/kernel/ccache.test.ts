import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readCcacheLog, showCcache, statsVariable } from '../../../../harness/kernel/ccache.ts'
import { buildEnvironment } from '../../../../harness/kernel/toolchain.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 })

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-ccache-'))
})
afterEach(() => rm(directory, { recursive: true }))

const hasCcache = spawnSync('ccache', ['--version']).status === 0

test.skipIf(!hasCcache)('what ccache did in one build is counted, and in no other', async () => {
  const compile = async (log: string, ...names: string[]) => {
    for (const name of names) {
      await writeFile(join(directory, `${name}.c`), `int ${name};\n`)
      const env = {
        ...buildEnvironment(directory),
        CCACHE_DIR: join(directory, 'cache'),
        [statsVariable]: log,
      }
      await execa('ccache', ['gcc', '-c', `${name}.c`], { cwd: directory, env, extendEnv: false })
    }
    return readCcacheLog(log)
  }
  expect(await compile(join(directory, '1'), 'a', 'b')).toEqual({ hits: 0, misses: 2 })
  expect(await compile(join(directory, '2'), 'a', 'b', 'c')).toEqual({ hits: 2, misses: 1 })
})

test('where ccache is not there, or does not say, nothing is said', async () => {
  expect(await readCcacheLog(join(directory, 'none'))).toBeNull()
})

test('the share is rounded down: all is said only of all', () => {
  expect(showCcache({ hits: 1999, misses: 1 })).toBe('ccache: 1999 of 2000 objects (99 %)')
})
