import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { aptGet } from '../../../../harness/debian/apt.ts'

// It starts a real apt-get, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 })

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-unit-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true })
})

test('hooks of the machine do not run, and its other settings hold', async () => {
  const ran = join(directory, 'ran')
  const hooks = [
    ...['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success'],
    ...['APT::Update::Post-Invoke-Stats', 'APT::Install::Pre-Invoke', 'APT::Install::Post-Invoke-Success'],
    ...['DPkg::Pre-Invoke', 'DPkg::Post-Invoke', 'DPkg::Pre-Install-Pkgs', 'AptCli::Hooks::Install'],
  ]
  const lines = hooks.map((hook) => `${hook} { "echo ${hook} >> ${ran}"; };\n`)
  const settings = join(directory, 'apt.conf')
  await writeFile(settings, `${lines.join('')}Copylab::Test "holds";\n`)
  vi.stubEnv('APT_CONFIG', settings)
  await mkdir(join(directory, 'lists/partial'), { recursive: true })
  await mkdir(join(directory, 'cache/archives/partial'), { recursive: true })
  await writeFile(join(directory, 'sources.list'), '')
  const own = [
    ...[`Dir::State::Lists=${join(directory, 'lists')}`, `Dir::Cache=${join(directory, 'cache')}`],
    ...[`Dir::Etc::SourceList=${join(directory, 'sources.list')}`, 'Dir::Etc::SourceParts=/dev/null'],
  ]
  const words = own.flatMap((value) => ['-o', value])
  await execa('apt-get', [...words, 'update'])
  expect(await readFile(ran, 'utf8')).toContain('APT::Update::Post-Invoke')
  await rm(ran)

  expect(await aptGet(['update'], own, { directory })).toMatchObject({ exitCode: 0 })
  await expect(readFile(ran, 'utf8')).rejects.toThrow('ENOENT')
  // What apt-get is told, apt-config shows.
  const { escapedCommand } = await aptGet(['check'], own, { directory })
  const file = /--config-file=([^\s']+)/.exec(escapedCommand)?.[1] ?? ''
  const { stdout } = await execa('apt-config', ['-c', file, 'dump'])
  expect(stdout).toContain('Copylab::Test "holds";')
  expect(stdout).not.toContain(ran)
})
