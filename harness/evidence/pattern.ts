/**
 * Test data whose every 32-bit word names its seed and its place, so that stale or misplaced bytes are not
 * only found but traced to where they came from. tests/guest/blkcopy.c computes the same in the guest.
 */

/** MurmurHash3's finalizer: a bijection of 32-bit words. */
export function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

function unmix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7ed1b41d)
  x = Math.imul(x ^ (x >>> 13) ^ (x >>> 26), 0xa5cb9243)
  return (x ^ (x >>> 16)) >>> 0
}

/** Two keys: with the first alone, a word of one seed would be a word of every other seed at another place. */
function keysOf(seed: number): [number, number] {
  const key = mix((seed + 0x9e3779b9) >>> 0)
  return [key, mix((key + 0x9e3779b9) >>> 0)]
}

/** A seed from a name, e.g. of a case and a disk (FNV-1a). */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** `bytes` bytes of the pattern from byte `from` on; both are multiples of 4. */
export function pattern(seed: number, bytes: number, from = 0): Buffer {
  if (bytes % 4 || from % 4)
    throw new RangeError(`a pattern is made of whole words, not ${bytes} bytes from ${from}`)
  const words = new Uint32Array(bytes / 4)
  const [key, whitener] = keysOf(seed)
  const first = from / 4
  for (let i = 0; i < words.length; i++) {
    // mix() written out: this loop fills whole disks
    let x = (first + i) ^ key
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    words[i] = x ^ (x >>> 16) ^ whitener
  }
  return Buffer.from(words.buffer)
}

/**
 * Which of `seeds` the two words at `offset` (a multiple of 4) of `buffer` come from, and the byte offset within
 * that seed's pattern; undefined when they are of no known pattern below 4 GiB.
 */
export function identify(
  buffer: Buffer,
  offset: number,
  seeds: Iterable<number>,
): { seed: number; from: number } | undefined {
  if (offset + 8 > buffer.length) return undefined
  for (const seed of seeds) {
    const [key, whitener] = keysOf(seed)
    const indexAt = (at: number) => (unmix((buffer.readUInt32LE(at) ^ whitener) >>> 0) ^ key) >>> 0
    const index = indexAt(offset)
    if (index < 2 ** 30 && indexAt(offset + 4) === index + 1) return { seed, from: index * 4 }
  }
  return undefined
}

/** A piece of a seed's pattern: what a guest is told in three numbers and the host has as bytes. */
export class Pattern {
  readonly seed: number
  readonly bytes: number
  /** Byte offset in the seed's pattern. */
  readonly from: number

  constructor(seed: number, bytes: number, from = 0) {
    this.seed = seed
    this.bytes = bytes
    this.from = from
  }

  get data(): Buffer {
    return pattern(this.seed, this.bytes, this.from)
  }

  part(offset: number, bytes: number): Pattern {
    return new Pattern(this.seed, bytes, this.from + offset)
  }
}
