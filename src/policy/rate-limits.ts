// Owns limits of how much one address, network or identity may do in a time that slides: counts of two windows, the older
// one weighed by what still lies in it. Bounded in memory: the longest unused is forgotten first.

import type { Clock } from '../base/clock.ts'
import { formatDuration } from '../base/duration.ts'
import { networkKey } from '../base/ip.ts'
import type { CheckVerdict } from './inbound-verdict.ts'
import { senderNetwork } from './reverse-address.ts'

export interface RateLimit {
  /** address: IPv6 by its /64. network: /24, /64. identity: who logged in; others are not counted. */
  readonly by: 'address' | 'network' | 'identity'
  readonly of: 'connections' | 'messages' | 'recipients'
  readonly max: number
  readonly perMs: number
}

export interface RateSubject {
  readonly address: string
  readonly identity: string | undefined
}

interface Window {
  /** Of the window that `startedAt` opens, and of the one before. */
  count: number
  before: number
  startedAt: number
}

export interface RateLimitsOptions {
  readonly clock: Clock
  readonly limits: readonly RateLimit[]
  /** Subjects remembered, for each limit. Default 20,000. */
  readonly entriesMax?: number
}

const keyCharsMax = 320

export class RateLimits {
  readonly #clock: Clock
  readonly #entriesMax: number
  readonly #limits: readonly { readonly limit: RateLimit; readonly windows: Map<string, Window> }[]

  constructor({ clock, limits, entriesMax = 20_000 }: RateLimitsOptions) {
    this.#clock = clock
    this.#entriesMax = entriesMax
    this.#limits = limits.map((limit) => ({ limit, windows: new Map() }))
  }

  /** Counts one more; a verdict where a limit is passed (what was refused counts in no other limit). */
  take(of: RateLimit['of'], subject: RateSubject): CheckVerdict | undefined {
    const now = this.#clock.now()
    const taken: Window[] = []
    for (const { limit, windows } of this.#limits) {
      if (limit.of !== of) continue
      const key = keyOf(limit.by, subject)
      if (key === undefined) continue
      const window = this.#slide(windows, key, limit.perMs, now)
      const share = 1 - (now - window.startedAt) / limit.perMs
      if (window.count + window.before * share + 1 > limit.max) {
        for (const one of taken) one.count--
        return tooMany(limit, key)
      }
      window.count++
      taken.push(window)
    }
    return undefined
  }

  #slide(windows: Map<string, Window>, key: string, perMs: number, now: number): Window {
    const old = windows.get(key)
    windows.delete(key)
    if (windows.size >= this.#entriesMax) windows.delete(windows.keys().next().value as string)
    const window = old ?? { count: 0, before: 0, startedAt: now }
    const passed = Math.floor((now - window.startedAt) / perMs)
    if (passed !== 0) {
      // A clock that went back begins anew.
      window.before = passed === 1 ? window.count : 0
      window.count = 0
      window.startedAt = passed > 0 ? window.startedAt + passed * perMs : now
    }
    windows.set(key, window)
    return window
  }
}

function keyOf(by: RateLimit['by'], { address, identity }: RateSubject): string | undefined {
  switch (by) {
    case 'address':
      return networkKey(address)
    case 'network':
      return senderNetwork(address)
    case 'identity':
      return identity?.toLowerCase().slice(0, keyCharsMax)
  }
}

function tooMany({ by, of, max, perMs }: RateLimit, key: string): CheckVerdict {
  const words = `more than ${max} ${of} in ${formatDuration(perMs)}`
  return {
    check: 'rate',
    name: `${of} by ${by}`,
    result: 'over',
    reason: `${key}: ${words}`,
    advice: 'defer',
    reply: { code: 450, status: '7.1', text: `${words} from you, try again later` },
    data: { max, perMs },
  }
}
