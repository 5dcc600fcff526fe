// Owns real time: Clock over the system's clock and Node's timers. Timers never keep the process alive.

import type { Clock, Timer } from '../base/clock.ts'

/** The longest delay Node's timers take; longer ones would fire at once. */
const delayMsMax = 2 ** 31 - 1

class RealTimer implements Timer {
  #handle: NodeJS.Timeout | undefined
  #restMs: number
  readonly #fire: () => void

  constructor(delayMs: number, fire: () => void) {
    this.#restMs = Math.max(delayMs, 0)
    this.#fire = fire
    this.#handle = undefined
    this.#wait()
  }

  cancel(): void {
    if (this.#handle === undefined) return
    clearTimeout(this.#handle)
    this.#handle = undefined
  }

  #wait(): void {
    const stepMs = Math.min(this.#restMs, delayMsMax)
    this.#restMs -= stepMs
    this.#handle = setTimeout(() => this.#elapsed(), stepMs).unref()
  }

  #elapsed(): void {
    if (this.#restMs > 0) this.#wait()
    else {
      this.#handle = undefined
      this.#fire()
    }
  }
}

export const realClock: Clock = {
  now: () => Date.now(),
  setTimer: (delayMs, fire) => new RealTimer(delayMs, fire),
  defer: (run) => void setImmediate(run),
}
