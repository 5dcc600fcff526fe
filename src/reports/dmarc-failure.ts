// Owns DMARC failure reports as a kind of report: what others tell of single messages that failed in our name. Only
// received: they carry pieces of people's mail, and RFC 9991 section 7 leaves it to the receiver whether to send any. Of the
// message the header is kept, bounded; of its text nothing. RFC 9991, RFC 6591, RFC 5965.

import { createHash } from 'node:crypto'
import { parseHeaderDate } from '../message/header-date.ts'
import {
  type FeedbackReport,
  parseFeedbackReport,
  type ReportedField,
  reportedFields,
} from './feedback-report.ts'
import type { ReportKind, ReportPart, ReportRead } from './report-kinds.ts'

/** What `ReadReport.head` is; the fields of the message's header are its rows. */
export interface DmarcFailureHead extends FeedbackReport {
  /** Of the message, where its header was sent along; raw text, encoded words as they are. */
  readonly subject: string
  readonly from: string
  readonly messageId: string
}

export const dmarcFailureKind: ReportKind = {
  name: 'dmarc-failure',
  reading: {
    takes: ({ mediaType }) => mediaType === 'message/feedback-report',
    read: readFailure,
  },
}

const originalTypes: ReadonlySet<string> = new Set([
  'message/rfc822',
  'message/global',
  'text/rfc822-headers',
  'message/rfc822-headers',
  'message/global-headers',
])

/** Of the message only as much is looked at as its header may have. */
const originalBytesMax = 128 * 1024
const headFieldMax = 300
/** Lists of a head that goes into one document. */
const headListMax = 5

/** Never throws. */
export function readFailure(part: ReportPart): ReportRead {
  const read = parseFeedbackReport(part.bytes)
  if (!read.ok) return { ok: false, defects: [read.reason] }
  const { feedback, defects } = read
  // RFC 5965 has other types: complaints of people are no reports about authentication.
  if (feedback.feedbackType !== 'auth-failure')
    return {
      ok: false,
      defects: [`feedback about ${feedback.feedbackType.slice(0, 40)}, not about authentication`],
    }
  const original = part.siblings.find(({ mediaType }) => originalTypes.has(mediaType))
  const fields = original === undefined ? [] : originalFields(original.bytes)
  const value = (name: string): string =>
    fields.find((field) => field.name === name)?.value.slice(0, headFieldMax) ?? ''
  const at = feedback.arrivedAt ?? parseHeaderDate(value('date'))?.at ?? 0
  const domains = [...new Set(feedback.reportedDomains)]
  const reporter = reporterOf(feedback)
  return {
    ok: true,
    report: {
      organization: reporter,
      contact: '',
      // It has no id of its own: the same octets are the same report.
      id: createHash('sha256')
        .update(part.bytes)
        .update(original?.bytes ?? '')
        .digest('hex')
        .slice(0, 32),
      startAt: at,
      endAt: at,
      totals: (domains.length === 0 ? [''] : domains).map((domain) => ({
        domain,
        successCount: 0,
        failureCount: feedback.incidents,
      })),
      head: {
        ...bounded(feedback),
        subject: value('subject'),
        from: value('from'),
        messageId: value('message-id'),
      },
      rows: fields,
      defects: [...defects, ...(original === undefined ? ['nothing of the message itself'] : [])],
    },
  }
}

/** Up to the empty line: the text of the message is nobody's business here. */
function originalFields(bytes: Uint8Array): readonly ReportedField[] {
  return reportedFields(bytes.subarray(0, originalBytesMax))
}

/** 'dns; mx.example.test', else the domain that wrote the results, else its program. */
function reporterOf({ reportingMta, authenticationResults, userAgent }: FeedbackReport): string {
  const mta = reportingMta.replace(/^dns *; */i, '')
  const servId = /^[A-Za-z0-9.-]+(?= *(?:;|$))/.exec(authenticationResults[0] ?? '')?.[0]
  return (mta || servId || userAgent || 'unknown').slice(0, 200)
}

const bounded = (feedback: FeedbackReport): FeedbackReport => ({
  ...feedback,
  reportedUris: feedback.reportedUris.slice(0, headListMax),
  authenticationResults: feedback.authenticationResults.slice(0, headListMax),
  originalRecipients: feedback.originalRecipients.slice(0, headListMax),
  spfDns: feedback.spfDns.slice(0, headListMax),
  others: feedback.others.slice(0, headListMax),
})
