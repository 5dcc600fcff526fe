// Owns what is known of addresses that could not be reached: for how long each is skipped, and how many may try it at
// once, so that any number of messages for any number of domains behind a dead host make few dials. It dials nothing.
// RFC 5321 section 4.5.4.1 (a client should keep a list of hosts it cannot reach).

import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

export interface HostHealthOptions {
  readonly clock: Clock
  readonly random: Random
  /** First time for which a failed address is skipped. Default 30 s. */
  readonly firstMs?: number
  /** Longest. Default 10 min. */
  readonly maxMs?: number
  /** Dials of one address at the same time while nothing is known against it. Default 20. */
  readonly dialsMax?: number
  /** Addresses remembered; the oldest is forgotten. Default 10,000. */
  readonly hostsMax?: number
}

export interface HostProblem {
  readonly skipUntil: number
  readonly reason: string
}

interface State {
  failureCount: number
  skipUntil: number
  reason: string
  dialingCount: number
  waiters: (() => void)[]
}

/** May this address be dialed? dial: yes, and `settle` must follow. skip: no. wait: ask again when it resolves. */
export type Gate =
  | { readonly kind: 'dial' }
  | { readonly kind: 'skip'; readonly problem: HostProblem }
  | { readonly kind: 'wait'; readonly until: Promise<void> }

const dial: Gate = { kind: 'dial' }

export class HostHealth {
  readonly #options: Required<HostHealthOptions>
  readonly #hosts = new Map<string, State>()

  constructor(options: HostHealthOptions) {
    this.#options = { firstMs: 30_000, maxMs: 600_000, dialsMax: 20, hostsMax: 10_000, ...options }
  }

  /** Addresses that are skipped or being dialed. */
  get size(): number {
    return this.#hosts.size
  }

  enter(key: string): Gate {
    const state = this.#state(key)
    const failed = state.failureCount > 0
    // A failed address is tried by one at a time, once its time is over.
    if (failed && (this.#options.clock.now() < state.skipUntil || state.dialingCount > 0))
      return { kind: 'skip', problem: { skipUntil: state.skipUntil, reason: state.reason } }
    if (state.dialingCount >= this.#options.dialsMax)
      return { kind: 'wait', until: new Promise((resolve) => state.waiters.push(resolve)) }
    state.dialingCount++
    return dial
  }

  /** The dial that `enter` allowed has ended; `failure` says why it failed, undefined: it is reachable. */
  settle(key: string, failure: string | undefined): void {
    const state = this.#state(key)
    state.dialingCount--
    if (failure === undefined) state.failureCount = 0
    else this.#punish(state, failure)
    for (const wake of state.waiters.splice(0)) wake()
    if (state.failureCount === 0 && state.dialingCount === 0) this.#hosts.delete(key)
  }

  /** The dial did not happen, or was stopped by us: nothing was learnt. */
  leave(key: string): void {
    const state = this.#state(key)
    state.dialingCount--
    for (const wake of state.waiters.splice(0)) wake()
    if (state.failureCount === 0 && state.dialingCount === 0) this.#hosts.delete(key)
  }

  #punish(state: State, reason: string): void {
    const { clock, random, firstMs, maxMs } = this.#options
    const now = clock.now()
    state.reason = reason
    // Dials that were under way together count as one failure.
    if (state.failureCount > 0 && now < state.skipUntil) return
    state.failureCount++
    const wait = Math.min(maxMs, firstMs * 2 ** (state.failureCount - 1))
    state.skipUntil = now + wait * (0.9 + 0.2 * random.fraction())
  }

  #state(key: string): State {
    let state = this.#hosts.get(key)
    if (state === undefined) {
      state = { failureCount: 0, skipUntil: 0, reason: '', dialingCount: 0, waiters: [] }
      if (this.#hosts.size >= this.#options.hostsMax) this.#forgetOne()
      this.#hosts.set(key, state)
    }
    return state
  }

  #forgetOne(): void {
    for (const [key, state] of this.#hosts) {
      if (state.dialingCount > 0) continue
      this.#hosts.delete(key)
      return
    }
  }
}
