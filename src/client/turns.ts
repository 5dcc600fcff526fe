// Owns who may use a destination's connections: at most so many at once, the others in the order in which they came.
// It opens nothing.

import { assert } from '../base/assert.ts'
import { AbortFan } from './abort-fan.ts'

const fan = new AbortFan()

/** Each `enter` that came through is followed by one `leave`. */
export class Turns {
  readonly #max: number
  #insideCount = 0
  readonly #waiting = new Set<() => void>()

  constructor(max: number) {
    this.#max = max
  }

  get insideCount(): number {
    return this.#insideCount
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Undefined: come in. Else resolves when it is the caller's turn; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<void> | undefined {
    if (this.#insideCount < this.#max && this.#waiting.size === 0) {
      this.#insideCount++
      return undefined
    }
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const stopWatching = fan.add(signal, () => {
        this.#waiting.delete(grant)
        reject(signal.reason)
      })
      const grant = (): void => {
        stopWatching()
        resolve()
      }
      this.#waiting.add(grant)
    })
  }

  leave(): void {
    assert(this.#insideCount > 0, 'leave follows enter')
    const next = this.#waiting.values().next()
    if (next.done) {
      this.#insideCount--
      return
    }
    // The place is handed on: nobody who comes now gets in before.
    this.#waiting.delete(next.value)
    next.value()
  }
}
