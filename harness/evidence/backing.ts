/** The host's witness: what every byte of a disk's backing file must be, and what it is. */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { identify, pattern } from './pattern.ts'

/** How a backing file differs from what the host expects. */
export interface Difference {
  /** Byte offset of the first wrong byte. */
  offset: number
  /** How many bytes are wrong in all. */
  bytes: number
  /** Where the wrong bytes come from, as far as they can be told. */
  origin: string
}

export interface BackingState {
  /** Of the whole backing file. */
  sha256: string
  difference?: Difference
}

/**
 * The model of one raw image. The host alone decides what it must hold: a pristine pattern of the disk's own seed,
 * changed by `expect` and `write`. QEMU has the image open meanwhile, through the host's page cache, so both see the
 * same bytes; the guest's caches are the caller's business.
 */
export class BackingFile {
  readonly path: string
  readonly bytes: number
  private readonly pristine: Buffer
  private readonly expected: Buffer
  /** Seeds that may be met on the disk, with a word for each. */
  private readonly seeds = new Map<number, string>()

  constructor(path: string, bytes: number, seed: number) {
    this.path = path
    this.bytes = bytes
    this.pristine = pattern(seed, bytes)
    this.expected = Buffer.from(this.pristine)
    this.seeds.set(seed, 'the disk as it was before the case')
  }

  /** Lets differences name bytes of this seed. */
  know(seed: number, meaning: string): void {
    this.seeds.set(seed, meaning)
  }

  /** Writes the pristine pattern over the whole file and expects that. Every block gets allocated. */
  async reset(): Promise<void> {
    this.pristine.copy(this.expected)
    await this.withFile('r+', async (file) => writeAll(file, this.pristine, 0))
  }

  /** Changes the disk behind the guest's back, and expects the bytes to stay. */
  async write(offset: number, data: Buffer): Promise<void> {
    this.expect(offset, data)
    await this.withFile('r+', async (file) => writeAll(file, data, offset))
  }

  /** From now on `data` must be at `offset`, put there by the guest or the device. */
  expect(offset: number, data: Buffer): void {
    if (offset + data.length > this.bytes)
      throw new RangeError(`${offset}+${data.length} is past the end of ${this.path}`)
    data.copy(this.expected, offset)
  }

  /** A copy of what must be at a place. */
  expectedAt(offset: number, bytes: number): Buffer {
    return Buffer.from(this.expected.subarray(offset, offset + bytes))
  }

  /** Compares the whole file; the guest must have flushed. */
  async compare(): Promise<BackingState> {
    const actual = await this.withFile('r', (file) => file.readFile())
    const sha256 = createHash('sha256').update(actual).digest('hex')
    if (actual.equals(this.expected)) return { sha256 }
    return { sha256, difference: this.describe(actual) }
  }

  private describe(actual: Buffer): Difference {
    if (actual.length !== this.bytes) {
      return {
        offset: Math.min(actual.length, this.bytes),
        bytes: Math.abs(actual.length - this.bytes),
        origin: `the file is ${actual.length} bytes long instead of ${this.bytes}`,
      }
    }
    let offset = -1
    let bytes = 0
    for (let i = 0; i < actual.length; i++) {
      if (actual[i] === this.expected[i]) continue
      if (offset < 0) offset = i
      bytes++
    }
    return { offset, bytes, origin: this.originOf(actual, offset) }
  }

  private originOf(actual: Buffer, offset: number): string {
    const at = offset - (offset % 4)
    if (actual.subarray(at, at + 512).every((byte) => byte === 0)) return 'zeroes'
    const found = identify(actual, at, this.seeds.keys())
    if (!found) return 'bytes of no known pattern'
    const place = found.from === at ? 'its own place' : `byte ${found.from}`
    return `${this.seeds.get(found.seed)}, from ${place}`
  }

  private async withFile<T>(flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
    const file = await open(this.path, flags)
    try {
      return await use(file)
    } finally {
      await file.close()
    }
  }
}

async function writeAll(file: FileHandle, data: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await file.write(data, done, data.length - done, offset + done)
    done += bytesWritten
  }
}
