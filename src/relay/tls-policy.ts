// Owns the decision how TLS is used with one host, and its reason in words: DANE, else MTA-STS, else what is configured;
// and what REQUIRETLS adds. Pure: everything it needs was asked for before.
// RFC 7672 sections 2.1 and 2.2 (DANE), RFC 8461 sections 4 and 5 (MTA-STS), RFC 8689 section 4.2.1 (REQUIRETLS).

import { isUsableTlsa } from '../auth/dane.ts'
import { stsAllows } from '../auth/mta-sts.ts'
import type { TlsaRecord } from '../dns/resolver.ts'
import type { TlsPolicy } from './route.ts'
import type { StsAnswer } from './sts-policies.ts'

/**
 * records: secure TLSA records, at least one; `base` is their domain. none: no DANE for this host, in words. temporary:
 * whether there is any cannot be known now.
 */
export type DaneLookup =
  | { readonly kind: 'records'; readonly records: readonly TlsaRecord[]; readonly base: string }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'temporary'; readonly reason: string }

export interface TlsFacts {
  /** The policy of the domain or route, and where it is written: 'relay.tls', 'the route'. */
  readonly configured: TlsPolicy
  readonly source: string
  /** As the MX record has it. */
  readonly host: string
  /** The MX records were validated by DNSSEC. */
  readonly mxSecure: boolean
  /** Absent: not asked for, as for a host of a route. */
  readonly dane?: DaneLookup
  readonly sts?: StsAnswer
  /** The message came with REQUIRETLS. */
  readonly requireTls: boolean
}

export type TlsDecision =
  | {
      readonly kind: 'use'
      readonly by: 'dane' | 'mta-sts' | 'configuration' | 'require-tls' | 'sender'
      readonly tls: TlsPolicy
      /** These have to fit the certificates. */
      readonly dane?: { readonly records: readonly TlsaRecord[]; readonly base: string }
      /** The policy is being tested: what would have failed is told. */
      readonly testing?: { readonly hostAllowed: boolean; readonly id: string }
      readonly text: string
    }
  /** This host gets nothing now. unmet: by REQUIRETLS, for good. */
  | {
      readonly kind: 'refuse'
      readonly why: 'lookup' | 'policy' | 'unmet'
      readonly text: string
    }

const order: readonly TlsPolicy[] = ['none', 'may', 'must', 'verify']
const stricter = (one: TlsPolicy, other: TlsPolicy): TlsPolicy =>
  order.indexOf(one) > order.indexOf(other) ? one : other

export function decideTls(facts: TlsFacts): TlsDecision {
  const decision = withoutRequireTls(facts)
  return facts.requireTls ? required(facts, decision) : decision
}

function withoutRequireTls({ configured, source, host, dane, sts }: TlsFacts): TlsDecision {
  // Who writes "never" means it: it is there for hosts whose TLS is broken.
  if (configured === 'none') return { kind: 'use', by: 'configuration', tls: 'none', text: `${source}: none` }
  // RFC 7672 section 2.1.2: what might be there and cannot be seen is treated as if it were.
  if (dane?.kind === 'temporary') return { kind: 'refuse', why: 'lookup', text: `DANE: ${dane.reason}` }
  const unusable = dane?.kind === 'records' && !dane.records.some(isUsableTlsa)
  if (dane?.kind === 'records' && !unusable) {
    const { records, base } = dane
    return { kind: 'use', by: 'dane', tls: 'must', dane: { records, base }, text: `DANE: TLSA of ${base}` }
  }
  const { tls, by, testing, text, refused } = bySts({ configured, source, host, dane, sts })
  if (refused) return { kind: 'refuse', why: sts?.kind === 'temporary' ? 'lookup' : 'policy', text }
  if (!unusable) return { kind: 'use', by, tls, text, ...(testing !== undefined && { testing }) }
  // RFC 7672 section 2.2: records that are no use still mean that TLS is there; who the host is, others may say.
  const mixed = `DANE: the TLSA records of ${dane.base} are of no use, TLS is a must; ${text}`
  const how = {
    kind: 'use',
    by: by === 'mta-sts' ? by : 'dane',
    tls: stricter('must', tls),
    text: mixed,
  } as const
  return testing === undefined ? how : { ...how, testing }
}

interface ByDomain {
  readonly tls: TlsPolicy
  readonly by: 'mta-sts' | 'configuration'
  readonly text: string
  readonly refused?: true
  readonly testing?: { readonly hostAllowed: boolean; readonly id: string }
}

function bySts({
  configured,
  source,
  host,
  dane,
  sts,
}: Pick<TlsFacts, 'configured' | 'source' | 'host'> & {
  readonly dane: DaneLookup | undefined
  readonly sts: StsAnswer | undefined
}): ByDomain {
  const own = `${source}: ${configured}`
  if (sts?.kind === 'temporary')
    return { tls: configured, by: 'configuration', text: sts.reason, refused: true }
  if (sts?.kind !== 'policy') {
    const reasons = [dane, sts].flatMap((one) => (one?.kind === 'none' ? [one.reason] : []))
    const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`
    return { tls: configured, by: 'configuration', text: `${own}${why}` }
  }
  const { policy, note } = sts
  const hostAllowed = stsAllows(policy, host)
  const name = `MTA-STS ${policy.mode}, id ${policy.id}${note === undefined ? '' : ` (${note})`}`
  if (policy.mode === 'enforce') {
    if (hostAllowed) return { tls: 'verify', by: 'mta-sts', text: name }
    return { tls: 'verify', by: 'mta-sts', refused: true, text: `${name}: ${host} is not one of its hosts` }
  }
  // RFC 8461 section 5: testing changes nothing but what is told.
  const would = hostAllowed ? '' : `, ${host} is not one of its hosts`
  const testing = { hostAllowed, id: policy.id }
  return { tls: configured, by: 'mta-sts', text: `${name}${would}; ${own}`, testing }
}

/** RFC 8689 section 4.2.1: the host is known to be the domain's (DNSSEC or MTA-STS), and its certificate is verified. */
function required({ mxSecure, sts, configured }: TlsFacts, decision: TlsDecision): TlsDecision {
  if (decision.kind === 'refuse' || decision.dane !== undefined) return decision
  if (decision.tls === 'verify') return decision
  const byPolicy = sts?.kind === 'policy' && decision.testing?.hostAllowed !== false
  if (configured !== 'none' && (mxSecure || byPolicy)) {
    const { testing: _, ...rest } = decision
    const text = `REQUIRETLS: verified, the host is known by ${mxSecure ? 'DNSSEC' : 'MTA-STS'}; ${decision.text}`
    return { ...rest, by: 'require-tls', tls: 'verify', text }
  }
  const text = `REQUIRETLS: neither DNSSEC nor MTA-STS says which hosts are the domain's; ${decision.text}`
  return { kind: 'refuse', why: 'unmet', text }
}
