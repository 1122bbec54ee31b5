/** The host's witness: what every byte of a disk's backing file must be, and what it is. */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { type ContentState, Contents } from './contents.ts'
import { digest } from './digest.ts'
import { pattern } from './pattern.ts'
import { type Range, union } from './ranges.ts'

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
export class BackingFile extends Contents {
  readonly path: string
  readonly #memory: SharedArrayBuffer
  /** What was read last, in `#memory`. */
  readonly #actual: Buffer
  #digested: Promise<unknown> = Promise.resolve()
  /** Where file and pristine pattern differ; undefined when that is not known, or not what is expected. */
  #known: { changed: Range[] } | undefined
  /** Where anything but the pristine bytes was expected since the last reset. */
  readonly #expectations: Range[] = []

  /** @param tail what the image has behind the pattern when it is pristine, such as an NVMe namespace's metadata */
  constructor(path: string, bytes: number, seed: number, tail: Buffer = Buffer.alloc(0)) {
    super(Buffer.concat([pattern(seed, bytes), tail]))
    this.path = path
    this.#memory = new SharedArrayBuffer(this.bytes)
    this.#actual = Buffer.from(this.#memory)
    this.know(seed, 'the disk as it was before the case')
  }

  /**
   * Makes the disk pristine and expects it to stay. The whole file is written, which allocates every block, unless
   * nothing has happened to it since a comparison that found all as expected: then what had changed is enough.
   */
  async reset(): Promise<void> {
    const places =
      (await this.settled()) && this.#known ? this.#known.changed : [{ offset: 0, bytes: this.bytes }]
    await this.#withFile('r+', async (file) => {
      for (const { offset, bytes } of places) {
        this.pristine.copy(this.expected, offset, offset, offset + bytes)
        await writeAll(file, this.pristine.subarray(offset, offset + bytes), offset)
      }
      await file.utimes(stamp, stamp)
    })
    this.#known = { changed: [] }
    this.#expectations.splice(0)
    this.forget()
  }

  /**
   * True when nobody has written to the file since a reset or a comparison that found all as expected, and nothing else
   * has been expected since. When it is false the bytes may still be right; `compare` tells.
   */
  async settled(): Promise<boolean> {
    if (!this.#known) return false
    const { size, mtimeMs } = await stat(this.path)
    return size === this.bytes && mtimeMs === stamp * 1000
  }

  /** Changes the disk behind the guest's back, and expects the bytes to stay. */
  async write(offset: number, data: Buffer): Promise<void> {
    this.expect(offset, data)
    await this.#withFile('r+', async (file) => writeAll(file, data, offset))
  }

  override expect(offset: number, data: Buffer): void {
    super.expect(offset, data)
    this.#touched(offset, data.length)
  }

  override ignore(offset: number, bytes: number): void {
    super.ignore(offset, bytes)
    this.#touched(offset, bytes)
  }

  #touched(offset: number, bytes: number): void {
    this.#expectations.push({ offset, bytes })
    this.#known = undefined
  }

  override async read(offset: number, bytes: number): Promise<Buffer> {
    this.requireInside(offset, bytes)
    const buffer = Buffer.alloc(bytes)
    await this.#withFile('r', async (file) => readAll(file, buffer, offset))
    return buffer
  }

  /** Compares the whole file; the guest must have flushed. */
  override async compare(): Promise<ContentState> {
    await this.#digested
    const size = await this.#withFile('r', async (file) => {
      // Before the bytes are read, so that a write meanwhile shows.
      await file.utimes(stamp, stamp)
      const status = await file.stat()
      await readAll(file, this.#actual)
      return status.size
    })
    const sha256 = digest(this.#memory)
    this.#digested = sha256.catch(() => {})
    if (size === this.bytes && this.matches(this.#actual)) {
      this.#known = { changed: union(this.#expectations) }
      return { sha256 }
    }
    this.#known = undefined
    const difference =
      size === this.bytes
        ? this.describe(this.#actual)
        : {
            offset: Math.min(size, this.bytes),
            bytes: Math.abs(size - this.bytes),
            origin: `the file is ${size} bytes long instead of ${this.bytes}`,
          }
    return { sha256, difference }
  }

  async #withFile<T>(flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
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

/** Fills the buffer from `offset` of the file on, with zeroes where the file is too short. */
async function readAll(file: FileHandle, buffer: Buffer, offset = 0): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, offset + done)
    if (!bytesRead) return void buffer.fill(0, done)
    done += bytesRead
  }
}
