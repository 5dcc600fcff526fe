// Owns who may use a destination's connections: at most so many at once, the others in the order in which they came.
// It opens nothing.

import { assert } from '../base/assert.ts'
import { AbortFan } from './abort-fan.ts'

const fan = new AbortFan()

interface Waiting<T> {
  readonly grant: () => void
  readonly take: ((offered: T) => boolean) | undefined
}

/** Each `enter` that came through is followed by one `leave`, or its place is handed on by `offer`. */
export class Turns<T> {
  readonly #max: number
  #insideCount = 0
  readonly #waiting = new Set<Waiting<T>>()

  constructor(max: number) {
    this.#max = max
  }

  get insideCount(): number {
    return this.#insideCount
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /**
   * Undefined: come in. Else resolves when it is the caller's turn; rejects with the signal's reason. `take` is asked
   * about what somebody offers with his place: true, and the turn has come.
   */
  enter(signal: AbortSignal, take?: (offered: T) => boolean): Promise<void> | undefined {
    if (this.#insideCount < this.#max && this.#waiting.size === 0) {
      this.#insideCount++
      return undefined
    }
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const stopWatching = fan.add(signal, () => {
        this.#waiting.delete(waiting)
        reject(signal.reason)
      })
      const grant = (): void => {
        stopWatching()
        resolve()
      }
      const waiting = { grant, take }
      this.#waiting.add(waiting)
    })
  }

  /** The caller's place and something with it, to the first who takes it. False: nobody did, and the place is still his. */
  offer(offered: T): boolean {
    for (const one of this.#waiting) {
      if (one.take?.(offered) !== true) continue
      this.#waiting.delete(one)
      one.grant()
      return true
    }
    return false
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
    next.value.grant()
  }
}
