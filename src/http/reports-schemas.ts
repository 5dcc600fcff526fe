// Owns the schemas of reports between mail systems in the API: what is asked, and what is answered.

import { z } from 'zod'
import { reportKindNames } from '../reports/report-kinds.ts'
import type {
  ReceivedReportItem,
  ReceivedReportList,
  ReceivedReportView,
  ReportSummaryView,
  SentReportItem,
  SentReportList,
} from './api-types.ts'

const text = z.string()
const at = z.number()
const count = z.int().min(0)
const kind = z.enum(reportKindNames)
const day = z.string().regex(/^\d{4}-\d\d-\d\d$/)

const domain = z
  .string()
  .min(1)
  .max(255)
  .transform((name) => name.toLowerCase())
const page = {
  kind: kind.optional(),
  domain: domain.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  cursor: z.string().min(1).max(1000).optional(),
}

export const reportsQuery = z.strictObject(page)
export const summaryQuery = z.strictObject({
  kind: kind.optional(),
  domain: domain.optional(),
  days: z.coerce.number().int().min(1).max(366).default(30),
})
export const reportParams = z.strictObject({ id: z.string().regex(/^[\w.-]{1,400}$/) })

const itemShape = {
  id: text,
  kind,
  state: z.enum(['read', 'unreadable']),
  organization: text,
  contact: text,
  reportId: text,
  startAt: at,
  endAt: at,
  receivedAt: at,
  source: z.enum(['mail', 'http']),
  from: text,
  messageId: text.optional(),
  signedBy: z.array(text).describe('Domains whose DKIM signature was good when it came in.'),
  domains: z.array(text),
  domainCount: count,
  successCount: count.describe('TLS sessions, or messages.'),
  failureCount: count,
  defects: z.array(text),
}
const record = z.record(text, z.unknown())

export const receivedReport: z.ZodType<ReceivedReportItem> = z.strictObject(
  itemShape,
) as unknown as z.ZodType<ReceivedReportItem>

export const receivedReports: z.ZodType<ReceivedReportList> = z.strictObject({
  items: z.array(receivedReport),
  cursor: text.optional(),
}) as unknown as z.ZodType<ReceivedReportList>

export const receivedReportView: z.ZodType<ReceivedReportView> = z.strictObject({
  ...itemShape,
  totals: z.array(z.strictObject({ domain: text, successCount: count, failureCount: count })),
  head: record.describe('By kind: of tls-rpt the policies, of DMARC what was published and who sent most.'),
  rows: z.array(record).describe('By kind: failures, or rows of the report; the first ones.'),
  rowCount: count,
}) as unknown as z.ZodType<ReceivedReportView>

export const reportSummary: z.ZodType<ReportSummaryView> = z.strictObject({
  days: z.array(
    z.strictObject({
      day,
      kinds: z.array(z.strictObject({ kind, reportCount: count, successCount: count, failureCount: count })),
    }),
  ),
  domains: z.array(text),
}) as unknown as z.ZodType<ReportSummaryView>

const sentReport: z.ZodType<SentReportItem> = z.strictObject({
  id: text,
  kind,
  domain: text,
  day,
  reportId: text,
  state: z.enum(['waiting', 'sent', 'partly', 'failed']),
  attemptCount: count,
  nextTryAt: at.optional(),
  note: text.optional(),
  destinations: z.array(
    z.strictObject({
      uri: text,
      state: z.enum(['waiting', 'queued', 'sent', 'failed', 'refused']),
      at: at.optional(),
      said: text.optional().describe("The other side's words, or ours."),
      messageId: text.optional(),
    }),
  ),
}) as unknown as z.ZodType<SentReportItem>

export const sentReports: z.ZodType<SentReportList> = z.strictObject({
  items: z.array(sentReport),
  cursor: text.optional(),
}) as unknown as z.ZodType<SentReportList>

export const sendNowAnswer = z.strictObject({ count })

export const takenReport = z.strictObject({
  result: z.enum(['new', 'known']).describe('known: it was here before.'),
})
