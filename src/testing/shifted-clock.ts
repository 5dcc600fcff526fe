// Owns real time that can be moved forward: sockets and threads go on as ever, but hours pass when a test says so. For
// tests of the whole server, where VirtualClock would leave real I/O without time.

import type { Clock, Timer } from '../base/clock.ts'
import { realClock } from '../net/real-clock.ts'

interface Waiting {
  readonly at: number
  readonly order: number
  readonly fire: () => void
  real: Timer
}

export class ShiftedClock implements Clock {
  #offsetMs = 0
  #order = 0
  readonly #timers = new Set<Waiting>()

  now(): number {
    return realClock.now() + this.#offsetMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const at = this.now() + Math.max(0, delayMs)
    const timer: Waiting = { at, order: this.#order++, fire, real: this.#arm(delayMs, () => end()) }
    const end = (): void => {
      if (this.#timers.delete(timer)) fire()
    }
    this.#timers.add(timer)
    return {
      cancel: () => {
        timer.real.cancel()
        this.#timers.delete(timer)
      },
    }
  }

  defer(run: () => void): void {
    realClock.defer(run)
  }

  /** Moves time on by `ms` at one leap: everything that is due by then fires now, in order. */
  advance(ms: number): void {
    this.#offsetMs += ms
    const now = this.now()
    const due: Waiting[] = []
    for (const timer of this.#timers) {
      timer.real.cancel()
      if (timer.at <= now) due.push(timer)
      else
        timer.real = this.#arm(timer.at - now, () => {
          if (this.#timers.delete(timer)) timer.fire()
        })
    }
    due.sort((a, b) => a.at - b.at || a.order - b.order)
    // One that fires may cancel one that would.
    for (const timer of due) if (this.#timers.delete(timer)) timer.fire()
  }

  #arm(delayMs: number, fire: () => void): Timer {
    return realClock.setTimer(delayMs, fire)
  }
}
