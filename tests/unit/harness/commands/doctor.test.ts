import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { recipe } from '../../../../harness/qemu/provide.ts'

// It starts real programs, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

const version = '7.3.4-1~bpo13+1'
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-doctor-'))
  await mkdir(join(directory, 'bin'))
  // Debian's archive has the suite `good`, and its linux-source-7.3; QEMU of it has an epoch.
  const apt = `#!/bin/sh
    case "$*" in
      *indextargets*) echo 'mirror http://mine/debian/ Debian Debian';;
      *Default-Release=bad*) echo 'E: no Release file' >&2; exit 100;;
      *update) ;;
      *--print-uris*source*) echo "'http://x/l.deb' linux-source-7.3_${version}_all.deb 1 SHA256:0";;
      *--print-uris*qemu*) echo "'http://x/q.deb' qemu-system-x86_1%3a10.0.2_amd64.deb 1 SHA256:0";;
    esac\n`
  await writeFile(join(directory, 'bin/apt-get'), apt)
  await chmod(join(directory, 'bin/apt-get'), 0o755)
})
afterEach(() => rm(directory, { recursive: true }))

async function doctor(configuration: string): Promise<{ lines: string[]; exitCode: number | undefined }> {
  await writeFile(join(directory, 'copylab.yaml'), `${configuration}kconfig: [boot]\n`)
  const cli = fileURLToPath(new URL('../../../../harness/main.ts', import.meta.url))
  const { stdout, exitCode } = await execa(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), cli, 'doctor'],
    {
      cwd: directory,
      env: { XDG_CACHE_HOME: directory, PATH: [join(directory, 'bin'), process.env.PATH].join(delimiter) },
      reject: false,
    },
  )
  return { lines: stdout.split('\n').map((line) => line.replace(/ +/g, ' ')), exitCode }
}

test('what was not fetched is looked up, and said how to get', async () => {
  const { lines } = await doctor(`trees: { "7.3": { debian: linux-source-7.3, suite: good } }
qemus: { "10.0": { debian: qemu-system-x86, suite: good } }
tree: "7.3"
machine: { qemu: "10.0" }
`)
  expect(lines).toContain(
    `ok tree 7.3 linux-source-7.3@good ${version}, fetched by the first run with --tree 7.3`,
  )
  expect(lines).toContain(
    'ok QEMU 10.0 qemu-system-x86@good 1:10.0.2, fetched by the first run with --qemu 10.0',
  )
})

test('what was fetched is not looked up', async () => {
  const tree = join(directory, 'copylab/trees/linux-source-7.3@bad')
  const qemu = join(directory, 'copylab/qemu/qemu-system-x86@bad')
  for (const place of [tree, qemu]) await mkdir(place, { recursive: true })
  await writeFile(join(tree, 'ready.json'), JSON.stringify({ id: 'i', version: '7.3.9-1', base: 'b' }))
  await writeFile(join(qemu, 'ready.json'), JSON.stringify({ recipe, version: '1:10.0.9' }))
  const { lines } = await doctor(`trees: { "7.3": { debian: linux-source-7.3, suite: bad } }
qemus: { "10.0": { debian: qemu-system-x86, suite: bad } }
tree: "7.3"
`)
  expect(lines).toContain('ok tree 7.3 linux-source-7.3@bad 7.3.9-1')
  expect(lines).toContain('ok QEMU 10.0 qemu-system-x86@bad 1:10.0.9')
})

test('what cannot be had is missing when it was chosen, else absent; either way with the remedy', async () => {
  const { lines, exitCode } = await doctor(`trees: { "7.3": { debian: linux-source-7.3, suite: bad } }
qemus: { "10.0": { debian: qemu-system-x86, suite: bad } }
tree: "7.3"
`)
  expect(exitCode).toBe(3)
  expect(lines).toContain("MISSING tree 7.3 cannot read Debian's suite bad: E: no Release file")
  expect(lines).toContain("absent QEMU 10.0 cannot read Debian's suite bad: E: no Release file")
  expect(lines.filter((line) => /^ remedy: .*the suite bad of copylab.yaml$/.test(line))).toHaveLength(2)
})
