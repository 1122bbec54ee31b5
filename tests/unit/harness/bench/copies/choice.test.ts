import { expect, test } from 'vitest'
import { checkCopyRoom } from '../../../../../harness/bench/copies/bench.ts'
import { chooseCopies, copySizes, withKernel } from '../../../../../harness/bench/copies/choice.ts'
import { routes } from '../../../../../harness/bench/copies/routes.ts'
import { commandLine } from '../../../../../harness/cli.ts'

test('a kernel without a driver loses the routes that need it, and says so', () => {
  const choice = chooseCopies(undefined, undefined)
  const without = (...options: string[]) => withKernel(choice, (option) => !options.includes(option))
  expect(without('CONFIG_DM_MIRROR').ways).toEqual(['offload', 'fallback', 'dd'])
  expect(without('CONFIG_DM_MIRROR').notes).toEqual([
    'kcopyd is left out: the kernel is built without CONFIG_DM_MIRROR.',
  ])
  const { routes, notes } = without('CONFIG_TCM_IBLOCK', 'CONFIG_DM_CRYPT')
  expect(routes.map(({ id }) => id)).toEqual(['nvme', 'nvme-across', 'dm-linear'])
  expect(notes).toContain(
    'SCSI (LIO), inside of a unit is left out: the kernel is built without CONFIG_TCM_IBLOCK.',
  )
  expect(() =>
    without('CONFIG_BLK_DEV_NVME', 'CONFIG_BLK_DEV_DM', 'CONFIG_DM_CRYPT', 'CONFIG_BLK_DEV_SD'),
  ).toThrow(/^nothing is left to measure: NVMe, inside of a namespace is left out: /)
})

test('routes and sizes can be chosen', () => {
  const { routes, sizes, notes } = chooseCopies(['scsi', 'dm-crypt'], ['1G', '64k', '64KiB'])
  expect(routes.map(({ id }) => id)).toEqual(['dm-crypt', 'scsi'])
  expect(sizes).toEqual([65536, 2 ** 30])
  expect(notes).toEqual([])
  expect(chooseCopies(undefined, ['32M']).notes).toEqual([
    'dm-crypt (aes-xts) on one namespace: copies of up to 16 MiB only.',
  ])
  expect(() => chooseCopies(['dm-crypt'], ['1G'])).toThrow('up to 16 MiB only')
  expect(() => chooseCopies(['nvm'], undefined)).toThrow(
    "there is no 'nvm'; there are nvme, nvme-across, dm-linear, dm-crypt, scsi, scsi-across",
  )
  for (const size of ['3K', '2K', '2G', '4096', '64KB', ''])
    expect(() => chooseCopies(undefined, [size]), size).toThrow('expected powers of two')
})

test('the help has what can be chosen', () => {
  const bench = commandLine(async () => {}).commands.find((command) => command.name() === 'bench')
  const helpOf = (name: string) => bench?.options.find(({ long }) => long === name)?.description
  expect(helpOf('--routes')).toContain(`: ${routes.map(({ id }) => id).join(', ')};`)
  const usual = helpOf('--sizes')?.match(/\d+[KMG]/g) ?? []
  expect(chooseCopies(undefined, usual).sizes).toEqual(copySizes)
})

test('a disk without room for the copies is said before there are any', async () => {
  const choice = { ...chooseCopies(undefined, undefined), sizes: [2 ** 60] }
  await expect(checkCopyRoom(choice, 1)).rejects.toMatchObject({
    kind: 'infra',
    message: expect.stringContaining('the disks of a bench of copies need'),
    remedy: expect.stringContaining('TMPDIR'),
  })
  await expect(checkCopyRoom(chooseCopies(undefined, ['4K']), 1)).resolves.toBeUndefined()
})
