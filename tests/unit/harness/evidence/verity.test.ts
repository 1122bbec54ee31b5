import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { hashTree } from '../../../../harness/evidence/verity.ts'

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest()

test('one level: the root is the digest of the block of digests', () => {
  const data = Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(4096, 2)])
  const block = Buffer.alloc(4096)
  sha256(Buffer.alloc(4096, 1)).copy(block, 0)
  sha256(Buffer.alloc(4096, 2)).copy(block, 32)
  expect(hashTree(data)).toEqual({ tree: block, root: sha256(block).toString('hex') })
})

test('more data than one block of digests is for makes two levels, the upper one first', () => {
  const { tree, root } = hashTree(Buffer.alloc(129 * 4096))
  expect(tree.length).toBe(3 * 4096)
  const [top, first, second] = [0, 4096, 8192].map((at) => tree.subarray(at, at + 4096))
  expect(root).toBe(sha256(top as Buffer).toString('hex'))
  expect(top?.subarray(0, 32)).toEqual(sha256(first as Buffer))
  expect(top?.subarray(32, 64)).toEqual(sha256(second as Buffer))
  expect(second?.subarray(32).every((byte) => byte === 0)).toBe(true)
})
