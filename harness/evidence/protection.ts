/** Metadata of NVMe blocks, 8 bytes each, as the host's block layer writes it. */

/** CRC-16 T10-DIF: polynomial 0x8BB7, from 0, not reflected (SBC-4, 4.22.4). */
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? 0x8bb7 : 0)
  return crc
})

export function crcT10Dif(data: Buffer): number {
  let crc = 0
  for (const byte of data) crc = ((crc << 8) ^ (table[(crc >> 8) ^ byte] ?? 0)) & 0xffff
  return crc
}

export const metadataBytes = 8

/** `plain`: no protection information, which Linux fills with zeroes; `pi`: type 1. */
export type Metadata = 'plain' | 'pi'

/**
 * The metadata of blocks from `offset` on. Protection information of type 1 is a tuple a block, big endian: guard (CRC of
 * the data), application tag 0, reference tag (low 32 bits of the LBA). NVM Command Set Specification 1.0, 5.2.
 */
export function metadataOf(kind: Metadata, data: Buffer, offset: number, blockSize: number): Buffer {
  const blocks = data.length / blockSize
  const result = Buffer.alloc(blocks * metadataBytes)
  if (kind === 'plain') return result
  for (let i = 0; i < blocks; i++) {
    result.writeUInt16BE(crcT10Dif(data.subarray(i * blockSize, (i + 1) * blockSize)), i * metadataBytes)
    result.writeUInt32BE((offset / blockSize + i) >>> 0, i * metadataBytes + 4)
  }
  return result
}

/** Of blocks that nobody has written: an application tag of 0xffff turns every check off. */
export function blankMetadata(blocks: number): Buffer {
  return Buffer.alloc(blocks * metadataBytes, 0xff)
}
