// Owns reading a feedback report (ARF) about a message that failed authentication (AFRF): its fields as data, and the
// header of the message that it is about as names and values. Everything in it is a stranger's word: bounded, one line each,
// without control characters, never decoded; what was redacted stays so. Never throws. RFC 5965, RFC 6591, RFC 6590, RFC 9991.

import { canonicalIp } from '../base/ip.ts'
import { fieldValue, headerFields } from '../message/header.ts'
import { parseHeaderDate } from '../message/header-date.ts'
import { asBuffer } from '../message/octets.ts'

export interface FeedbackReport {
  /** RFC 5965 section 3.1: 'auth-failure', 'abuse', ... in lower case. */
  readonly feedbackType: string
  readonly version: string
  readonly userAgent: string
  /** RFC 6591 section 3.2.3: 'dmarc', 'dkim', 'spf', 'adsp', 'bodyhash', 'signature', 'revoked'. '' where it says none. */
  readonly authFailure: string
  /** RFC 9991 section 4: the mechanisms that did not align; empty for `none`. */
  readonly identityAlignment: readonly string[]
  /** 'delivered', 'spam', 'policy', 'reject', 'other', '' where it does not say. */
  readonly deliveryResult: string
  /** Canonical; '' where it is no address. */
  readonly sourceIp: string
  readonly sourcePort?: number
  /** Lower case. */
  readonly reportedDomains: readonly string[]
  readonly reportedUris: readonly string[]
  readonly authenticationResults: readonly string[]
  readonly originalMailFrom: string
  readonly originalRecipients: readonly string[]
  readonly originalEnvelopeId: string
  readonly reportingMta: string
  /** Epoch ms. */
  readonly arrivedAt?: number
  /** RFC 5965 section 3.2: of so many messages this is one. */
  readonly incidents: number
  readonly dkim?: { readonly domain: string; readonly identity: string; readonly selector: string }
  readonly spfDns: readonly string[]
  /** Fields beside these, as they are. */
  readonly others: readonly ReportedField[]
}

export interface ReportedField {
  readonly name: string
  readonly value: string
}

export type ReadFeedback =
  | { readonly ok: true; readonly feedback: FeedbackReport; readonly defects: readonly string[] }
  | { readonly ok: false; readonly reason: string }

const fieldsMax = 200
const bytesMax = 256 * 1024
const listMax = 20
const valueMax = 500

const printable = (text: string): string =>
  text
    .replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ')
    .trim()
    .slice(0, valueMax)
    .toWellFormed()

/** Fields of a header section or of a report; bare LF as line end is read, too: many send reports so. At most 200. */
export function reportedFields(bytes: Uint8Array): readonly ReportedField[] {
  const section = asBuffer(bytes.subarray(0, bytesMax))
    .toString('latin1')
    .replace(/^(?:\r?\n)+/, '')
  const header = Buffer.from(section.replace(/\r?\n/g, '\r\n'), 'latin1')
  return [...headerFields(header, fieldsMax)].map((field) => ({
    name: printable(field.name).slice(0, 80),
    value: printable(fieldValue(header, field, 4096)),
  }))
}

const known = new Set(
  (
    'feedback-type version user-agent auth-failure identity-alignment delivery-result source-ip source-port ' +
    'reported-domain reported-uri authentication-results original-mail-from original-rcpt-to original-envelope-id ' +
    'reporting-mta arrival-date received-date incidents dkim-domain dkim-identity dkim-selector spf-dns'
  ).split(' '),
)

/** The body of the part message/feedback-report, decoded. */
export function parseFeedbackReport(bytes: Uint8Array): ReadFeedback {
  const fields = reportedFields(bytes)
  const all = (name: string): readonly string[] =>
    fields
      .flatMap((field) => (field.name === name && field.value !== '' ? [field.value] : []))
      .slice(0, listMax)
  const one = (name: string): string => all(name)[0] ?? ''
  const word = (name: string): string => withoutComments(one(name)).toLowerCase()
  const feedbackType = word('feedback-type')
  if (feedbackType === '') return { ok: false, reason: 'no Feedback-Type' }
  const defects: string[] = []
  const alignment = word('identity-alignment')
    .split(/[ ,]+/)
    .filter((text) => text !== '')
  const sourceText = withoutComments(one('source-ip')).replace(/^\[(?:IPv6:)?|\]$/gi, '')
  const sourceIp = canonicalIp(sourceText) ?? ''
  if (sourceIp === '') defects.push('no Source-IP that is an address')
  const domains = all('reported-domain').map((text) => withoutComments(text).toLowerCase().slice(0, 253))
  if (domains.length === 0) defects.push('no Reported-Domain')
  if (feedbackType === 'auth-failure' && word('auth-failure') === '') defects.push('no Auth-Failure')
  const date = one('arrival-date') || one('received-date')
  const arrivedAt = date === '' ? undefined : parseHeaderDate(date)?.at
  if (arrivedAt === undefined) defects.push('no Arrival-Date')
  const port = /^\d{1,5}$/.exec(one('source-port'))?.[0]
  const incidents = /^\d{1,9}$/.exec(one('incidents'))?.[0]
  const dkim = { domain: one('dkim-domain'), identity: one('dkim-identity'), selector: one('dkim-selector') }
  return {
    ok: true,
    defects,
    feedback: {
      feedbackType,
      version: one('version'),
      userAgent: one('user-agent'),
      authFailure: word('auth-failure'),
      identityAlignment: alignment.filter((text) => text !== 'none').slice(0, listMax),
      deliveryResult: word('delivery-result'),
      sourceIp,
      ...(port !== undefined && { sourcePort: Number(port) }),
      reportedDomains: domains,
      reportedUris: all('reported-uri'),
      authenticationResults: all('authentication-results'),
      originalMailFrom: one('original-mail-from'),
      originalRecipients: all('original-rcpt-to'),
      originalEnvelopeId: one('original-envelope-id'),
      reportingMta: one('reporting-mta'),
      ...(arrivedAt !== undefined && { arrivedAt }),
      incidents: incidents === undefined ? 1 : Math.max(1, Number(incidents)),
      ...((dkim.domain !== '' || dkim.selector !== '') && { dkim }),
      spfDns: all('spf-dns'),
      others: fields.filter(({ name }) => !known.has(name)).slice(0, 50),
    },
  }
}

/** RFC 5322 comments, not nested: where a word belongs. */
const withoutComments = (text: string): string =>
  text
    .replace(/\([^()]*\)/g, ' ')
    .replace(/ +/g, ' ')
    .trim()
