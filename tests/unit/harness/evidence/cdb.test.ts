import { expect, test } from 'vitest'
import { effectOf } from '../../../../harness/evidence/cdb.ts'

const of = (hex: string) => effectOf(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

test.each([
  ['READ (6)', '08 01 00 02 03 00', 'read', 0x10002, 3],
  ['WRITE (6), no blocks are 256', '0a 00 00 02 00 00', 'write', 2, 256],
  ['READ (10)', '28 00 00 00 00 10 00 00 08 00', 'read', 0x10, 8],
  ['WRITE (10)', '2a 00 80 00 00 10 00 01 00 00', 'write', 0x80000010, 256],
  ['WRITE AND VERIFY (10)', '2e 00 00 00 00 10 00 00 08 00', 'write', 0x10, 8],
  ['READ (12)', 'a8 00 00 00 00 10 00 01 00 02 00 00', 'read', 0x10, 0x10002],
  ['WRITE (12)', 'aa 00 00 00 00 10 00 00 00 08 00 00', 'write', 0x10, 8],
  ['WRITE AND VERIFY (12)', 'ae 00 00 00 00 10 00 00 00 08 00 00', 'write', 0x10, 8],
  ['READ (16)', '88 00 00 00 00 01 00 00 00 02 00 00 00 03 00 00', 'read', 2 ** 32 + 2, 3],
  ['WRITE (16)', '8a 00 00 00 00 01 00 00 00 02 00 00 00 03 00 00', 'write', 2 ** 32 + 2, 3],
  ['WRITE AND VERIFY (16)', '8e 00 00 00 00 00 00 00 00 02 00 00 00 03 00 00', 'write', 2, 3],
  ['WRITE ATOMIC (16)', '9c 00 00 00 00 00 00 00 00 02 00 00 00 03 00 00', 'write', 2, 3],
  ...[['READ (32)', '09', 'read'] as const, ['WRITE (32)', '0b', 'write'] as const].map(
    ([name, action, does]): [string, string, string, number, number] => [
      name,
      `7f 00 00 00 00 00 00 18 00 ${action} 20 00 00 00 00 01 00 00 00 02 00 00 00 02 00 00 00 00 00 00 00 03`,
      ...([does, 2 ** 32 + 2, 3] as const),
    ],
  ),
])('%s', (_, hex, does, lba, blocks) => {
  expect(of(hex)).toEqual({ does, lba, blocks })
})

test.each([
  ['WRITE SAME (10)', '41 00 00 00 00 10 00 00 08 00'],
  ['WRITE SAME (16)', '93 00 00 00 00 00 00 00 00 02 00 00 00 03 00 00'],
  [
    'WRITE SAME (32)',
    '7f 00 00 00 00 00 00 18 00 0d 20 00 00 00 00 01 00 00 00 02 00 00 00 02 00 00 00 00 00 00 00 03',
  ],
  ['COMPARE AND WRITE', '89 00 00 00 00 00 00 00 00 02 00 00 00 01 00 00'],
  ['FORMAT UNIT', '04 00 00 00 00 00'],
  ['RESET WRITE POINTER', '94 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00'],
  ['WRITE USING TOKEN', '83 11 00 00 00 00 00 00 00 00 00 00 00 6c 00 00'],
])('%s changes what is there', (_, hex) => {
  expect(of(hex)).toEqual({ does: 'change' })
})

test('copies, discards, and what leaves the bytes alone', () => {
  expect(of('83 00 00 00 00 00 00 00 00 00 00 00 00 6c 00 00')).toEqual({ does: 'copy', listBytes: 108 })
  expect(of('42 00 00 00 00 00 00 00 18 00')).toEqual({ does: 'unmap' })
  for (const hex of ['12 01 80 00 40 00', '00 00 00 00 00 00', '35 00 00 00 00 00 00 00 00 00'])
    expect(of(hex)).toBeUndefined()
})
