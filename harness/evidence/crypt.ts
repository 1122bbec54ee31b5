/** What dm-crypt would put on the disk, computed by the host alone. */
import { createCipheriv } from 'node:crypto'

/** dm-crypt's default sector, and the unit of its IV. */
export const cryptSectorBytes = 512

/**
 * `plain` as `aes-xts-plain64` stores it from byte `offset` of the crypt device (IV offset 0): each 512-byte sector
 * by itself, its IV the sector's number in 64 bits, little endian (drivers/md/dm-crypt.c, crypt_iv_plain64_gen).
 * `key` is 32 or 64 bytes: AES-128 or AES-256, twice, as XTS wants.
 */
export function encryptXtsPlain64(key: Buffer, plain: Buffer, offset: number): Buffer {
  if (plain.length % cryptSectorBytes || offset % cryptSectorBytes) {
    throw new RangeError(`dm-crypt stores whole sectors, not ${plain.length} bytes at ${offset}`)
  }
  const result = Buffer.alloc(plain.length)
  for (let at = 0; at < plain.length; at += cryptSectorBytes) {
    const iv = Buffer.alloc(16)
    iv.writeBigUInt64LE(BigInt((offset + at) / cryptSectorBytes))
    const cipher = createCipheriv(key.length === 64 ? 'aes-256-xts' : 'aes-128-xts', key, iv)
    cipher.update(plain.subarray(at, at + cryptSectorBytes)).copy(result, at)
  }
  return result
}
