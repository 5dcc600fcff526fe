// Owns a TLS report as data and as the JSON (gzip or plain) that goes between mail systems: how many sessions with a domain
// went well under which policy, and why others did not. What comes in is bounded before it is unpacked, and read strictly:
// a report that cannot be trusted to say what it says is refused as a whole, with the place. RFC 8460 sections 4.1 to 4.4.

import { gunzipSync, gzipSync } from 'node:zlib'
import type { Read } from './mta-sts.ts'

export type TlsPolicyType = 'tlsa' | 'sts' | 'no-policy-found'

export interface TlsReportFailure {
  /** RFC 8460 section 4.3: 'certificate-host-mismatch', 'validation-failure', ... */
  readonly resultType: string
  readonly sendingMtaIp?: string
  readonly receivingMxHostname?: string
  readonly receivingMxHelo?: string
  readonly receivingIp?: string
  readonly failedSessionCount: number
  readonly additionalInformation?: string
  readonly failureReasonCode?: string
}

export interface TlsReportPolicy {
  readonly type: TlsPolicyType
  /** The TLSA records, or the lines of the policy. */
  readonly strings: readonly string[]
  readonly domain: string
  readonly mxHosts: readonly string[]
  readonly successCount: number
  readonly failureCount: number
  readonly failures: readonly TlsReportFailure[]
}

export interface TlsReport {
  readonly organization: string
  /** Epoch ms, whole seconds. */
  readonly startAt: number
  readonly endAt: number
  readonly contact: string
  readonly id: string
  readonly policies: readonly TlsReportPolicy[]
}

/** Of a report as it comes, and unpacked. */
export const tlsReportLimits = { bytesMax: 1024 * 1024, unpackedBytesMax: 10 * 1024 * 1024 } as const

const listMax = 10_000
const textMax = 1000

/** Gzip of the JSON; `application/tlsrpt+gzip`. */
export function packTlsReport(report: TlsReport): Buffer {
  return gzipSync(formatTlsReport(report))
}

/** RFC 8460 section 4.4; `application/tlsrpt+json`. */
export function formatTlsReport(report: TlsReport): string {
  return JSON.stringify({
    'organization-name': report.organization,
    'date-range': { 'start-datetime': timeText(report.startAt), 'end-datetime': timeText(report.endAt) },
    'contact-info': report.contact,
    'report-id': report.id,
    policies: report.policies.map((policy) => ({
      policy: {
        'policy-type': policy.type,
        ...(policy.strings.length > 0 && { 'policy-string': policy.strings }),
        'policy-domain': policy.domain,
        ...(policy.mxHosts.length > 0 && { 'mx-host': policy.mxHosts }),
      },
      summary: {
        'total-successful-session-count': policy.successCount,
        'total-failure-session-count': policy.failureCount,
      },
      ...(policy.failures.length > 0 && { 'failure-details': policy.failures.map(failureJson) }),
    })),
  })
}

const timeText = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')

const failureJson = (failure: TlsReportFailure): Record<string, unknown> => ({
  'result-type': failure.resultType,
  'sending-mta-ip': failure.sendingMtaIp,
  'receiving-mx-hostname': failure.receivingMxHostname,
  'receiving-mx-helo': failure.receivingMxHelo,
  'receiving-ip': failure.receivingIp,
  'failed-session-count': failure.failedSessionCount,
  'additional-information': failure.additionalInformation,
  'failure-reason-code': failure.failureReasonCode,
})

/** A mistake in a report; its message is the place and what was expected. */
class ReportMistake extends Error {}

