// Owns the mail that carries a report: words for people, the document for programs, and what keeps it from being answered.
// It has no sender that a bounce could come back to. RFC 8460 section 5.3, RFC 9990 section 5, RFC 6522 (multipart/report),
// RFC 3834 section 5 (Auto-Submitted), RFC 8689 section 5 (TLS-Required).

import { formatDate } from '../message/date.ts'
import type { ComposedReport, ReportFacts } from './report-kinds.ts'

export interface ReportMailOptions {
  readonly facts: ReportFacts
  /** The address of the destination. */
  readonly to: string
  /** The message's id in our queue: part of its Message-ID. */
  readonly messageId: string
  readonly now: number
}

/** The whole message, CRLF. */
export function reportMail(report: ComposedReport, { facts, to, messageId, now }: ReportMailOptions): Buffer {
  const boundary = `=_report_${facts.id}`
  const type =
    report.reportType === undefined
      ? `multipart/mixed; boundary="${boundary}"`
      : `multipart/report; report-type="${word(report.reportType)}"; boundary="${boundary}"`
  const fields: readonly (readonly [string, string])[] = [
    ['From', facts.contact],
    ['To', to],
    ['Date', formatDate(now)],
    ['Message-ID', `<${messageId}@${facts.submitter}>`],
    ['Subject', report.subject],
    ['Auto-Submitted', 'auto-generated'],
    ...(report.evenWithoutTls === true ? [['TLS-Required', 'No'] as const] : []),
    ...report.headers,
    ['MIME-Version', '1.0'],
    ['Content-Type', type],
  ]
  const header = fields.map(([name, value]) => fold(name, value)).join('')
  const name = report.fileName.replace(/[^\x21-\x7e]|["\\]/g, '_')
  const lines = [
    header,
    `\r\n--${boundary}\r\n`,
    'Content-Type: text/plain; charset=us-ascii\r\n\r\n',
    textLines(report.text),
    `\r\n--${boundary}\r\n`,
    fold('Content-Type', `${word(report.mediaType)}; name="${name}"`),
    fold('Content-Disposition', `attachment; filename="${name}"`),
    'Content-Transfer-Encoding: base64\r\n\r\n',
    base64Lines(report.bytes),
    `\r\n--${boundary}--\r\n`,
  ]
  return Buffer.from(lines.join(''), 'latin1')
}

/** What stands in a header is ours or was checked; were it not, it still could not end a line. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').trim()
const word = (text: string): string => text.replace(/[^\w.+/-]/g, '')

/** RFC 5322 section 2.2.3: at blanks, at 78 characters where that can be. */
function fold(name: string, value: string): string {
  let line = `${name}:`
  let folded = ''
  for (const piece of printable(value).split(' ')) {
    if (line.length + 1 + piece.length > 78 && line !== `${name}:`) {
      folded += `${line}\r\n`
      line = ''
    }
    line += ` ${piece}`
  }
  return `${folded}${line}\r\n`
}

/** ASCII, lines of at most 200 characters. */
const textLines = (text: string): string =>
  text
    .split(/\r?\n/)
    .map(
      (line) =>
        `${line
          .replace(/[^\x20-\x7e]+/g, ' ')
          .trimEnd()
          .slice(0, 200)}\r\n`,
    )
    .join('')

const base64Lines = (bytes: Uint8Array): string =>
  (
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  )
    .map((line) => `${line}\r\n`)
    .join('')
