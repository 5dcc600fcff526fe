// Owns how many requests of those who need no login are taken: so many a minute from one address, and from all. Bounded in
// memory. IPv6 counts by /64: whoever has one address has them all.

import type { Clock } from '../base/clock.ts'
import { ipVersion } from '../base/ip.ts'

export interface RequestRateOptions {
  readonly clock: Clock
  readonly perAddress: number
  readonly all: number
}

const minuteMs = 60_000
const addressesMax = 10_000

export class RequestRate {
  readonly #options: RequestRateOptions
  #minute = -1
  #all = 0
  readonly #counts = new Map<string, number>()

  constructor(options: RequestRateOptions) {
    this.#options = options
  }

  /** Counts one more. Seconds to wait; undefined: it may come in. */
  enter(address: string): number | undefined {
    const { clock, perAddress, all } = this.#options
    const now = clock.now()
    const minute = Math.floor(now / minuteMs)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#all = 0
      this.#counts.clear()
    }
    const key = networkOf(address)
    const count = this.#counts.get(key) ?? 0
    const isFull = count === 0 && this.#counts.size >= addressesMax
    if (this.#all >= all || count >= perAddress || isFull)
      return Math.ceil(((minute + 1) * minuteMs - now) / 1000)
    this.#all++
    this.#counts.set(key, count + 1)
    return undefined
  }
}

function networkOf(address: string): string {
  if (ipVersion(address) !== 6) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':')
    while (groups.length + rest.length < 8) groups.push('0')
    groups.push(...rest)
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
