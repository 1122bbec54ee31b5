import { expect, test, vi } from 'vitest'
import { versionCandidates } from '../../../../../harness/bisect/space/versions.ts'
import { loadConfig, projectRoot } from '../../../../../harness/config/load.ts'
import * as download from '../../../../../harness/debian/download.ts'

const archive: Record<string, string[]> = {
  'linux-source-6.1': ['6.1.190-1', '6.1.192-1'],
  'linux-source-6.12': ['6.12.117-1~deb12u1', '6.12.9-1~bpo12+1'],
  'linux-source-7.2': ['7.2.12-1~bpo13+1'],
  // Both suites have one of them.
  'linux-source-7.3': ['7.3~rc6-1~exp1', '7.3.4-1~bpo13+1', '7.2.12-1~bpo13+1'],
}

async function candidates(before: string, after: string) {
  vi.spyOn(download, 'availableVersions').mockImplementation(async ({ debian }) => archive[debian] ?? [])
  const config = await loadConfig(projectRoot, { tree: '6.12=linux-source-6.12=6.12.117-1~deb12u1' })
  const signal = new AbortController().signal
  return versionCandidates({ config, series: null, before, after, cache: '/none', signal, emit: () => {} })
}

const ids = async (before: string, after: string) => (await candidates(before, after)).map(({ id }) => id)

test('versions lie in the order of Debian, where ~ comes before everything, and each is there once', async () => {
  expect(await ids('6.1.190-1', '7.3')).toEqual([
    ...['6.1.190-1', '6.1.192-1', '6.12.9-1~bpo12+1', '6.12.117-1~deb12u1'],
    ...['7.2.12-1~bpo13+1', '7.3~rc6-1~exp1', '7.3.4-1~bpo13+1'],
  ])
})

test('an end is a version, one without its Debian revision, or the newest of a tree', async () => {
  expect(await ids('6.12.117', '7.2')).toEqual(['6.12.117-1~deb12u1', '7.2.12-1~bpo13+1'])
})

test('from the newer to the older, for what has been mended since', async () => {
  expect(await ids('7.2', '6.12')).toEqual(['7.2.12-1~bpo13+1', '6.12.117-1~deb12u1'])
})

test('each is built from its own package and version', async () => {
  const [, second] = await candidates('6.1.190', '6.12.9')
  expect(second).toMatchObject({ title: 'linux-source-6.1 6.1.192-1' })
  expect((await second?.cell())?.tree).toMatchObject({ debian: 'linux-source-6.1=6.1.192-1' })
})

test('an end that the archive does not have is refused with those that it has', async () => {
  await expect(ids('6.12', '8.0')).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/^the end 8\.0: there is no such version; the archive has 6\.1\.190-1, /),
  })
})
