// Owns virtual time for a simulated world: it runs by itself from event to event, and each simulated process has a clock
// of its own (`process()`) that dies with it: after `kill` nothing of that process runs any more.

import type { Clock, Timer } from '../base/clock.ts'
import { TimerHeap } from './timer-heap.ts'

export interface ProcessClock extends Clock {
  /** Its timers and what it deferred never run. */
  kill(): void
  readonly alive: boolean
  /** Timers of this process that wait. */
  readonly timerCount: number
}

const noTimer: Timer = { cancel() {} }

export class SimClock implements Clock {
  #now: number
  readonly #timers = new TimerHeap()
  #deferredCount = 0
  /** Timers fired so far: a measure of work. */
  eventCount = 0

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    return this.#timers.add(this.#now + Math.max(0, Math.ceil(delayMs)), fire)
  }

  defer(run: () => void): void {
    this.#deferredCount++
    setImmediate(() => {
      this.#deferredCount--
      run()
    })
  }

  process(): ProcessClock {
    let alive = true
    let timerCount = 0
    return {
      now: () => this.#now,
      setTimer: (delayMs, fire) => {
        if (!alive) return noTimer
        let waits = true
        const end = (): void => {
          if (waits) timerCount--
          waits = false
        }
        timerCount++
        const timer = this.setTimer(delayMs, () => {
          end()
          if (alive) fire()
        })
        return {
          cancel: () => {
            end()
            timer.cancel()
          },
        }
      },
      defer: (run) => this.defer(() => alive && run()),
      kill: () => void (alive = false),
      get alive() {
        return alive
      },
      get timerCount() {
        return timerCount
      },
    }
  }

  /** Fires what comes, in order, until `done()` or until `untilMs`; true: done. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      await this.#settle()
      if (done()) return true
      const next = this.#timers.takeDue(untilMs)
      if (next === undefined) break
      this.#now = Math.max(this.#now, next.at)
      this.eventCount++
      next.fire()
    }
    this.#now = Math.max(this.#now, untilMs)
    return done()
  }

  /** Promises and deferred work run out; virtual time stands still meanwhile. */
  async #settle(): Promise<void> {
    do await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#deferredCount > 0)
  }
}
