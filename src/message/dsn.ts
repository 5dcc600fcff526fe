// Owns delivery status notifications as bytes: multipart/report with a text for people, the fields for programs and what
// is returned of the message. It decides neither who gets one nor why; it reads no clock and makes no ids.
// RFC 3464 (delivery-status), RFC 6522 (multipart/report), RFC 6533 (SMTPUTF8 variants), RFC 3461 section 6, RFC 3834.

import { UsageError } from '../base/usage-error.ts'
import {
  cleanText,
  encodeQuotedPrintable,
  fieldText,
  formatField,
  formatMta,
  formatOriginalRecipient,
  formatRecipient,
  formatReportDate,
  isAscii,
} from './dsn-fields.ts'
import { formatReportText, reportSubject } from './dsn-text.ts'

/** RFC 3464 section 2.3.3. */
export type DsnKind = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

export interface DsnRecipient {
  /** Wire text of the final Mailbox. */
  readonly finalRecipient: string
  /** ORCPT, decoded: `rfc822;a@b`. */
  readonly originalRecipient?: string
  /** Enhanced status: '5.1.1'. */
  readonly status: string
  /** isReply: the text is an SMTP reply; else words of our own. */
  readonly diagnostic?: { readonly isReply: boolean; readonly text: string }
  readonly remoteMta?: string
  /** Epoch ms. */
  readonly lastAttemptAt?: number
  /** Epoch ms; delayed only. */
  readonly willRetryUntil?: number
}

export interface DsnReport {
  readonly kind: DsnKind
  /** Id of the report itself: Message-ID and boundary are made of it. Letters and digits only. */
  readonly id: string
  /** Queue id of the message reported on. */
  readonly originalId: string
  readonly hostname: string
  /** Mailbox of the From header. */
  readonly from: string
  /** The reverse-path of the message: Mailbox, not null. */
  readonly to: string
  /** Epoch ms: when the report is made, and when the message came in. */
  readonly at: number
  readonly arrivalAt: number
  /** ENVID, decoded from xtext. */
  readonly envid?: string
  /** The message came with SMTPUTF8, or its reverse-path has other than ASCII: RFC 6533's types are used. */
  readonly global: boolean
  /** At least one. */
  readonly recipients: readonly DsnRecipient[]
  readonly returned: ReturnedContent
}

/** What is returned: the whole message, or its header (with or without the empty line behind it). Lines end in CRLF. */
export interface ReturnedContent {
  readonly kind: 'full' | 'headers'
  readonly bytes: Uint8Array
}

export interface DsnBytes {
  readonly chunks: readonly Uint8Array[]
  readonly sizeBytes: number
  /** Octets above 127 are in it: BODY=8BITMIME. */
  readonly body8bit: boolean
  /** It can only travel with SMTPUTF8. */
  readonly smtputf8: boolean
}

/**
 * Cuts what is returned out of the first bytes of a message. `first` holds at least `min(sizeBytes, bytesMax)` of it;
 * a message larger than `bytesMax`, or `want` 'headers', gives its header, cut behind a whole line at `bytesMax`.
 */
export function cutReturnedContent(
  first: Uint8Array,
  options: { readonly want: 'full' | 'headers'; readonly sizeBytes: number; readonly bytesMax: number },
): ReturnedContent {
  const bytes = Buffer.from(first.buffer, first.byteOffset, first.byteLength)
  if (options.want === 'full' && options.sizeBytes <= options.bytesMax && bytes.length >= options.sizeBytes)
    return { kind: 'full', bytes: bytes.subarray(0, options.sizeBytes) }
  if (bytes.indexOf('\r\n') === 0) return { kind: 'headers', bytes: bytes.subarray(0, 0) }
  const empty = bytes.indexOf('\r\n\r\n')
  if (empty !== -1 && empty + 2 <= options.bytesMax)
    return { kind: 'headers', bytes: bytes.subarray(0, empty + 2) }
  const lastLine = bytes.lastIndexOf('\r\n', options.bytesMax - 2)
  return { kind: 'headers', bytes: bytes.subarray(0, lastLine === -1 ? 0 : lastLine + 2) }
}

const encoder = new TextEncoder()

const has8bit = (bytes: Uint8Array): boolean => {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 127) return true
  return false
}

function statusPart(report: DsnReport): string {
  let out = ''
  if (report.envid !== undefined && report.envid !== '')
    out += formatField('Original-Envelope-Id', fieldText(report.envid, report.global))
  out += formatField('Reporting-MTA', formatMta(report.hostname) ?? 'dns; localhost')
  out += formatField('Arrival-Date', formatReportDate(report.arrivalAt))
  for (const recipient of report.recipients) out += `\r\n${recipientFields(report, recipient)}`
  return out
}

/** RFC 3464 section 2.3. */
function recipientFields(report: DsnReport, recipient: DsnRecipient): string {
  const { global } = report
  const original =
    recipient.originalRecipient === undefined
      ? undefined
      : formatOriginalRecipient(recipient.originalRecipient, global)
  let out = original === undefined ? '' : formatField('Original-Recipient', original)
  out += formatField('Final-Recipient', formatRecipient(recipient.finalRecipient, global))
  out += formatField('Action', report.kind)
  out += formatField(
    'Status',
    /^[245]\.\d{1,3}\.\d{1,3}$/.test(recipient.status) ? recipient.status : defaultStatus[report.kind],
  )
  const remote = recipient.remoteMta === undefined ? undefined : formatMta(recipient.remoteMta)
  if (remote !== undefined) out += formatField('Remote-MTA', remote)
  if (recipient.diagnostic !== undefined) {
    const { isReply, text } = recipient.diagnostic
    // RFC 3464 section 2.3.6: the type says whose words they are.
    out += formatField(
      'Diagnostic-Code',
      `${isReply ? 'smtp' : 'x-posthouse'}; ${fieldText(text.slice(0, 2000), global)}`,
    )
  }
  if (recipient.lastAttemptAt !== undefined)
    out += formatField('Last-Attempt-Date', formatReportDate(recipient.lastAttemptAt))
  if (recipient.willRetryUntil !== undefined && report.kind === 'delayed')
    out += formatField('Will-Retry-Until', formatReportDate(recipient.willRetryUntil))
  return out
}

