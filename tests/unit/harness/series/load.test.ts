import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { driftNote, loadSeries, patchesOf, seriesFacts } from '../../../../harness/series/load.ts'

let directory: string
const mail = (subject: string) =>
  `From: A <a@example.org>\nSubject: ${subject}\n\n---\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n`
const profile = `name: mine
abi: { BLKCOPY: true }
sysfs: { limit: copy_max_bytes, hardwareLimit: copy_max_hw_bytes }
offloads:
  nvme-same-namespace: true
  dm-crypt: false
madeFor: { "6.12": 6.12.9-1 }
`

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'copylab-series-'))
  await mkdir(join(directory, '6.12'))
  await writeFile(join(directory, '6.12/0001-a.patch'), mail('[PATCH v2 1/2] block: add\n a copy'))
  await writeFile(join(directory, '6.12/0002-b.patch'), mail('nvme: "grün"'))
  await writeFile(join(directory, '6.12/series'), '# first\n0001-a.patch\n\n0002-b.patch # second\n')
  await writeFile(join(directory, 'profile.yaml'), profile)
})
afterEach(() => rm(directory, { recursive: true }))

test('a series has its patches in order, their subjects, and its profile', async () => {
  const series = await loadSeries(directory, '6.12')
  expect(series.name).toBe('mine')
  expect(series.patches).toEqual([
    { path: join(directory, '6.12/0001-a.patch'), subject: 'block: add a copy' },
    { path: join(directory, '6.12/0002-b.patch'), subject: 'nvme: "grün"' },
  ])
  expect(series.profile?.lacks).not.toHaveProperty('nvme-same-namespace')
  expect(series.profile?.lacks).toHaveProperty('scsi')
  expect(driftNote(series, { label: '6.12', version: '6.12.9-1' })).toBeUndefined()
  expect(driftNote(series, { label: '6.12', version: '6.12.10-1' })).toMatch(/6\.12\.9-1.*6\.12\.10-1/)
})

test('the hash follows content and order, not names and comments', async () => {
  const { hash } = await loadSeries(directory, '6.12')
  await rename(join(directory, '6.12/0001-a.patch'), join(directory, '6.12/x'))
  await writeFile(join(directory, '6.12/series'), 'x\n0002-b.patch')
  expect((await loadSeries(directory, '6.12')).hash).toBe(hash)
  await writeFile(join(directory, '6.12/series'), '0002-b.patch\nx')
  expect((await loadSeries(directory, '6.12')).hash).not.toBe(hash)
})

test('cut off, a series has its first patches and what they bring', async () => {
  await writeFile(join(directory, 'profile.yaml'), profile.replace('dm-crypt: false', 'dm-crypt: b'))
  const whole = await loadSeries(directory, '6.12')
  const cut = await loadSeries(directory, '6.12', { applied: 1 })
  expect(cut.patches.map(({ subject }) => subject)).toEqual(['block: add a copy'])
  expect([cut.total, whole.total]).toEqual([2, 2])
  expect(whole.profile?.lacks).not.toHaveProperty('dm-crypt')
  expect(cut.profile?.lacks).toHaveProperty('dm-crypt')
  expect(patchesOf(seriesFacts(cut))).toBe('1 of 2 patches')
  expect(patchesOf(seriesFacts(whole))).toBe('2 patches')

  // The kernel is that of the series that ends there.
  await writeFile(join(directory, '6.12/series'), '0001-a.patch\n')
  await writeFile(join(directory, 'profile.yaml'), profile)
  expect((await loadSeries(directory, '6.12')).hash).toBe(cut.hash)
  expect((await loadSeries(directory, '6.12', { applied: 0 })).patches).toEqual([])
  await expect(loadSeries(directory, '6.12', { applied: 2 })).rejects.toThrow(
    `--patches 2: more than the 1 of ${directory}`,
  )
})

test('a profile may name patches that another folder has, and no others', async () => {
  await mkdir(join(directory, '7.3'))
  await writeFile(join(directory, '7.3/0001-c.patch'), mail('c'))
  await writeFile(join(directory, '7.3/series'), '0001-c.patch\n')
  await writeFile(join(directory, 'profile.yaml'), profile.replace('dm-crypt: false', 'dm-crypt: c'))
  const { profile: resolved } = await loadSeries(directory, '6.12')
  expect(resolved?.lacks['dm-crypt']).toBe("the series 'mine' for 6.12 does not offload dm-crypt")
  await writeFile(
    join(directory, 'profile.yaml'),
    profile.replace('dm-crypt: false', 'dm-crypt: 0001-c.patch'),
  )
  await expect(loadSeries(directory, '6.12')).rejects.toThrow(
    `${join(directory, 'profile.yaml')}:6: offloads.dm-crypt: no folder of the series has a patch '0001-c.patch'`,
  )
})

test('a directory with a series file of its own serves every tree, and needs no profile', async () => {
  const series = await loadSeries(join(directory, '6.12'), '7.2')
  expect(series).toMatchObject({ name: '6.12', profile: null })
})

describe('refused, with the line', () => {
  test.each([
    ['a path upwards', '../profile.yaml', 'lies outside'],
    ['an absolute path', '/etc/passwd', 'lies outside'],
    ['a link out', 'link', 'symbolic link'],
    ['a patch that is not there', '0003-c.patch', 'no patch'],
    ['two mails in one file', 'two', '2 mails'],
    ['no mail', 'diff', 'no patch mail'],
  ])('%s', async (_what, name, words) => {
    await symlink('/etc/passwd', join(directory, '6.12/link'))
    const from = `From ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001\n${mail('x')}`
    await writeFile(join(directory, '6.12/two'), from + from)
    await writeFile(join(directory, '6.12/diff'), '--- a/x\n+++ b/x\n')
    await writeFile(join(directory, '6.12/series'), `0001-a.patch\n${name}\n`)
    const error = await loadSeries(directory, '6.12').catch((failure) => failure)
    expect(error).toMatchObject({ name: 'Failure', kind: 'usage' })
    expect(error.message).toContain(`${join(directory, '6.12/series')}:2: `)
    expect(error.message).toContain(words)
  })

  test('an empty series, a missing one, a wrong profile', async () => {
    await writeFile(join(directory, 'profile.yaml'), profile.replace('dm-crypt: false', 'dm-crypt: 3'))
    await expect(loadSeries(directory, '6.12')).rejects.toThrow(
      `${join(directory, 'profile.yaml')}:6: offloads.dm-crypt: expected true, false or a patch`,
    )
    await expect(loadSeries(directory, '7.2')).rejects.toThrow('has no series for the tree 7.2')
    await writeFile(join(directory, '6.12/series'), '# none\n')
    await expect(loadSeries(directory, '6.12')).rejects.toThrow('names no patch')
  })
})
