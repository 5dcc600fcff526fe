// Owns the real world of a probe where the caller gives none: the DNS client, sockets, time, and the fetcher of MTA-STS
// policies. RFC 8461 section 3.3 (no redirects, 64 kB).

import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { createCachingResolver } from '../dns/cache.ts'
import type { Resolver } from '../dns/resolver.ts'
import { createDialer } from '../net/dial.ts'
import { createDnsClient } from '../net/dns-client.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import type { PolicyFetcher } from './probe-dns.ts'

export interface ProbeWorldOptions {
  /** '192.0.2.53', '192.0.2.53:5353'; default: the system's. */
  readonly dnsServers?: readonly string[]
  /** Of each step. */
  readonly timeoutMs: number
}

/** For RFC 8461 section 3.3. */
const policyBytesMax = 64 * 1024

/** @throws Error that names a DNS server that is not an address */
export function createProbeWorld(options: ProbeWorldOptions): {
  readonly clock: Clock
  readonly random: Random
  readonly resolver: Resolver
  readonly dialer: ReturnType<typeof createDialer>
  readonly fetchPolicy: PolicyFetcher
} {
  const clock = realClock
  const random = realRandom
  const lookup = createDnsClient({
    clock,
    random,
    // For showing what the resolver says; nothing is decided by it.
    trustAd: true,
    deadlineMs: options.timeoutMs,
    tryTimeoutMs: Math.min(3000, options.timeoutMs),
    ...(options.dnsServers !== undefined && { servers: options.dnsServers }),
  })
  const resolver = createCachingResolver({ lookup, clock, entriesMax: 1000 })
  const fetchPolicy = createPolicyFetcher(resolver, options.timeoutMs)
  return { clock, random, resolver, dialer: createDialer({ clock }), fetchPolicy }
}

/** Follows no redirect, asks `resolver` for the host's address and takes no private one. */
export const createPolicyFetcher =
  (resolver: Resolver, timeoutMs: number): PolicyFetcher =>
  async (url, signal) => {
    const addressesOf = async (host: string): Promise<readonly string[]> => {
      const answers = await Promise.all([resolver.a(host, { signal }), resolver.aaaa(host, { signal })])
      const addresses = answers.flatMap((answer) => (answer.kind === 'records' ? answer.records : []))
      const failed = answers.find((answer) => answer.kind === 'temporary')
      if (addresses.length === 0 && failed?.kind === 'temporary')
        throw new Error(`address of ${host}: ${failed.reason}`)
      return addresses
    }
    const chunks: Uint8Array[] = []
    const { guardedFetch } = await import('../net/guarded-fetch.ts')
    const body = await guardedFetch(url, {
      bytesMax: policyBytesMax,
      redirectsMax: 0,
      timeoutMs,
      signal,
      addressesOf,
    })
    for await (const chunk of body) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
