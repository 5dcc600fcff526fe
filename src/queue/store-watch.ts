// Owns when the store is asked for due work: at the next due instant, and whenever something says that there is more. It
// asks one question at a time; calls meanwhile make it ask once more. What is asked and taken is its host's affair.

import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { StoreFailure } from './store.ts'

export type Taken =
  /** A limit was reached: ask again at once. */
  | { readonly kind: 'more' }
  /** Everything due was taken (`count`); the next is due at `nextAt`. */
  | { readonly kind: 'all'; readonly count: number; readonly nextAt: number | undefined }
  /** No room, or results cannot be written: `catchUp` or `look` asks again. */
  | { readonly kind: 'not-now' }

export interface StoreWatchOptions {
  readonly clock: Clock
  readonly log: Log
  readonly isRunning: () => boolean
  readonly take: (now: number) => Promise<Taken>
  readonly onFatal: (error: unknown) => void
  /** After each look. */
  readonly onChange: () => void
}

const storeTroubleWaitMs = 5000
const calmWaitMs = 1000

export class StoreWatch {
  readonly #options: StoreWatchOptions
  #looking = false
  #lookAgain = false
  #putOff = false
  #timer: Timer | undefined = undefined
  #timerAt = Infinity

  constructor(options: StoreWatchOptions) {
    this.#options = options
  }

  get isLooking(): boolean {
    return this.#looking
  }

  /** No later than at this instant. */
  wakeAt(at: number): void {
    const { clock, isRunning } = this.#options
    if (at >= this.#timerAt || !isRunning()) return
    const now = clock.now()
    if (at <= now) return this.look()
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = clock.setTimer(at - now, () => {
      this.#timer = undefined
      this.#timerAt = Infinity
      this.look()
    })
  }

  /** Asks again where the last look was put off. */
  catchUp(): void {
    if (this.#putOff && !this.#looking) this.look()
  }

  look(): void {
    const { clock, isRunning, take } = this.#options
    if (!isRunning()) return
    if (this.#looking) {
      this.#lookAgain = true
      return
    }
    this.#looking = true
    this.#putOff = false
    const now = clock.now()
    take(now).then(
      (taken) => this.#taken(taken, now),
      (error: unknown) => this.#failed(error),
    )
  }

  #taken(taken: Taken, now: number): void {
    this.#looking = false
    if (taken.kind === 'not-now') this.#putOff = true
    // A store that keeps saying "now" and gives nothing is asked at a calm pace.
    else if (taken.kind === 'all' && taken.nextAt !== undefined)
      this.wakeAt(taken.nextAt <= now && taken.count === 0 ? now + calmWaitMs : taken.nextAt)
    if (taken.kind === 'more' || this.#lookAgain) {
      this.#lookAgain = false
      this.look()
    }
    this.#options.onChange()
  }

  #failed(error: unknown): void {
    const { clock, log, onFatal, onChange } = this.#options
    this.#looking = false
    this.#lookAgain = false
    if (!(error instanceof StoreFailure) || error.code === 'closed') return onFatal(error)
    log.error({ err: error }, 'store cannot say what is due')
    this.wakeAt(clock.now() + storeTroubleWaitMs)
    onChange()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timerAt = Infinity
  }
}
