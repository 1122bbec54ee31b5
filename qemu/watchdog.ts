export interface WatchdogOptions {
  /** Grows with every sign of life from the guest's agent. */
  heard: () => number
  /** Asks for a sign of life. */
  ping: () => void
  /** Processor time of QEMU in ms; undefined when it is gone. */
  processorTime: () => number | undefined
  /** Called once, with the reason in words. */
  onHung: (why: string) => void
  /** Silence that is enough when QEMU had this much processor time in it. Default 20 s. */
  busyMs?: number
  /** Silence that is enough even when QEMU had no processor time. Default 60 s. */
  silentMs?: number
  intervalMs?: number
}

/**
 * Watches a guest while it has work to do. A guest hangs when its agent says nothing although QEMU has had time to run
 * it: under TCG two guests starve each other, and on a loaded host the wall clock says little, so what counts is the
 * processor time of QEMU. The wall clock is the limit for a guest that sleeps for ever.
 */
export class Watchdog {
  readonly #options: Required<WatchdogOptions>
  #timer: NodeJS.Timeout | undefined
  #users = 0
  #lastHeard = 0
  #since = { wall: 0, processor: 0 }

  constructor(options: WatchdogOptions) {
    this.#options = { busyMs: 20_000, silentMs: 60_000, intervalMs: 1000, ...options }
  }

  /** Watches while `work` is under way. */
  async during<T>(work: Promise<T>): Promise<T> {
    if (this.#users++ === 0) this.#begin()
    try {
      return await work
    } finally {
      if (--this.#users === 0) this.stop()
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #begin(): void {
    this.#restart()
    this.#timer = setInterval(() => this.#look(), this.#options.intervalMs)
  }

  #restart(): void {
    this.#lastHeard = this.#options.heard()
    this.#since = { wall: performance.now(), processor: this.#options.processorTime() ?? 0 }
  }

  #look(): void {
    const { heard, ping, processorTime, busyMs, silentMs, onHung } = this.#options
    if (heard() !== this.#lastHeard) this.#restart()
    const wall = performance.now() - this.#since.wall
    const processor = (processorTime() ?? 0) - this.#since.processor
    if (processor >= busyMs || wall >= silentMs) {
      this.stop()
      const seconds = (ms: number) => `${(ms / 1000).toFixed(0)} s`
      onHung(`its agent has said nothing for ${seconds(wall)}, of which QEMU ran ${seconds(processor)}`)
    } else ping()
  }
}
