import { expect, test } from 'vitest'
import type { Failure } from '../../../../harness/failure.ts'
import { editDistance, selectCases } from '../../../../harness/run/select.ts'

const all = ['dm/001', 'nvme/001', 'nvme/002', 'nvme/003', 'scsi/001'].map((id) => {
  return { id, group: id.split('/')[0] ?? '', description: id, offloads: [], needs: [], file: id }
})
const ids = (...names: string[]) => selectCases(all, names).map(({ id }) => id)

test('by id, by group, by path, each once and in order', () => {
  expect(ids()).toEqual(all.map(({ id }) => id))
  expect(ids('scsi', 'nvme/003', 'nvme/003')).toEqual(['nvme/003', 'scsi/001'])
  expect(ids('tests/nvme/', './tests/dm/001')).toEqual(['dm/001', 'nvme/001', 'nvme/002', 'nvme/003'])
})

test('an unknown name is a usage failure with near names', () => {
  const failure = (name: string) => {
    try {
      ids('nvme', name)
    } catch (error) {
      return error as Failure
    }
    throw new Error('not refused')
  }
  expect(failure('nvme/03')).toMatchObject({
    kind: 'usage',
    message: "there is no case or group 'nvme/03'",
    remedy: expect.stringMatching(/^did you mean nvme\/003, /),
  })
  expect(failure('nmve').remedy).toMatch(/^did you mean nvme\?/)
  expect(failure('btrfs-send').remedy).toMatch(/^groups are dm, nvme, scsi;/)
})

test('edit distance', () => {
  expect(editDistance('kitten', 'sitting')).toBe(3)
  expect(editDistance('', 'abc')).toBe(3)
  expect(editDistance('nvme', 'nvme')).toBe(0)
})
