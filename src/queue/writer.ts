// Owns what has to be written and is not yet: every write is repeated, with growing waits, until the store has it. While
// one fails the queue dials nothing (`isFailing`), and how many are open is known (`openCount`). One that the store refuses
// again and again while it takes others is put aside, and repeated at a slow pace without holding up the rest.

import { AssertionFailed } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Counter } from '../base/metrics.ts'
import { StoreFailure } from './store.ts'

export interface WriterOptions {
  readonly clock: Clock
  readonly log: Log
  readonly failures: Counter
  /** Our own invariant broke, or the store is closed under us: nothing may be written any more. */
  readonly onFatal: (error: unknown) => void
  /** A write of nothing: whether the store works at all. */
  readonly canary: () => Promise<void>
  /** After each write that ended. */
  readonly onChange: () => void
}

interface OpenWrite {
  readonly write: () => Promise<void>
  readonly done: () => void
  readonly putAside: (() => void) | undefined
  failureCount: number
  isAside: boolean
}

/** About a minute of refusals. */
const failuresBeforeAside = 15
const asideWaitMs = 60_000
const firstWaitMs = 100
const waitMaxMs = 5000

export class Writer {
  readonly #options: WriterOptions
  #openCount = 0
  #failed: OpenWrite[] = []
  #retrying = 0
  #waitMs = firstWaitMs
  #timer: Timer | undefined = undefined
  readonly #aside = new Set<Timer>()
  #dead = false

  constructor(options: WriterOptions) {
    this.#options = options
  }

  /** Writes asked for and not yet durable. */
  get openCount(): number {
    return this.#openCount
  }

  /** The store refused a write that has not been repeated with success yet. */
  get isFailing(): boolean {
    return this.#dead || this.#failed.length > 0 || this.#retrying > 0
  }

  /**
   * `done` runs when it is written, and never before; not at all when the process has to stop. `putAside` runs at most
   * once, where the write is put aside: whoever waits for it should not any longer.
   */
  persist(write: () => Promise<void>, done: () => void, putAside?: () => void): void {
    this.#openCount++
    this.#try({ write, done, putAside, failureCount: 0, isAside: false }, false)
  }

  /** Nothing is repeated any more: what is not written is tried again by the next start. */
  stop(): void {
    this.#dead = true
    this.#timer?.cancel()
    for (const timer of this.#aside) timer.cancel()
  }

  #try(open: OpenWrite, again: boolean): void {
    if (again) this.#retrying++
    open.write().then(
      () => {
        if (again) {
          this.#retrying--
          this.#waitMs = firstWaitMs
        }
        this.#openCount--
        this.#finish(open)
      },
      (error: unknown) => {
        if (again) this.#retrying--
        this.#refused(open, error)
      },
    )
  }

  #finish(open: OpenWrite): void {
    try {
      open.done()
      this.#options.onChange()
    } catch (error) {
      this.#die(error)
    }
  }

  #refused(open: OpenWrite, error: unknown): void {
    const { clock, log, failures } = this.#options
    failures.add(1)
    if (this.#dead) return
    if (error instanceof AssertionFailed || (error instanceof StoreFailure && error.code === 'closed'))
      return this.#die(error)
    if (error instanceof StoreFailure && error.code === 'corrupt') {
      // The store has put the row aside; repeating would never end.
      log.error({ err: error }, 'result dropped: its row cannot be read')
      this.#openCount--
      return this.#finish(open)
    }
    open.failureCount++
    if (open.isAside) return this.#wait(open)
    this.#failed.push(open)
    if (this.#timer === undefined) {
      log.error(
        { err: error, waitMs: this.#waitMs, openCount: this.#openCount },
        'store refuses results, delivery pauses',
      )
      this.#timer = clock.setTimer(this.#waitMs, () => this.#retry())
      this.#waitMs = Math.min(waitMaxMs, this.#waitMs * 2)
    }
  }

  #retry(): void {
    this.#timer = undefined
    if (this.#dead) return
    const failed = this.#failed
    this.#failed = []
    const again = (): void => {
      for (const open of failed) this.#try(open, true)
    }
    if (failed.some((open) => open.failureCount < failuresBeforeAside)) return again()
    this.#retrying++
    this.#options.canary().then(
      () => {
        this.#retrying--
        this.#options.log.error({ count: failed.length }, 'store takes results but these: put aside')
        for (const open of failed) {
          open.isAside = true
          this.#wait(open)
          open.putAside?.()
        }
        this.#options.onChange()
      },
      () => {
        this.#retrying--
        again()
      },
    )
  }

  #wait(open: OpenWrite): void {
    const timer = this.#options.clock.setTimer(asideWaitMs, () => {
      this.#aside.delete(timer)
      if (!this.#dead) this.#try(open, false)
    })
    this.#aside.add(timer)
  }

  #die(error: unknown): void {
    if (this.#dead) return
    this.#dead = true
    this.#timer?.cancel()
    this.#options.onFatal(error)
  }
}
