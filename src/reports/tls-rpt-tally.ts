// Owns how a TLS session with another mail system is counted, and how the counts of a day become the policies of a report.
// Pure. RFC 8460 sections 4.2 (counts), 4.3 (failures) and 4.4 (members).

import type { TlsPolicyType, TlsReportFailure, TlsReportPolicy } from '../auth/tls-report.ts'
import type { Tallied, Tallies } from './report-kinds.ts'

export interface TlsSession {
  /** Of the recipients, A-labels: whose record says where the report goes. */
  readonly domain: string
  readonly policy: {
    readonly type: TlsPolicyType
    readonly domain: string
    /** Lines of the policy, or TLSA records as a zone file has them. */
    readonly strings: readonly string[]
    /** Patterns of the policy. */
    readonly mxHosts: readonly string[]
  }
  readonly host: string
  readonly address: string
  readonly localAddress?: string
  /** Absent: success. */
  readonly failure?: { readonly type: string; readonly reason: string }
}

interface SessionData {
  readonly policy: TlsSession['policy']
  readonly failure?: {
    readonly type: string
    readonly reason: string
    readonly host: string
    readonly address: string
    readonly localAddress: string
  }
}

/** So that policy and failure fit into 2 KiB. */
const stringsCharsMax = 900
const hostsCharsMax = 300
const reasonCharsMax = 200

/** One more session. Cheap: no I/O. */
export function countTlsSession(tallies: Tallies, session: TlsSession): void {
  const { domain, failure, host, address, localAddress = '' } = session
  const policy = {
    ...session.policy,
    strings: within(session.policy.strings, stringsCharsMax),
    mxHosts: within(session.policy.mxHosts, hostsCharsMax),
  }
  const under = [policy.type, policy.domain, fingerprint(policy.strings)]
  if (failure === undefined)
    return tallies.add('tls-rpt', domain, ['ok', ...under].join(' '), { policy } satisfies SessionData)
  const { type } = failure
  const reason = printable(failure.reason).slice(0, reasonCharsMax)
  const data: SessionData = { policy, failure: { type, reason, host, address, localAddress } }
  tallies.add('tls-rpt', domain, ['bad', ...under, type, host, address, localAddress].join(' '), data)
}

/** As many of the first ones as fit; a longer one is cut. */
function within(texts: readonly string[], charsMax: number): readonly string[] {
  const kept: string[] = []
  let left = charsMax
  for (const text of texts) {
    const one = text.slice(0, 200)
    left -= one.length + 3
    if (left < 0) break
    kept.push(one)
  }
  return kept
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ')

/** FNV-1a: policies of one domain and day are told apart; it guards nothing. */
function fingerprint(texts: readonly string[]): string {
  let hash = 0x811c9dc5
  for (const text of texts)
    for (let i = 0; i <= text.length; i++)
      hash = Math.imul(hash ^ (i === text.length ? 10 : text.charCodeAt(i)), 0x01000193) >>> 0
  return hash.toString(36)
}

/** Policies in the order of type and domain, failures with the most sessions first. */
export function tlsReportPolicies(entries: readonly Tallied[]): readonly TlsReportPolicy[] {
  const groups = new Map<
    string,
    { policy: TlsSession['policy']; success: number; failures: TlsReportFailure[] }
  >()
  for (const { data, count } of entries) {
    const read = readData(data)
    if (read === undefined) continue
    const { policy, failure } = read
    const key = JSON.stringify([policy.type, policy.domain, policy.strings])
    let group = groups.get(key)
    if (group === undefined) {
      group = { policy, success: 0, failures: [] }
      groups.set(key, group)
    }
    if (failure === undefined) group.success += count
    else group.failures.push(failureOf(failure, count))
  }
  return [...groups]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, { policy, success, failures }]) => ({
      ...policy,
      successCount: success,
      failureCount: failures.reduce((sum, one) => sum + one.failedSessionCount, 0),
      failures: failures.sort((one, other) => other.failedSessionCount - one.failedSessionCount),
    }))
}

const failureOf = (
  { type, reason, host, address, localAddress }: NonNullable<SessionData['failure']>,
  failedSessionCount: number,
): TlsReportFailure => ({
  resultType: type,
  ...(localAddress !== '' && { sendingMtaIp: localAddress }),
  receivingMxHostname: host,
  receivingIp: address,
  failedSessionCount,
  ...(reason !== '' && { failureReasonCode: reason }),
})

/** What the store gives back is ours, or was damaged. */
function readData(data: unknown): SessionData | undefined {
  const { policy } = (data ?? {}) as Partial<SessionData>
  if (typeof policy?.domain !== 'string' || !Array.isArray(policy.strings) || !Array.isArray(policy.mxHosts))
    return undefined
  return data as SessionData
}
