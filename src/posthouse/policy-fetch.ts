// Owns reading an MTA-STS policy over HTTPS: the certificate is verified as any browser would (PKIX), no redirect is
// followed, only text/plain of at most 64 KiB is taken, and never from an address of a private network.
// RFC 8461 sections 3.2 (media type) and 3.3 (fetch).

import type { Resolver } from '../dns/resolver.ts'
import { guardedFetch } from '../net/guarded-fetch.ts'
import type { PolicyFetch } from '../relay/sts-policies.ts'

export interface PolicyFetchOptions {
  /** Asked for the addresses of the policy's host. */
  readonly resolver: Pick<Resolver, 'a' | 'aaaa'>
  /** Of silence; the whole has its own deadline. Default 10 s. */
  readonly timeoutMs?: number
  /** For tests and closed networks. Defaults 443 and false. */
  readonly port?: number
  readonly allowPrivate?: boolean
}

const policyBytesMax = 65_536

export function createPolicyFetch(options: PolicyFetchOptions): PolicyFetch {
  const { resolver, timeoutMs = 10_000, port, allowPrivate = false } = options
  return async (url, signal) => {
    const addressesOf = async (host: string): Promise<readonly string[]> => {
      const answers = await Promise.all([resolver.a(host, { signal }), resolver.aaaa(host, { signal })])
      const addresses = answers.flatMap((answer) => (answer.kind === 'records' ? answer.records : []))
      const failed = answers.find((answer) => answer.kind === 'temporary')
      if (addresses.length === 0 && failed?.kind === 'temporary')
        throw new Error(`address of ${host}: ${failed.reason}`)
      return addresses
    }
    const where = new URL(url)
    if (port !== undefined) where.port = String(port)
    const body = await guardedFetch(where.href, {
      bytesMax: policyBytesMax,
      redirectsMax: 0,
      mediaType: 'text/plain',
      timeoutMs,
      allowPrivate,
      signal,
      addressesOf,
    })
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
}
