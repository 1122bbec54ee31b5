/** What a device must hold, byte by byte, as the host alone decides. */
import { identify } from './pattern.ts'
import type { Range } from './ranges.ts'

/** How a device differs from what the host expects. */
export interface Difference {
  /** Byte offset of the first wrong byte. */
  offset: number
  /** How many bytes are wrong in all. */
  bytes: number
  /** Where the wrong bytes come from, as far as they can be told. */
  origin: string
}

export interface ContentState {
  /** Of all that was read. It takes longer than the comparison. */
  sha256: Promise<string>
  difference?: Difference
}

/** The model of a device: what it held at first, changed by `expect`. */
export abstract class Contents {
  readonly bytes: number
  protected readonly pristine: Buffer
  protected readonly expected: Buffer
  /** Seeds that may be met on the device, with a word for each. */
  readonly #seeds = new Map<number, string>()
  readonly #ignored: Range[] = []

  /** @param initial what it holds at first, taken over and not copied */
  constructor(initial: Buffer) {
    this.bytes = initial.length
    this.pristine = initial
    this.expected = Buffer.from(initial)
  }

  /** Reads the whole device and compares it; the guest must have written back what it caches. */
  abstract compare(): Promise<ContentState>

  /** Bytes as they are now. */
  abstract read(offset: number, bytes: number): Promise<Buffer>

  /** Lets differences name bytes of this seed. */
  know(seed: number, meaning: string): void {
    this.#seeds.set(seed, meaning)
  }

  /** From now on `data` must be at `offset`, put there by the guest or the device. */
  expect(offset: number, data: Buffer): void {
    this.requireInside(offset, data.length)
    data.copy(this.expected, offset)
  }

  /** From now on anything may be there: a driver in the guest keeps something of its own. */
  ignore(offset: number, bytes: number): void {
    this.requireInside(offset, bytes)
    this.#ignored.push({ offset, bytes })
  }

  /** A copy of what must be at a place. */
  expectedAt(offset: number, bytes: number): Buffer {
    return Buffer.from(this.expected.subarray(offset, offset + bytes))
  }

  protected requireInside(offset: number, bytes: number): void {
    if (offset < 0 || offset + bytes > this.bytes)
      throw new RangeError(`${offset}+${bytes} is past the end of ${this.bytes} bytes`)
  }

  /** Forgets what was ignored. */
  protected forget(): void {
    this.#ignored.splice(0)
  }

  /** True when all is as expected. Where anything may be, what is there is expected from now on. */
  protected matches(actual: Buffer): boolean {
    for (const { offset, bytes } of this.#ignored) actual.copy(this.expected, offset, offset, offset + bytes)
    return actual.equals(this.expected)
  }

  /** @param at where `actual` begins */
  protected describe(actual: Buffer, at = 0): Difference {
    let offset = -1
    let bytes = 0
    for (let i = 0; i < actual.length; i++) {
      if (actual[i] === this.expected[at + i]) continue
      if (offset < 0) offset = i
      bytes++
    }
    return { offset: at + offset, bytes, origin: this.#originOf(actual, offset, at) }
  }

  #originOf(actual: Buffer, offset: number, start: number): string {
    const at = offset - (offset % 4)
    if (actual.subarray(at, at + 512).every((byte) => byte === 0)) return 'zeroes'
    const found = identify(actual, at, this.#seeds.keys())
    if (!found) return 'bytes of no known pattern'
    const place = found.from === start + at ? 'its own place' : `byte ${found.from}`
    return `${this.#seeds.get(found.seed)}, from ${place}`
  }
}
