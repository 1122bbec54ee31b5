import { expect, test } from 'vitest'
import { parseYaml } from '../../../../harness/config/yaml.ts'
import { profileSchema } from '../../../../harness/series/profile.ts'
import { offers, patchName, resolveProfile } from '../../../../harness/series/resolve.ts'

const text = `name: mine
abi: { BLKCOPY: add-the-ioctl, copy_file_range: true }
sysfs: { limit: copy_max, hardwareLimit: copy_hw_max, patch: add-limits }
tracepoints: { offload: copied, fallback: read_and_written, patch: trace }
offloads:
  nvme-same-namespace: nvme
  scsi: false
  dm-linear: only-elsewhere
`
const files = [
  '0001-add-limits.patch',
  '0002-trace.patch',
  'v2-0003-other.patch',
  '0004-add-the-ioctl.patch',
  'nvme',
]

function cutAfter(applied: number) {
  return resolveProfile(parseYaml('profile.yaml', text, profileSchema), {
    ...{ files, applied, label: '6.12' },
    everywhere: async () => ['9-only-elsewhere.patch'],
  })
}

test('a whole series offers what its patches bring', async () => {
  const profile = await cutAfter(5)
  expect(profile).toMatchObject({
    sysfs: { limit: 'copy_max', hardwareLimit: 'copy_hw_max' },
    tracepoints: { offload: 'copied', fallback: 'read_and_written' },
  })
  expect(offers(profile, 'BLKCOPY')).toBe(true)
  expect(profile.lacks).toEqual({
    BLKCOPYV: "the series 'mine' has no BLKCOPYV ioctl",
    'nvme-cross-namespace': "the series 'mine' does not offload nvme-cross-namespace",
    'nvme-multipath': "the series 'mine' does not offload nvme-multipath",
    scsi: "the series 'mine' does not offload scsi",
    'scsi-same-unit': "the series 'mine' does not offload scsi-same-unit",
    'scsi-cross-unit': "the series 'mine' does not offload scsi-cross-unit",
    'null-blk': "the series 'mine' does not offload null-blk",
    'null-zoned': "the series 'mine' does not offload null-zoned",
    'nvme-zoned': "the series 'mine' does not offload nvme-zoned",
    'dm-linear-zoned': "the series 'mine' does not offload dm-linear-zoned",
    'dm-linear': "the series 'mine' for 6.12 does not offload dm-linear",
    'dm-kcopyd': "the series 'mine' does not offload dm-kcopyd",
    'dm-crypt': "the series 'mine' does not offload dm-crypt",
  })
})

test('a series that is cut off offers what the applied patches bring, and says which one is lacking', async () => {
  const four = await cutAfter(4)
  expect(offers(four, 'BLKCOPY')).toBe(true)
  expect(four.lacks['nvme-same-namespace']).toBe(
    "the series 'mine', cut off after patch 4 of 5, does not offload nvme-same-namespace; patch 5 brings it",
  )
  const one = await cutAfter(1)
  expect(offers(one, 'limits')).toBe(true)
  expect(one.tracepoints).toBeNull()
  expect(one.lacks.BLKCOPY).toBe(
    "the series 'mine', cut off after patch 1 of 5, has no BLKCOPY ioctl; patch 4 brings it",
  )
  expect(offers(one, 'copy_file_range')).toBe(true)
  expect((await cutAfter(0)).lacks.limits).toBe(
    "the series 'mine', cut off before its first patch, has no queue limits for copies; patch 1 brings it",
  )
})

test('sections that are left out are not offered', async () => {
  const short = 'name: short\nabi: { BLKCOPY: true }\noffloads: {}\n'
  const { lacks, tracepoints } = await resolveProfile(parseYaml('profile.yaml', short, profileSchema), {
    ...{ files, applied: 5, label: '6.12' },
    everywhere: async () => [],
  })
  expect(tracepoints).toBeNull()
  expect(lacks.limits).toBe("the series 'short' has no queue limits for copies")
  expect(lacks.tracepoints).toBe("the series 'short' has no tracepoints for copies")
  expect(lacks).not.toHaveProperty('BLKCOPY')
})

test.each([
  ['0008-nvme-offload.patch', 'nvme-offload'],
  ['sub/12-x.y_z.patch', 'x.y_z'],
  ['block-add', 'block-add'],
  ['v3-0002-block-add.patch', 'block-add'],
])('%s is the patch %s', (file, name) => {
  expect(patchName(file)).toBe(name)
})
