// Owns virtual time for tests and the simulator: it moves only when told.

import type { Clock, Timer } from '../base/clock.ts'

export class VirtualClock implements Clock {
  #now: number
  #order = 0
  #timers: { at: number; order: number; fire: () => void }[] = []

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, fire }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  defer(run: () => void): void {
    setImmediate(run)
  }

  /** How many timers wait. */
  get pendingCount(): number {
    return this.#timers.length
  }

  /** Moves time on by `ms`, firing timers in order and letting promises and I/O settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await this.settle()
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.at <= until)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((other) => other !== next)
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
