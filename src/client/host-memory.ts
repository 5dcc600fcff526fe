// Owns what is known of addresses that did not answer a moment ago: they are tried after the others, not left out. Bounded
// in count and time. RFC 5321 section 4.5.4.1 (a host that was found unreachable need not be tried for each message).

import type { Clock } from '../base/clock.ts'

export interface HostMemoryOptions {
  readonly clock: Clock
  /** How long it is remembered. Default 60 s. */
  readonly forMs?: number
  /** The oldest is forgotten beyond. Default 1000. */
  readonly entriesMax?: number
}

export class HostMemory {
  readonly #clock: Clock
  readonly #forMs: number
  readonly #entriesMax: number
  /** Address and port to the instant at which it is forgotten; the oldest first. */
  readonly #deadUntil = new Map<string, number>()

  constructor({ clock, forMs = 60_000, entriesMax = 1000 }: HostMemoryOptions) {
    this.#clock = clock
    this.#forMs = forMs
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#deadUntil.size
  }

  /** No connection came to be. */
  failed(address: string, port: number): void {
    const key = keyOf(address, port)
    this.#deadUntil.delete(key)
    this.#deadUntil.set(key, this.#clock.now() + this.#forMs)
    if (this.#deadUntil.size <= this.#entriesMax) return
    for (const oldest of this.#deadUntil.keys()) {
      this.#deadUntil.delete(oldest)
      break
    }
  }

  answered(address: string, port: number): void {
    if (this.#deadUntil.size > 0) this.#deadUntil.delete(keyOf(address, port))
  }

  isDead(address: string, port: number): boolean {
    if (this.#deadUntil.size === 0) return false
    const key = keyOf(address, port)
    const until = this.#deadUntil.get(key)
    if (until === undefined) return false
    if (this.#clock.now() < until) return true
    this.#deadUntil.delete(key)
    return false
  }

  /** Those that are not known to be dead first; else the order stays. */
  inOrder<T extends { readonly address: string }>(candidates: readonly T[], port: number): readonly T[] {
    if (this.#deadUntil.size === 0) return candidates
    const dead = candidates.filter((one) => this.isDead(one.address, port))
    if (dead.length === 0 || dead.length === candidates.length) return candidates
    return [...candidates.filter((one) => !dead.includes(one)), ...dead]
  }
}

const keyOf = (address: string, port: number): string => `${address} ${port}`
