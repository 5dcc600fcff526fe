// Owns a rate: at most so many in any stretch of time; who comes waits in order.

import { type Clock, sleep } from '../base/clock.ts'
import { keepAlive } from '../net/keep-alive.ts'

export class RateGate {
  readonly #perMs: number
  readonly #clock: Clock
  /** When the last ones began, or will; a ring. */
  readonly #begins: number[]
  #at = 0

  constructor(rate: { readonly messages: number; readonly perMs: number }, clock: Clock) {
    this.#perMs = rate.perMs
    this.#clock = clock
    this.#begins = new Array<number>(Math.floor(rate.messages)).fill(Number.NEGATIVE_INFINITY)
  }

  /** Rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<void> | undefined {
    const now = this.#clock.now()
    const begin = Math.max(now, (this.#begins[this.#at] as number) + this.#perMs)
    this.#begins[this.#at] = begin
    this.#at = (this.#at + 1) % this.#begins.length
    if (begin <= now) return undefined
    // Between two messages there may be no connection that holds the process.
    return sleep(this.#clock, begin - now, signal).finally(keepAlive())
  }
}
