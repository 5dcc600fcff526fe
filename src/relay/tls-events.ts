// Owns what is told of TLS between us and the hosts of a mail domain, one event for each session that was tried: under which
// policy, and how it went, in the words of RFC 8460. It counts and keeps nothing. Sessions that failed before TLS was
// spoken of (no connection, no greeting) are no events; nor are those whose policy was not the domain's to choose.
// RFC 8460 sections 4.3 (result types) and 4.4 (policies).

import type { SessionFailure } from '../client/session-options.ts'
import type { TlsaRecord } from '../dns/resolver.ts'
import type { Candidate, HostSearch } from './host-search.ts'
import type { UsableTls } from './host-tls.ts'
import type { StsEntry } from './sts-policies.ts'
import { tlsaHost } from './tls-policies.ts'
import type { TlsDecision } from './tls-policy.ts'

/** RFC 8460 section 4.3. */
export type TlsResultType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'

export type TlsEventPolicy =
  /** `domain`: of the host that has the records (RFC 8460 section 1.1). */
  | { readonly type: 'tlsa'; readonly domain: string; readonly records: readonly TlsaRecord[] }
  /** `policy` absent: it could not be had. */
  | { readonly type: 'sts'; readonly domain: string; readonly policy: StsEntry | undefined }
  | { readonly type: 'no-policy-found'; readonly domain: string }

export interface TlsEvent {
  /** Of the recipients, A-labels. */
  readonly domain: string
  readonly policy: TlsEventPolicy
  readonly host: string
  readonly address: string
  /** Ours. */
  readonly localAddress?: string
  /** Absent: it went well. */
  readonly failure?: TlsEventFailure
}

export interface TlsEventFailure {
  readonly type: TlsResultType
  /** In words. */
  readonly reason: string
}

/** What a session turned out to be: TLS or none, and why. */
export interface TlsSessionFacts {
  readonly tls: { readonly verified?: boolean; readonly verifyError?: string } | undefined
  /** Why it is in plain text although TLS was offered. */
  readonly tlsProblem: string | undefined
  readonly localAddress?: string
}

/** undefined: not to be told of. */
export function sessionEvent(
  candidate: Candidate,
  use: UsableTls,
  search: HostSearch,
  session: TlsSessionFacts,
): TlsEvent | undefined {
  const base = eventBase(candidate, search, session.localAddress)
  if (base === undefined || use.tls === 'none' || use.by === 'sender') return undefined
  const policy = policyOf(candidate, use, search)
  const failure = policyFailure(use, search) ?? sessionFailure(use, session)
  return { ...base, policy, ...(failure !== undefined && { failure }) }
}

/** A session that came to nothing. undefined: it did not come as far as TLS. */
export function failedSessionEvent(
  candidate: Candidate,
  use: UsableTls,
  search: HostSearch,
  failed: SessionFailure & { readonly localAddress?: string },
): TlsEvent | undefined {
  const base = eventBase(candidate, search, failed.localAddress)
  if (base === undefined || use.tls === 'none' || use.by === 'sender') return undefined
  if (failed.phase !== 'startTls' || failed.kind === 'aborted') return undefined
  const failure = policyFailure(use, search) ?? openingFailure(failed)
  return { ...base, policy: policyOf(candidate, use, search), failure }
}

/** A host that its domain's policy keeps us from. undefined: nothing that the domain could do about. */
export function refusedEvent(
  candidate: Candidate,
  { why, text }: Extract<TlsDecision, { kind: 'refuse' }>,
  search: HostSearch,
): TlsEvent | undefined {
  const base = eventBase(candidate, search, undefined)
  if (base === undefined || why === 'unmet') return undefined
  // RFC 7672 section 2.1.2: the lookup of TLSA records failed where DNSSEC promises an answer.
  if (why === 'lookup')
    return text.startsWith('DANE:')
      ? {
          ...base,
          policy: { type: 'tlsa', domain: candidate.name, records: [] },
          failure: { type: 'dnssec-invalid', reason: text },
        }
      : undefined
  return {
    ...base,
    policy: stsOf(search),
    failure: { type: 'validation-failure', reason: text },
  }
}

function eventBase(
  candidate: Candidate,
  { target }: HostSearch,
  localAddress: string | undefined,
): Omit<TlsEvent, 'policy' | 'failure'> | undefined {
  if (target.kind !== 'mx' || target.host.startsWith('[')) return undefined
  return {
    domain: target.host,
    host: candidate.name,
    address: candidate.address,
    ...(localAddress !== undefined && { localAddress }),
  }
}

const stsOf = ({ target, sts }: HostSearch): TlsEventPolicy => ({
  type: 'sts',
  domain: target.host,
  policy: sts?.kind === 'policy' ? sts.policy : undefined,
})

function policyOf(candidate: Candidate, use: UsableTls, search: HostSearch): TlsEventPolicy {
  if (use.dane !== undefined)
    return { type: 'tlsa', domain: tlsaHost(use.dane.base), records: use.dane.records }
  if (use.by === 'dane') return { type: 'tlsa', domain: candidate.name, records: [] }
  const { sts, target } = search
  if (sts?.kind === 'policy' || (sts?.kind === 'none' && sts.failure !== undefined)) return stsOf(search)
  return { type: 'no-policy-found', domain: target.host }
}

/** What is wrong with the policy itself, however the session went. */
function policyFailure({ by, dane, text }: UsableTls, { sts }: HostSearch): TlsEventFailure | undefined {
  if (by === 'dane' && dane === undefined) return { type: 'tlsa-invalid', reason: text }
  if (dane === undefined && sts?.kind === 'none' && sts.failure !== undefined)
    return { type: sts.failure, reason: sts.reason }
  return undefined
}

function sessionFailure(
  { testing, by }: UsableTls,
  { tls, tlsProblem }: TlsSessionFacts,
): TlsEventFailure | undefined {
  if (tls === undefined)
    return tlsProblem === undefined
      ? { type: 'starttls-not-supported', reason: 'the host does not offer STARTTLS' }
      : { type: certificateFailure(tlsProblem), reason: tlsProblem }
  // RFC 8461 section 5: with a policy under test, what would have failed is told.
  if (testing === undefined || by !== 'mta-sts') return undefined
  if (!testing.hostAllowed) return { type: 'validation-failure', reason: 'the host is not one of the policy' }
  if (tls.verified === true) return undefined
  const reason = tls.verifyError ?? 'the certificate is not verified'
  return { type: certificateFailure(reason), reason }
}

function openingFailure({ kind, reason }: SessionFailure): TlsEventFailure {
  if (kind === 'notOffered' || kind === 'reply') return { type: 'starttls-not-supported', reason }
  return { type: certificateFailure(reason), reason }
}

/** Of the words that net/tls-info.ts has for certificates, and tls-policies.ts for DANE. */
export function certificateFailure(reason: string): TlsResultType {
  if (/\bDANE:/.test(reason)) return 'tlsa-invalid'
  if (/certificate is for another name/.test(reason)) return 'certificate-host-mismatch'
  if (/certificate has expired|certificate is not valid yet/.test(reason)) return 'certificate-expired'
  if (/self-signed certificate|unknown issuer/.test(reason)) return 'certificate-not-trusted'
  return 'validation-failure'
}
