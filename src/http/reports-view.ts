// Owns how reports look in the API: what is kept of them, as api-types.ts has it. Pure.

import type { ReceivedReport, StoredReport } from '../reports/received-reports.ts'
import type { StoredRecord } from '../reports/sent-records.ts'
import type { ReceivedReportItem, ReceivedReportView, SentReportItem } from './api-types.ts'

const domainsShown = 20

export function receivedItem({ id, report }: StoredReport): ReceivedReportItem {
  const { totals, head: _head, rowCount: _rowCount, ...rest } = report
  const domains = [...new Set(totals.map(({ domain }) => domain))]
  return { id, ...known(rest), domains: domains.slice(0, domainsShown) }
}

/** Of a stored entry what the API names: one that an older server wrote has what it had. */
function known(report: Omit<ReceivedReport, 'totals' | 'head' | 'rowCount'>) {
  const { messageId } = report
  return {
    kind: report.kind,
    state: report.state,
    organization: report.organization,
    contact: report.contact,
    reportId: report.reportId,
    startAt: report.startAt,
    endAt: report.endAt,
    receivedAt: report.receivedAt,
    source: report.source,
    from: report.from,
    signedBy: report.signedBy,
    domainCount: report.domainCount,
    successCount: report.successCount,
    failureCount: report.failureCount,
    defects: report.defects,
    ...(messageId !== undefined && { messageId }),
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function receivedView(
  stored: StoredReport & { readonly rows: readonly unknown[] },
): ReceivedReportView {
  const { head, totals, rowCount } = stored.report
  return {
    ...receivedItem(stored),
    totals,
    head: isRecord(head) ? head : {},
    rows: stored.rows.filter(isRecord),
    rowCount,
  }
}

export function sentItem({ id, record }: StoredRecord): SentReportItem {
  const { kind, domain, day, reportId, state, attemptCount, nextTryAt, note, destinations } = record
  return {
    id,
    kind,
    domain,
    day,
    reportId,
    state,
    attemptCount,
    ...(nextTryAt !== undefined && { nextTryAt }),
    ...(note !== undefined && { note }),
    destinations: destinations.map((one) => ({
      uri: one.uri,
      state: one.state,
      ...(one.at !== undefined && { at: one.at }),
      ...(one.said !== undefined && { said: one.said }),
      ...(one.messageId !== undefined && { messageId: one.messageId }),
    })),
  }
}
