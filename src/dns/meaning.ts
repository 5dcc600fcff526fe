// Owns what a DNS response means: records, none, ask on under another name, or no use. Pure; the wire is net's.
// RFC 1034 section 3.6.2 (CNAME), RFC 2308 (negative answers), RFC 6604 (rcode and CNAME chains), RFC 8914 (extended errors).

import type { DnsAnswer } from './resolver.ts'

export interface DnsRecord<D> {
  /** Lower-case, without final dot. */
  readonly name: string
  readonly ttlSeconds: number
  readonly data: D
}

/** A response that fits its question, sorted by what matters for one type of record. */
export interface DnsResponse<D> {
  /** 'NOERROR', 'NXDOMAIN', 'SERVFAIL', ... */
  readonly rcode: string
  readonly authoritative: boolean
  /** The AD bit, from a server whose word on it we take. */
  readonly secure: boolean
  /** Records of the type that was asked for. */
  readonly records: readonly DnsRecord<D>[]
  readonly cnames: readonly DnsRecord<string>[]
  /** SOA of the authority section: min(TTL, MINIMUM), RFC 2308 section 5. */
  readonly negativeTtlSeconds?: number
  /** The authority section has NS records and no SOA. */
  readonly hasReferral: boolean
  /** RFC 8914: what the server says about its answer, at most a few. */
  readonly extendedErrors?: readonly ExtendedError[]
}

export interface ExtendedError {
  readonly code: number
  /** Printable, short; often empty. */
  readonly text: string
}

/** RFC 8914 section 4.7 to 4.13: data that was there and did not validate, or that a signed zone has to have and had not. */
const bogusWords: Readonly<Record<number, string>> = {
  6: 'DNSSEC bogus',
  7: 'signature expired',
  8: 'signature not yet valid',
  9: 'DNSKEY missing',
  10: 'RRSIGs missing',
  11: 'no zone key bit set',
  12: 'NSEC missing',
}

export type Meaning<D> =
  | { readonly kind: 'answer'; readonly answer: DnsAnswer<D> }
  /** A CNAME whose target the response does not speak of. */
  | { readonly kind: 'alias'; readonly target: string; readonly ttlSeconds: number; readonly secure: boolean }
  /** Another server may know better. */
  | { readonly kind: 'useless'; readonly reason: string; readonly bogus?: true }

/** CNAMEs in a row; beyond it they are called a loop. */
export const aliasesMax = 8

/** A negative answer without SOA should not be cached (RFC 2308 section 5); a minute spares a broken zone's servers. */
const bareNegativeTtlSeconds = 60

export function meaningOf<D>(response: DnsResponse<D>, question: string): Meaning<D> {
  const { rcode, secure } = response
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return failureOf(response)
  const seen = new Set([question])
  let name = question
  let ttlSeconds = Number.POSITIVE_INFINITY
  for (;;) {
    const alias = response.cnames.find((record) => record.name === name)
    if (alias === undefined) break
    if (seen.has(alias.data) || seen.size > aliasesMax) return temporary(`CNAME loop at ${question}`)
    seen.add(alias.data)
    name = alias.data
    ttlSeconds = Math.min(ttlSeconds, alias.ttlSeconds)
  }
  const found = response.records.filter((record) => record.name === name)
  if (found.length > 0) {
    for (const record of found) ttlSeconds = Math.min(ttlSeconds, record.ttlSeconds)
    return {
      kind: 'answer',
      answer: {
        kind: 'records',
        records: found.map((record) => record.data),
        ttlSeconds,
        secure,
        ...(name !== question && { target: name }),
      },
    }
  }
  // RFC 6604 section 3: with a chain, NXDOMAIN speaks of its end; and that is the name that mail would go to.
  const nameExists = rcode === 'NOERROR'
  if (nameExists && response.negativeTtlSeconds === undefined) {
    if (name !== question) return { kind: 'alias', target: name, ttlSeconds, secure }
    if (response.hasReferral && !response.authoritative)
      return { kind: 'useless', reason: 'a referral, not an answer' }
  }
  const negativeTtl = response.negativeTtlSeconds ?? bareNegativeTtlSeconds
  const answer = { kind: 'none', nameExists, ttlSeconds: Math.min(ttlSeconds, negativeTtl), secure } as const
  return { kind: 'answer', answer }
}

function failureOf({ rcode, extendedErrors = [] }: DnsResponse<unknown>): Meaning<never> {
  const bogus = rcode === 'SERVFAIL' ? extendedErrors.find(({ code }) => code in bogusWords) : undefined
  const known = bogus ?? extendedErrors[0]
  const words = known === undefined ? '' : [bogusWords[known.code], known.text].filter(Boolean).join(', ')
  const reason = words === '' ? rcode : `${rcode} (${words})`
  return bogus === undefined ? { kind: 'useless', reason } : { kind: 'useless', reason, bogus: true }
}

const temporary = (reason: string): Meaning<never> => ({
  kind: 'answer',
  answer: { kind: 'temporary', reason },
})
