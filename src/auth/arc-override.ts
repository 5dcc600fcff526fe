// Owns what the word of a trusted forwarder is worth against DMARC: who passed a message on, changed it, and sealed that it was
// in order when it came to him. Whom to trust is local policy. Pure. RFC 8617 section 7.2, RFC 7489 appendix A and RFC 9990
// (`trusted_forwarder`).

import { tryParseDomain } from '../base/domain.ts'
import type { ArcReport, ArcSetResult } from './arc-verify.ts'
import { parseAuthenticationResults } from './auth-results-reader.ts'

/** Plain data. */
export interface TrustedForwarder {
  /** The sealer whose word is believed: d= of his seal. */
  readonly domain: string
  /** The set that holds it. */
  readonly instance: number
}

export interface TrustInput {
  readonly arc: ArcReport
  /** The author's, A-labels, lower case. */
  readonly domain: string
  /** 'lists.test', or '.lists.test': names below it. A-labels, lower case. */
  readonly trustedSealers: readonly string[]
}

/**
 * Believed is the trusted sealer who had the message first, as long as everybody behind him is trusted, too: what he says it
 * was when it came to him is older than any change by those. He must have seen DMARC pass for the very author that the
 * message has now. What stands before his set was written by strangers, who can write what they like.
 */
export function findTrustedForwarder({
  arc,
  domain,
  trustedSealers,
}: TrustInput): TrustedForwarder | undefined {
  if (arc.result !== 'pass' || domain === '') return undefined
  let first: ArcSetResult | undefined
  for (let index = arc.sets.length - 1; index >= 0; index--) {
    const set = arc.sets[index]
    if (set === undefined || !isTrusted(set.domain, trustedSealers)) break
    first = set
  }
  if (first === undefined || !sawPass(first, domain)) return undefined
  return { domain: first.domain, instance: first.instance }
}

const isTrusted = (sealer: string, trusted: readonly string[]): boolean =>
  trusted.some((one) => (one.startsWith('.') ? sealer.endsWith(one) : sealer === one))

// ARC-Authentication-Results: i=1; and then as Authentication-Results (RFC 8617 section 4.1.1).
const instanceTag = /^[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*[0-9]{1,3}[ \t\r\n]*;/

function sawPass({ results }: ArcSetResult, domain: string): boolean {
  const read = parseAuthenticationResults(results.replace(instanceTag, ''))
  if (!read.ok) return false
  const said = read.results.filter(({ method }) => method.toLowerCase() === 'dmarc')
  // Two words about one thing are none.
  const [dmarc, ...more] = said
  if (dmarc === undefined || more.length > 0 || dmarc.result.toLowerCase() !== 'pass') return false
  const from = dmarc.properties.filter(
    ({ ptype, property }) => ptype.toLowerCase() === 'header' && property.toLowerCase() === 'from',
  )
  return from.length === 1 && tryParseDomain(from[0]?.value ?? '')?.ascii === domain
}
