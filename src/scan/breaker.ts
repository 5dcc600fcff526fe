// Owns the circuit breaker of a scanner: after some failures in a row it is not asked for a while, then by one message; mail
// does not pay with its deadline for a scanner that is down.

import type { Clock } from '../base/clock.ts'

export interface BreakerOptions {
  readonly clock: Clock
  /** Failures in a row that open it. Default 5. */
  readonly failuresMax?: number
  /** Not asked for so long. Default 30 s. */
  readonly pauseMs?: number
}

/** closed: asked as ever. open: not asked before `openUntil`. Then one question at a time decides. */
export class Breaker {
  readonly #clock: Clock
  readonly #failuresMax: number
  readonly #pauseMs: number
  #failureCount = 0
  #openUntil = 0
  #isProbing = false

  constructor({ clock, failuresMax = 5, pauseMs = 30_000 }: BreakerOptions) {
    this.#clock = clock
    this.#failuresMax = failuresMax
    this.#pauseMs = pauseMs
  }

  get isOpen(): boolean {
    return this.#failureCount >= this.#failuresMax
  }

  /** Whether to ask now. True takes a turn, which `report` ends. */
  allow(): boolean {
    if (!this.isOpen) return true
    if (this.#isProbing || this.#clock.now() < this.#openUntil) return false
    this.#isProbing = true
    return true
  }

  report(ok: boolean): void {
    this.#isProbing = false
    if (ok) {
      this.#failureCount = 0
      return
    }
    this.#failureCount++
    if (this.isOpen) this.#openUntil = this.#clock.now() + this.#pauseMs
  }
}
