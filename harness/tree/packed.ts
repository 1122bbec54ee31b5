import { open } from 'node:fs/promises'

export type Packer = 'xz' | 'gzip' | 'zstd'

/**
 * What a tarball is packed by, told by what it begins with: a name may say anything.
 * @returns undefined: it is no tarball
 */
export async function packedBy(path: string): Promise<Packer | 'none' | undefined> {
  const head = Buffer.alloc(512)
  const file = await open(path)
  try {
    await file.read(head)
  } finally {
    await file.close()
  }
  const starts = (...bytes: number[]) => head.subarray(0, bytes.length).equals(Buffer.from(bytes))
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)) return 'xz'
  if (starts(0x1f, 0x8b)) return 'gzip'
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd'
  // POSIX.1 and GNU alike.
  return head.subarray(257, 262).toString() === 'ustar' ? 'none' : undefined
}