const defaultStatus: Readonly<Record<DsnKind, string>> = {
  failed: '5.0.0',
  delayed: '4.0.0',
  delivered: '2.0.0',
  relayed: '2.0.0',
  expanded: '2.0.0',
}

/** The text part: ASCII as it is; else 8bit in a global report and quoted-printable in an ASCII one, which any hop takes. */
function textPart(report: DsnReport): string {
  const text = formatReportText(report)
  if (isAscii(text)) return `Content-Type: text/plain; charset=us-ascii\r\n\r\n${text}`
  const head = 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: '
  return report.global
    ? `${head}8bit\r\n\r\n${text}`
    : `${head}quoted-printable\r\n\r\n${encodeQuotedPrintable(encoder.encode(text))}`
}

function returnedPart(report: DsnReport): { readonly head: string; readonly bytes: Uint8Array } {
  const { kind, bytes } = report.returned
  const eight = has8bit(bytes)
  if (report.global) {
    // RFC 6533 sections 5 and 6: message/global and message/global-headers.
    const type = kind === 'full' ? 'message/global' : 'message/global-headers'
    return {
      head: `Content-Type: ${type}\r\n${eight ? 'Content-Transfer-Encoding: 8bit\r\n' : ''}\r\n`,
      bytes,
    }
  }
  if (kind === 'full')
    // RFC 2046 section 5.2.1: 7bit, 8bit or binary and nothing else.
    return {
      head: `Content-Type: message/rfc822\r\n${eight ? 'Content-Transfer-Encoding: 8bit\r\n' : ''}\r\n`,
      bytes,
    }
  if (!eight) return { head: 'Content-Type: text/rfc822-headers\r\n\r\n', bytes }
  // RFC 6522 section 4: a text type, so that it may be encoded and the report stays in ASCII.
  return {
    head: 'Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n',
    bytes: encoder.encode(encodeQuotedPrintable(bytes)),
  }
}

/** Message-ID of the message reported on, for threads; undefined where its header has none of a plain form. */
function originalMessageId(returned: ReturnedContent): string | undefined {
  const head = Buffer.from(
    returned.bytes.buffer,
    returned.bytes.byteOffset,
    Math.min(returned.bytes.byteLength, 65_536),
  )
  const end = head.indexOf('\r\n\r\n')
  const text = head.toString('latin1', 0, end === -1 ? head.length : end)
  return /^message-id:(?:\r\n)?[ \t]*(<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>)[ \t]*(?:\r\n|$)/im.exec(text)?.[1]
}

/**
 * The report as a whole message, header and body, lines in CRLF: send its chunks as they are, with the null reverse-path (RFC
 * 3461 section 6.1), `BODY=8BITMIME` where `body8bit` and SMTPUTF8 where `smtputf8`. No value brings a line of its own.
 * @throws UsageError naming the field: `id` is not of letters and digits, `kind` is none, `recipients` is empty
 */
export function formatDsn(report: DsnReport): DsnBytes {
  if (!/^[A-Za-z0-9._-]{1,60}$/.test(report.id))
    throw new UsageError('id', 'must be 1 to 60 letters, digits, dots, underscores or hyphens')
  if (defaultStatus[report.kind] === undefined)
    throw new UsageError('kind', `must be one of ${Object.keys(defaultStatus).join(', ')}`)
  if (report.recipients.length === 0) throw new UsageError('recipients', 'must have at least one')
  const boundary = `report-${report.id}`
  const global = report.global
  const status = statusPart(report)
  const statusType = global ? 'message/global-delivery-status' : 'message/delivery-status'
  const returned = returnedPart(report)
  const reference = originalMessageId(report.returned)
  const to = cleanText(report.to)
  const head =
    formatField('From', `Mail Delivery System <${fieldText(report.from, global)}>`) +
    `To: <${fieldText(to, global)}>\r\n` +
    `Subject: ${reportSubject(report.kind)}\r\n` +
    `Date: ${formatReportDate(report.at)}\r\n` +
    `Message-ID: <${report.id}@${fieldText(report.hostname, false).replaceAll(' ', '')}>\r\n` +
    (reference === undefined ? '' : `In-Reply-To: ${reference}\r\nReferences: ${reference}\r\n`) +
    // RFC 3834 section 5: nobody answers a report automatically.
    'Auto-Submitted: auto-replied\r\n' +
    'MIME-Version: 1.0\r\n' +
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n\r\n` +
    `--${boundary}\r\n${textPart(report)}\r\n` +
    `--${boundary}\r\nContent-Type: ${statusType}\r\n${isAscii(status) ? '' : 'Content-Transfer-Encoding: 8bit\r\n'}\r\n${status}\r\n` +
    `--${boundary}\r\n${returned.head}`
  const chunks = [encoder.encode(head), returned.bytes, encoder.encode(`\r\n--${boundary}--\r\n`)]
  const body8bit = chunks.some(has8bit)
  return {
    chunks,
    sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    body8bit,
    smtputf8: global && (body8bit || !isAscii(to)),
  }
}
