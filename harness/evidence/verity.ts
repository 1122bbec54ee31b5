/** The hash tree that dm-verity checks a device against (Documentation/admin-guide/device-mapper/verity.rst). */
import { createHash } from 'node:crypto'

/** Of data and of the tree. */
const blockBytes = 4096
const digestBytes = 32

/**
 * The tree as the hash device must hold it from its first block on: version 1, SHA-256, no salt, the root's level first.
 * @param data whole blocks, more than one
 */
export function hashTree(data: Buffer): { tree: Buffer; root: string } {
  const levels: Buffer[] = []
  let below = data
  while (below.length > blockBytes) {
    const blocks = below.length / blockBytes
    const level = Buffer.alloc(Math.ceil((blocks * digestBytes) / blockBytes) * blockBytes)
    for (let i = 0; i < blocks; i++)
      digest(below.subarray(i * blockBytes, (i + 1) * blockBytes)).copy(level, i * digestBytes)
    levels.unshift(level)
    below = level
  }
  return { tree: Buffer.concat(levels), root: digest(below).toString('hex') }
}

function digest(block: Buffer): Buffer {
  return createHash('sha256').update(block).digest()
}
