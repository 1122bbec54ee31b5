import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { downloadPackage } from '../../../../harness/debian/download.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
const options = () => ({ directory: join(directory, 'd'), aptState: join(directory, 'apt'), step: 'fetch' })

/** @param script what apt-get does; `$*` are its words */
async function aptGet(script: string): Promise<void> {
  const path = join(directory, 'bin/apt-get')
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-unit-'))
  for (const name of ['bin', 'd']) await mkdir(join(directory, name))
  vi.stubEnv('PATH', [join(directory, 'bin'), process.env.PATH].join(delimiter))
  vi.stubEnv('XDG_CACHE_HOME', directory)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

const own = { debian: 'linux-source-6.13' }
const pinned = { debian: 'linux-source-6.12=6.12.9-1', suite: 'trixie-backports' }
const unknown = 'E: Unable to locate package linux-source-6.13'

test.each([
  [
    own,
    unknown,
    "look whether linux-source-6.13 is in this machine's apt sources; copylab.yaml can name a suite for it",
  ],
  [
    pinned,
    "E: Version '6.12.9-1' for 'linux-source-6.12' was not found",
    'version 6.12.9-1 may have left trixie-backports: name another in copylab.yaml, or none',
  ],
  [
    { debian: 'linux-source-6.13', suite: 'trixie' },
    unknown,
    'look whether linux-source-6.13 is in trixie; copylab.yaml can name another suite for it',
  ],
  [
    own,
    "E: Failed to fetch x.deb  Temporary failure resolving 'mirror'",
    "check that apt's mirror can be reached, by its proxy if it has one",
  ],
  [
    own,
    "E: You don't have enough free space in /x/archives/.",
    'make room on the disk, or set XDG_CACHE_HOME to a larger one',
  ],
  [own, 'E: Something else', 'the command, run by hand, shows all that apt says'],
])('the remedy is for what apt says: %j, %s', async (source, words, remedy) => {
  await aptGet(`case "$*" in
    *indextargets*) echo 'mirror http://mine/debian/ Debian Debian';;
    *update) ;;
    *) cat >&2 <<'WORDS'
${words}
WORDS
      exit 100;;
  esac`)
  const error = await downloadPackage(source, options()).catch((failure) => failure)
  expect(error).toMatchObject({ kind: 'infra', remedy, command: expect.stringContaining('download') })
  expect(error.message).toContain(words)
})

test('lists that could not be read are named beside what is not in them', async () => {
  await aptGet(`case "$*" in
    *update) echo 'W: Failed to fetch http://mine/' >&2;;
    *) echo '${unknown}' >&2; exit 100;;
  esac`)
  const error = await downloadPackage(own, options()).catch((failure) => failure)
  expect(error.remedy).toMatch(/^check that apt's mirror .*; look whether/)
})

test('what is no package is a Failure that names the file and the command', async () => {
  await aptGet('echo no package > linux-source-6.13_1_all.deb')
  await expect(downloadPackage(own, options())).rejects.toMatchObject({
    kind: 'infra',
    message: expect.stringContaining(join(directory, 'd/package.deb')),
    command: expect.stringContaining('dpkg-deb'),
  })
})
