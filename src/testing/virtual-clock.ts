// Owns virtual time for tests and the simulator: it moves only when told.

import type { Clock, Timer } from '../base/clock.ts'
import { TimerHeap } from './timer-heap.ts'

export class VirtualClock implements Clock {
  #now: number
  readonly #timers = new TimerHeap()

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    return this.#timers.add(this.#now + Math.max(0, delayMs), fire)
  }

  defer(run: () => void): void {
    setImmediate(run)
  }

  /** How many timers wait. */
  get pendingCount(): number {
    return this.#timers.size
  }

  /** Moves time on by `ms`, firing timers in order and letting promises and I/O settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await this.settle()
    for (;;) {
      const next = this.#timers.takeDue(until)
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      next.fire()
      await this.settle()
    }
    this.#now = until
  }

  /** Lets everything that is ready now run: some turns of the event loop. */
  async settle(turns = 5): Promise<void> {
    for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
