// Owns idle sessions and the count of open ones, per key (destination and identity). It never lets more connections of a
// key exist than allowed; it dials nothing and queues no mail: who finds no room may wait for a change.

import type { Clock, Timer } from '../base/clock.ts'
import { AbortFan } from './abort-fan.ts'
import type { ClientSession } from './session.ts'

export interface PoolOptions {
  readonly clock: Clock
  /** An unused session says QUIT after this. Default 5 s: well below what servers allow. */
  readonly idleTimeoutMs?: number
  /** Transactions on one connection; a peer's MAILMAX (RFC 9422) may lower it. Default 100. */
  readonly transactionsMax?: number
  /** Age at which a session is not reused, whatever its use. Default 5 min: DNS and routes change. */
  readonly lifetimeMs?: number
}

interface Idle {
  readonly session: ClientSession
  readonly since: number
}

interface Place {
  /** Most recently used last. */
  idle: Idle[]
  /** Connections that exist, QUIT on its way included, and slots given out. */
  openCount: number
  waiters: (() => void)[]
}

/** The right to have one more connection. `release` (once) when there is none; else it goes with the session. */
export interface Slot {
  readonly key: string
  release(): void
}

export class SessionPool {
  readonly #options: Required<PoolOptions>
  readonly #places = new Map<string, Place>()
  readonly #fan = new AbortFan()
  #timer: Timer | undefined
  #closed = false
  #idleCount = 0

  constructor(options: PoolOptions) {
    this.#options = { idleTimeoutMs: 5_000, transactionsMax: 100, lifetimeMs: 300_000, ...options }
  }

  get idleCount(): number {
    return this.#idleCount
  }

  /** Connections that exist, of one key or of all. */
  openCount(key?: string): number {
    if (key !== undefined) return this.#places.get(key)?.openCount ?? 0
    let count = 0
    for (const place of this.#places.values()) count += place.openCount
    return count
  }

  /** The most recently used idle session that is usable and fits. */
  take(key: string, fits?: (session: ClientSession) => boolean): ClientSession | undefined {
    const idle = this.#places.get(key)?.idle
    if (idle === undefined) return undefined
    for (let i = idle.length - 1; i >= 0; i--) {
      const one = idle[i] as Idle
      const session = one.session
      if (fits !== undefined && !fits(session)) continue
      idle.splice(i, 1)
      this.#idleCount--
      if (session.usable && this.#options.clock.now() - session.openedAt < this.#options.lifetimeMs)
        return session
      void session.quit()
    }
    return undefined
  }

  /** Room for one more connection, or undefined; then wait for `change` and look again. */
  slot(key: string, connectionsMax: number): Slot | undefined {
    const place = this.#place(key)
    return place.openCount < connectionsMax ? this.#slot(key, place) : undefined
  }

  /**
   * Resolves when a session of this key was given back or is gone. Idle ones that did not fit the caller make way:
   * call it only after `take` and `slot` gave nothing. Rejects when aborted.
   */
  change(key: string, signal: AbortSignal): Promise<void> {
    const place = this.#place(key)
    void place.idle[0]?.session.quit()
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const stopWatching = this.#fan.add(signal, () => {
        place.waiters = place.waiters.filter((one) => one !== wake)
        reject(signal.reason)
      })
      const wake = (): void => {
        stopWatching()
        resolve()
      }
      place.waiters.push(wake)
    })
  }

  #slot(key: string, place: Place): Slot {
    place.openCount++
    let held = true
    const release = (): void => {
      if (!held) return
      held = false
      place.openCount--
      place.waiters.shift()?.()
      if (place.openCount === 0 && place.waiters.length === 0 && this.#places.get(key) === place)
        this.#places.delete(key)
    }
    return { key, release }
  }

  #place(key: string): Place {
    let place = this.#places.get(key)
    if (place === undefined) {
      place = { idle: [], openCount: 0, waiters: [] }
      this.#places.set(key, place)
    }
    return place
  }

  /** Gives a session back: it waits for its next use, or says QUIT when it has served enough. */
  put(key: string, session: ClientSession): void {
    const { transactionsMax, clock, idleTimeoutMs } = this.#options
    const place = this.#place(key)
    const most = Math.min(transactionsMax, session.capabilities.transactionsMax ?? transactionsMax)
    if (!session.usable || this.#closed || session.transactionCount >= most) {
      void session.quit()
      return
    }
    const entry = { session, since: clock.now() }
    place.idle.push(entry)
    this.#idleCount++
    session.onGone = () => {
      const at = place.idle.indexOf(entry)
      if (at === -1) return
      place.idle.splice(at, 1)
      this.#idleCount--
    }
    place.waiters.shift()?.()
    this.#timer ??= clock.setTimer(idleTimeoutMs, () => this.#sweep())
  }

  #sweep(): void {
    this.#timer = undefined
    const { clock, idleTimeoutMs } = this.#options
    const now = clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const place of this.#places.values()) {
      for (const one of [...place.idle]) {
        if (now - one.since >= idleTimeoutMs) void one.session.quit()
        else next = Math.min(next, one.since + idleTimeoutMs)
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.#timer = clock.setTimer(next - now, () => this.#sweep())
  }

  /** Says QUIT on every idle session; later ones say it when they are given back. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    const quits: Promise<void>[] = []
    for (const place of this.#places.values())
      for (const one of [...place.idle]) quits.push(one.session.quit())
    await Promise.all(quits)
  }
}
