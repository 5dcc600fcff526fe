// Owns TLS-RPT as a kind of report: where a domain wants its reports, the report of one day, and what others say about our
// domains. RFC 8460 sections 3 (record), 4.4 (content), 5 (delivery).

import {
  packTlsReport,
  parseTlsReport,
  type TlsReport,
  type TlsReportFailure,
  type TlsReportPolicy,
  tlsReportLimits,
} from '../auth/tls-report.ts'
import { selectTlsRptRecord } from '../auth/tls-rpt.ts'
import type { Resolver } from '../dns/resolver.ts'
import type {
  ComposedReport,
  DayTally,
  ReportDestination,
  ReportDestinations,
  ReportFacts,
  ReportKind,
  ReportPart,
  ReportRead,
  ReportTotal,
} from './report-kinds.ts'
import { readReportUri } from './report-uri.ts'
import { tlsReportPolicies } from './tls-rpt-tally.ts'
import { unpackReport } from './unpack.ts'

export interface TlsRptOptions {
  readonly resolver: Pick<Resolver, 'txt'>
}

/** Of one domain and day 500 different outcomes, of a day 10,000 domains. */
const limits = { keysMax: 500, domainsMax: 10_000 }

export const createTlsRptKind = ({ resolver }: TlsRptOptions): ReportKind => ({
  name: 'tls-rpt',
  sending: {
    limits,
    destinations: (domain, signal) => destinationsOf(domain, resolver, signal),
    compose: composeTlsReport,
  },
  reading: { takes, read: readPart },
})

async function destinationsOf(
  domain: string,
  resolver: Pick<Resolver, 'txt'>,
  signal: AbortSignal,
): Promise<ReportDestinations> {
  const name = `_smtp._tls.${domain}`
  const answer = await resolver.txt(name, { signal })
  if (answer.kind === 'temporary') return { kind: 'temporary', reason: `${name}: ${answer.reason}` }
  if (answer.kind === 'none') return { kind: 'none', reason: `no record at ${name}` }
  const record = selectTlsRptRecord(answer.records)
  if (!record.ok) return { kind: 'none', reason: `${name}: ${record.reason}` }
  if (record.value.rua.length === 0) return { kind: 'none', reason: `${name} has no mailto: or https:` }
  return { kind: 'to', ...placesOf(record.value.rua) }
}

/** Whoever has a record can name anybody in it (RFC 8460 section 8): each place once, and few of them. */
const placesMax = 5

function placesOf(rua: readonly string[]): Omit<Extract<ReportDestinations, { kind: 'to' }>, 'kind'> {
  const places = new Map<string, ReportDestination>()
  const refused: { readonly uri: string; readonly reason: string }[] = []
  for (const uri of rua) {
    const read = readReportUri(uri)
    const place = read.kind === 'mail' ? read.address.toLowerCase() : read.kind === 'http' ? read.url : ''
    if (read.kind === 'none') refused.push({ uri, reason: read.reason })
    else if (places.has(place)) continue
    else if (places.size >= placesMax) refused.push({ uri, reason: `more than ${placesMax} places` })
    else places.set(place, { uri })
  }
  return { to: [...places.values()], refused }
}

function composeTlsReport(tally: DayTally, facts: ReportFacts): ComposedReport | undefined {
  const { domain, startAt, endAt, entries, day } = tally
  const policies = tlsReportPolicies(entries)
  if (policies.length === 0) return undefined
  const { organization, contact, submitter, id } = facts
  const report: TlsReport = { organization, startAt, endAt, contact, id: `${id}@${submitter}`, policies }
  const seconds = (at: number): number => Math.floor(at / 1000)
  return {
    bytes: packTlsReport(report),
    mediaType: 'application/tlsrpt+gzip',
    // RFC 8460 section 5.1.
    fileName: `${submitter}!${domain}!${seconds(startAt)}!${seconds(endAt)}!${id}.json.gz`,
    // RFC 8460 section 5.3: the identifier is a msg-id.
    subject: `Report Domain: ${domain} Submitter: ${submitter} Report-ID: <${id}@${submitter}>`,
    text: textOf(policies, { domain, day, submitter }),
    headers: [
      ['TLS-Report-Domain', domain],
      ['TLS-Report-Submitter', submitter],
    ],
    reportType: 'tlsrpt',
    // RFC 8460 section 3: failures of the policy must not keep the report of them from its reader.
    evenWithoutTls: true,
  }
}