/** The attachment or request body as it came, gzip or not. Never throws. */
export function parseTlsReport(bytes: Uint8Array): Read<TlsReport> {
  if (bytes.length > tlsReportLimits.bytesMax) return { ok: false, reason: 'too long' }
  let text: string
  try {
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
    const { unpackedBytesMax: maxOutputLength } = tlsReportLimits
    const plain = isGzip ? gunzipSync(bytes, { maxOutputLength }) : bytes
    text = new TextDecoder('utf-8', { fatal: true }).decode(plain)
  } catch {
    return { ok: false, reason: 'neither UTF-8 nor gzip of it, or too long unpacked' }
  }
  try {
    return { ok: true, value: readReport(JSON.parse(text)) }
  } catch (error) {
    return { ok: false, reason: error instanceof ReportMistake ? error.message : 'not JSON' }
  }
}

type Fields = Readonly<Record<string, unknown>>

function readReport(value: unknown): TlsReport {
  const report = fields(value, 'the report')
  const range = fields(report['date-range'], 'date-range')
  return {
    organization: string(report, 'organization-name'),
    startAt: time(range, 'start-datetime'),
    endAt: time(range, 'end-datetime'),
    contact: string(report, 'contact-info'),
    id: string(report, 'report-id'),
    policies: list(report.policies, 'policies').map(readPolicy),
  }
}

const policyTypes: readonly TlsPolicyType[] = ['tlsa', 'sts', 'no-policy-found']

function readPolicy(value: unknown): TlsReportPolicy {
  const entry = fields(value, 'policies[]')
  const policy = fields(entry.policy, 'policy')
  const summary = fields(entry.summary, 'summary')
  const type = policyTypes.find((one) => one === policy['policy-type'])
  if (type === undefined) throw new ReportMistake('policy-type is none of tlsa, sts and no-policy-found')
  return {
    type,
    strings: strings(policy['policy-string'], 'policy-string'),
    domain: string(policy, 'policy-domain'),
    mxHosts: strings(policy['mx-host'], 'mx-host'),
    successCount: count(summary, 'total-successful-session-count'),
    failureCount: count(summary, 'total-failure-session-count'),
    failures: list(entry['failure-details'] ?? [], 'failure-details').map(readFailure),
  }
}

function readFailure(value: unknown): TlsReportFailure {
  const failure = fields(value, 'failure-details[]')
  const some = <K extends keyof TlsReportFailure>(key: K, name: string): Partial<TlsReportFailure> =>
    failure[name] === undefined || failure[name] === null ? {} : { [key]: string(failure, name) }
  return {
    resultType: string(failure, 'result-type'),
    ...some('sendingMtaIp', 'sending-mta-ip'),
    ...some('receivingMxHostname', 'receiving-mx-hostname'),
    ...some('receivingMxHelo', 'receiving-mx-helo'),
    ...some('receivingIp', 'receiving-ip'),
    failedSessionCount: count(failure, 'failed-session-count'),
    ...some('additionalInformation', 'additional-information'),
    ...some('failureReasonCode', 'failure-reason-code'),
  }
}

function fields(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ReportMistake(`${where} is no object`)
  return value as Fields
}

function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ReportMistake(`${where} is no list`)
  if (value.length > listMax) throw new ReportMistake(`${where} is too long`)
  return value
}

/** One text where a list belongs is a list of one: appendix B writes mx-host so, section 4.4 as a list. */
function strings(value: unknown, where: string): readonly string[] {
  if (value === undefined || value === null) return []
  return (typeof value === 'string' ? [value] : list(value, where)).map((one) => {
    if (typeof one !== 'string') throw new ReportMistake(`${where} has what is no text`)
    return printable(one)
  })
}

function string(from: Fields, name: string): string {
  const value = from[name]
  if (typeof value !== 'string') throw new ReportMistake(`${name} is no text`)
  return printable(value)
}

/** For lists and logs: no control characters, of bounded length. */
const printable = (text: string): string => text.slice(0, textMax).replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')

function count(from: Fields, name: string): number {
  const value = from[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new ReportMistake(`${name} is no count`)
  return value
}

/** RFC 3339, with an offset. */
const timeShape = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/

function time(from: Fields, name: string): number {
  const text = string(from, name)
  const at = timeShape.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new ReportMistake(`${name} is no time of RFC 3339`)
  return at
}
