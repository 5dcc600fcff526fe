// Owns the slowing down of those who guess passwords: failures are counted per account and per address, and after some of
// them each further try has to wait, longer each time. Bounded in memory; it forgets by time. RFC 4954 sections 6 and 9.

import type { Clock } from '../base/clock.ts'
import { formatDuration } from '../base/duration.ts'
import { networkKey } from '../base/ip.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'

export interface AuthThrottleOptions {
  readonly clock: Clock
  /** Failures of one account name before its next try has to wait. Default 5. */
  readonly accountFailuresMax?: number
  /** The same for one address (IPv6: its /64), whatever the names. Default 20. */
  readonly addressFailuresMax?: number
  /** The first wait; each further failure doubles it. Default 2 s. */
  readonly firstWaitMs?: number
  /** Default 5 minutes. */
  readonly waitMsMax?: number
  /** Failures are forgotten so long after the last one. Default 1 hour. */
  readonly forgetMs?: number
  /** Accounts, addresses and known pairs that are remembered, each; the longest unused go first. Default 10,000. */
  readonly entriesMax?: number
}

export interface LoginAttempt {
  /** As the client gave it; undefined while it has not said. */
  readonly username: string | undefined
  readonly address: string
}

export interface AuthThrottle {
  /**
   * Accept, or 454 4.7.0 with the wait. Accepting a try of a name or address that is being slowed down takes its turn:
   * further tries meanwhile have to wait, so that a hundred connections guess no faster than one.
   */
  allow(attempt: LoginAttempt): Verdict
  report(attempt: { readonly username: string; readonly address: string; readonly ok: boolean }): void
}

interface Failures {
  count: number
  lastAt: number
  blockedUntil: number
}

const nameCharsMax = 320

export function createAuthThrottle(options: AuthThrottleOptions): AuthThrottle {
  const {
    clock,
    firstWaitMs = 2000,
    waitMsMax = 300_000,
    forgetMs = 3_600_000,
    entriesMax = 10_000,
  } = options
  const accountFailuresMax = options.accountFailuresMax ?? 5
  const addressFailuresMax = options.addressFailuresMax ?? 20
  const accounts = new Map<string, Failures>()
  const addresses = new Map<string, Failures>()
  /** Accounts with an address from which they logged in: nobody elsewhere can lock them out there. */
  const known = new Map<string, number>()

  const live = (entries: Map<string, Failures>, key: string, now: number): Failures | undefined => {
    const entry = entries.get(key)
    if (entry === undefined || now - entry.lastAt < forgetMs) return entry
    entries.delete(key)
    return undefined
  }
  const waitMs = (count: number, max: number): number =>
    count < max ? 0 : Math.min(waitMsMax, firstWaitMs * 2 ** Math.min(30, count - max))
  const fail = (entries: Map<string, Failures>, key: string, max: number, now: number): void => {
    const count = (live(entries, key, now)?.count ?? 0) + 1
    put(entries, key, { count, lastAt: now, blockedUntil: now + waitMs(count, max) }, entriesMax)
  }

  return {
    allow({ username, address }): Verdict {
      const now = clock.now()
      const network = networkKey(address)
      const ofAddress = live(addresses, network, now)
      const name = username === undefined ? undefined : accountKey(username)
      const isKnown = name !== undefined && known.has(`${name}\0${network}`)
      const ofAccount = name === undefined || isKnown ? undefined : live(accounts, name, now)
      const until = Math.max(ofAddress?.blockedUntil ?? 0, ofAccount?.blockedUntil ?? 0)
      if (until > now) return slowDown(until - now)
      if (name === undefined) return accept
      if (ofAddress !== undefined) ofAddress.blockedUntil = now + waitMs(ofAddress.count, addressFailuresMax)
      if (ofAccount !== undefined) ofAccount.blockedUntil = now + waitMs(ofAccount.count, accountFailuresMax)
      return accept
    },
    report({ username, address, ok }): void {
      const now = clock.now()
      const network = networkKey(address)
      const name = accountKey(username)
      if (!ok) {
        fail(accounts, name, accountFailuresMax, now)
        fail(addresses, network, addressFailuresMax, now)
        return
      }
      accounts.delete(name)
      put(known, `${name}\0${network}`, now, entriesMax)
      // The count stays: who has one account of his own must not reset it between guesses at others.
      const ofAddress = addresses.get(network)
      if (ofAddress !== undefined) ofAddress.blockedUntil = 0
    },
  }
}

const accountKey = (username: string): string => username.slice(0, nameCharsMax).toLowerCase()

function put<V>(entries: Map<string, V>, key: string, value: V, max: number): void {
  entries.delete(key)
  if (entries.size >= max) entries.delete(entries.keys().next().value as string)
  entries.set(key, value)
}

/** RFC 4954 section 6: 454 4.7.0. */
function slowDown(waitMs: number): Verdict {
  const wait = formatDuration(Math.ceil(waitMs / 1000) * 1000)
  return refuse(reply(454, '7.0', `too many failed logins, try again in ${wait}`))
}