function textOf(
  policies: readonly TlsReportPolicy[],
  { domain, day, submitter }: { readonly domain: string; readonly day: string; readonly submitter: string },
): string {
  const lines = policies.flatMap((policy) => [
    `${policy.type} of ${policy.domain}: ${policy.successCount} good, ${policy.failureCount} failed`,
    ...policy.failures
      .slice(0, 10)
      .map(
        ({ resultType, receivingMxHostname, failedSessionCount }) =>
          `  ${failedSessionCount} x ${resultType}, ${receivingMxHostname ?? ''}`,
      ),
  ])
  return [
    `This is a report by ${submitter} about TLS sessions with the mail hosts of`,
    `${domain} on ${day} (UTC). The attached file has it for programs (RFC 8460).`,
    '',
    ...lines.slice(0, 100),
    '',
  ].join('\n')
}

// ---- receiving ----

const ownTypes = new Set(['application/tlsrpt+gzip', 'application/tlsrpt+json'])
const looseTypes = new Set([
  'application/gzip',
  'application/x-gzip',
  'application/json',
  'application/octet-stream',
])

/** Many send it under a general type, in a report or with a name that says it. */
function takes({ mediaType, fileName, reportType }: ReportPart): boolean {
  if (ownTypes.has(mediaType)) return true
  if (!looseTypes.has(mediaType)) return false
  return reportType === 'tlsrpt' || /^[^!]+![^!]+!\d+!\d+(?:![^!]+)?\.json(?:\.gz)?$/i.test(fileName)
}

const policiesMax = 50
const stringsMax = 20
const mxHostsMax = 20
const totalsMax = 200
const cut = (text: string): string => text.slice(0, 200)

/** Of JSON: what takes longer to read than others can wait is refused. Reports of the largest senders have a tenth of it. */
const jsonBytesMax = 4 * 1024 * 1024

async function readPart({ bytes }: ReportPart): Promise<ReportRead> {
  const unpacked = await unpackReport(bytes, { bytesMax: jsonBytesMax })
  if (!unpacked.ok) return { ok: false, defects: [unpacked.reason] }
  // The codec unpacks what is too large for it bare.
  const read = parseTlsReport(unpacked.bytes.length > tlsReportLimits.bytesMax ? bytes : unpacked.bytes)
  if (!read.ok) return { ok: false, defects: [read.reason] }
  const { organization, contact, id, startAt, endAt, policies } = read.value
  if (policies.length === 0) return { ok: false, defects: ['it tells of no policy'] }
  if (endAt < startAt) return { ok: false, defects: ['it ends before it begins'] }
  const totals = totalsOf(policies)
  return {
    ok: true,
    report: {
      organization: cut(organization),
      contact: cut(contact),
      id: cut(id),
      startAt,
      endAt,
      totals: totals.slice(0, totalsMax),
      head: { policies: policies.slice(0, policiesMax).map(headOf), policyCount: policies.length },
      rows: policies.flatMap((policy) => policy.failures.map((failure) => rowOf(policy, failure))),
      defects: defectsOf(policies, totals),
    },
  }
}

const sum = (counts: readonly number[]): number =>
  Math.min(
    counts.reduce((total, one) => total + one, 0),
    Number.MAX_SAFE_INTEGER,
  )

function totalsOf(policies: readonly TlsReportPolicy[]): readonly ReportTotal[] {
  const byDomain = Map.groupBy(policies, ({ domain }) => cut(domain.toLowerCase()))
  return [...byDomain].map(([domain, own]) => ({
    domain,
    successCount: sum(own.map(({ successCount }) => successCount)),
    failureCount: sum(own.map(({ failureCount }) => failureCount)),
  }))
}

const headOf = ({ type, domain, strings, mxHosts, successCount, failureCount }: TlsReportPolicy) => ({
  type,
  domain: cut(domain),
  strings: strings.slice(0, stringsMax).map(cut),
  mxHosts: mxHosts.slice(0, mxHostsMax).map(cut),
  successCount,
  failureCount,
})

const rowOf = (policy: TlsReportPolicy, failure: TlsReportFailure): Record<string, unknown> => ({
  policyDomain: cut(policy.domain),
  policyType: policy.type,
  ...Object.fromEntries(
    Object.entries(failure).map(([name, value]) => [name, typeof value === 'string' ? cut(value) : value]),
  ),
})

function defectsOf(policies: readonly TlsReportPolicy[], totals: readonly ReportTotal[]): readonly string[] {
  const defects: string[] = []
  for (const { domain, failureCount, failures } of policies) {
    const told = sum(failures.map(({ failedSessionCount }) => failedSessionCount))
    // Section 4.4: details are optional.
    if (failures.length > 0 && told !== failureCount)
      defects.push(`${cut(domain)}: the details tell of ${told} failures, the summary of ${failureCount}`)
  }
  if (totals.length > totalsMax) defects.push(`it tells of ${totals.length} domains, ${totalsMax} are shown`)
  if (policies.length > policiesMax)
    defects.push(`it tells of ${policies.length} policies, ${policiesMax} are shown`)
  return defects.slice(0, 10)
}
