/** The host's witness: what every byte of a disk's backing file must be, and what it is. */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { digest } from './digest.ts'
import { identify, pattern } from './pattern.ts'
import { type Range, union } from './ranges.ts'

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
  /** Of the whole backing file as it was read. It takes longer than the comparison. */
  sha256: Promise<string>
  difference?: Difference
}

/**
 * Given to a file as its time of last change, in seconds, by which a later write is known: the kernel stamps writes with
 * the time of its last tick, up to 10 ms old, so two writes in a row may have the same time.
 */
const stamp = 1

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
  private readonly memory: SharedArrayBuffer
  /** What was read last, in `memory`. */
  private readonly actual: Buffer
  private digested: Promise<unknown> = Promise.resolve()
  /** Where file and pristine pattern differ; undefined when that is not known, or not what is expected. */
  private known: { changed: Range[] } | undefined
  /** What was expected since the last reset. */
  private readonly expectations: Range[] = []
  /** Seeds that may be met on the disk, with a word for each. */
  private readonly seeds = new Map<number, string>()

  constructor(path: string, bytes: number, seed: number) {
    this.path = path
    this.bytes = bytes
    this.pristine = pattern(seed, bytes)
    this.expected = Buffer.from(this.pristine)
    this.memory = new SharedArrayBuffer(bytes)
    this.actual = Buffer.from(this.memory)
    this.seeds.set(seed, 'the disk as it was before the case')
  }

  /** Lets differences name bytes of this seed. */
  know(seed: number, meaning: string): void {
    this.seeds.set(seed, meaning)
  }

  /**
   * Makes the disk pristine and expects it to stay. The whole file is written, which allocates every block, unless
   * nothing has happened to it since a comparison that found all as expected: then what had changed is enough.
   */
  async reset(): Promise<void> {
    const places =
      (await this.settled()) && this.known ? this.known.changed : [{ offset: 0, bytes: this.bytes }]
    await this.withFile('r+', async (file) => {
      for (const { offset, bytes } of places) {
        this.pristine.copy(this.expected, offset, offset, offset + bytes)
        await writeAll(file, this.pristine.subarray(offset, offset + bytes), offset)
      }
      await file.utimes(stamp, stamp)
    })
    this.known = { changed: [] }
    this.expectations.splice(0)
  }

  /**
   * True when nobody has written to the file since a reset or a comparison that found all as expected, and nothing else
   * has been expected since. When it is false the bytes may still be right; `compare` tells.
   */
  async settled(): Promise<boolean> {
    if (!this.known) return false
    const { size, mtimeMs } = await stat(this.path)
    return size === this.bytes && mtimeMs === stamp * 1000
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
    this.expectations.push({ offset, bytes: data.length })
    this.known = undefined
  }

  /** A copy of what must be at a place. */
  expectedAt(offset: number, bytes: number): Buffer {
    return Buffer.from(this.expected.subarray(offset, offset + bytes))
  }

  /** Compares the whole file; the guest must have flushed. */
  async compare(): Promise<BackingState> {
    await this.digested
    const size = await this.withFile('r', async (file) => {
      // Before the bytes are read, so that a write meanwhile shows.
      await file.utimes(stamp, stamp)
      const status = await file.stat()
      await readAll(file, this.actual)
      return status.size
    })
    const sha256 = digest(this.memory)
    this.digested = sha256.catch(() => {})
    if (size === this.bytes && this.actual.equals(this.expected)) {
      this.known = { changed: union(this.expectations) }
      return { sha256 }
    }
    this.known = undefined
    return { sha256, difference: this.describe(size) }
  }

  private describe(size: number): Difference {
    const { actual } = this
    if (size !== this.bytes) {
      return {
        offset: Math.min(size, this.bytes),
        bytes: Math.abs(size - this.bytes),
        origin: `the file is ${size} bytes long instead of ${this.bytes}`,
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

/** Fills the buffer, with zeroes where the file is too short. */
async function readAll(file: FileHandle, buffer: Buffer): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, done)
    if (!bytesRead) return void buffer.fill(0, done)
    done += bytesRead
  }
}
