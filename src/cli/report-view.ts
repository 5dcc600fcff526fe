// Owns how reports between mail systems look to people. What others wrote is made harmless here.

import type {
  DmarcReportRow,
  ReceivedReportItem,
  ReceivedReportView,
  ReportSummaryView,
  SentReportItem,
  TlsReportHead,
  TlsReportRow,
} from '../http/api-types.ts'
import type { Context } from './context.ts'
import { formatFailure } from './report-dmarc.ts'
import { formatPairs, formatTable } from './table.ts'
import { plain } from './text.ts'
import { fullTime, relativeTime } from './time.ts'

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)
const count = (value: number): string => String(value)

export function formatReceived(items: readonly ReceivedReportItem[], context: Context): readonly string[] {
  if (items.length === 0) return []
  const { colours } = context
  return formatTable(
    items,
    [
      { title: 'ID', cell: ({ id }) => id },
      { title: 'DAY', cell: ({ startAt }) => dayOf(startAt) },
      { title: 'KIND', cell: ({ kind }) => kind },
      {
        title: 'FROM',
        cell: ({ state, organization, from }) => (state === 'read' ? organization : `unreadable, ${from}`),
        least: 10,
        colour: ({ state }) => (state === 'read' ? (text) => text : colours.yellow),
      },
      {
        title: 'ABOUT',
        cell: ({ domains, domainCount }) =>
          `${domains[0] ?? ''}${domainCount > 1 ? ` and ${domainCount - 1} more` : ''}`,
        least: 10,
      },
      { title: 'GOOD', cell: ({ successCount }) => count(successCount), right: true },
      {
        title: 'FAILED',
        cell: ({ failureCount }) => count(failureCount),
        right: true,
        colour: ({ failureCount }) => (failureCount > 0 ? colours.red : colours.dim),
      },
    ],
    context,
  )
}

export function formatReport(view: ReceivedReportView, context: Context): readonly string[] {
  const { colours } = context
  const now = context.now()
  const range = `${new Date(view.startAt).toISOString()} to ${new Date(view.endAt).toISOString()}`
  const head = formatPairs(
    [
      ['Report', plain(view.id)],
      ['Kind', view.kind],
      ['From', view.organization === '' ? undefined : plain(`${view.organization} (${view.contact})`)],
      ['Report id', view.reportId === '' ? undefined : plain(view.reportId)],
      ['Tells of', range],
      [
        'Came',
        `${fullTime(view.receivedAt, now)}, by ${view.source === 'mail' ? `mail from <${plain(view.from)}>` : `POST from ${plain(view.from)}`}`,
      ],
      ['Message', view.messageId],
      ['Signed by', view.signedBy.length === 0 ? undefined : plain(view.signedBy.join(', '))],
    ],
    { colours },
  )
  const defects = view.defects.map((one) => colours.yellow(`! ${plain(one)}`))
  const totals = view.totals.map(
    ({ domain, successCount, failureCount }) =>
      `${colours.bold(plain(domain))}: ${successCount} good, ${failureCount > 0 ? colours.red(`${failureCount} failed`) : 'none failed'}`,
  )
  const more =
    view.rows.length < view.rowCount
      ? [colours.dim(`${view.rowCount - view.rows.length} rows are not kept`)]
      : []
  return [...head, ...defects, '', ...totals, '', ...formatRows(view, context), ...more]
}

/** Rows and head were written by this program's own readers; what is in them is foreign. */
function formatRows(view: ReceivedReportView, context: Context): readonly string[] {
  switch (view.kind) {
    case 'tls-rpt': {
      const { policies = [] } = view.head as unknown as Partial<TlsReportHead>
      const under = policies.map(
        ({ type, domain, strings }) =>
          `${type} of ${plain(domain)}${strings.length === 0 ? '' : context.colours.dim(` (${plain(strings.join('; '))})`)}`,
      )
      return [...under, '', ...tlsRows(view.rows as unknown as readonly TlsReportRow[], context)]
    }
    case 'dmarc-aggregate':
      return dmarcRows(view.rows as unknown as readonly DmarcReportRow[], context)
    case 'dmarc-failure':
      return [...formatFailure(view.head, context), '', ...failureRows(view)]
  }
}

const failureRows = (view: ReceivedReportView): readonly string[] =>
  view.rows.map(({ name, value }) => plain(`${String(name)}: ${String(value)}`))

const tlsRows = (rows: readonly TlsReportRow[], context: Context): readonly string[] =>
  rows.length === 0
    ? []
    : formatTable(
        rows,
        [
          { title: 'FAILED', cell: ({ failedSessionCount }) => count(failedSessionCount), right: true },
          { title: 'WHY', cell: ({ resultType }) => resultType, colour: () => context.colours.red },
          { title: 'POLICY', cell: ({ policyType }) => policyType },
          { title: 'HOST', cell: ({ receivingMxHostname = '' }) => receivingMxHostname, least: 10 },
          { title: 'ADDRESS', cell: ({ receivingIp = '' }) => receivingIp, least: 8 },
          { title: 'WORDS', cell: ({ failureReasonCode = '' }) => failureReasonCode, least: 8 },
        ],
        context,
      )

const dmarcRows = (rows: readonly DmarcReportRow[], context: Context): readonly string[] =>
  rows.length === 0
    ? []
    : formatTable(
        rows,
        [
          { title: 'MESSAGES', cell: (row) => count(row.count), right: true },
          { title: 'SENT FROM', cell: ({ sourceIp }) => sourceIp },
          {
            title: 'DKIM',
            cell: ({ dkimAligned }) => dkimAligned,
            colour: ({ dkimAligned }) =>
              dkimAligned === 'pass' ? context.colours.green : context.colours.red,
          },
          {
            title: 'SPF',
            cell: ({ spfAligned }) => spfAligned,
            colour: ({ spfAligned }) => (spfAligned === 'pass' ? context.colours.green : context.colours.red),
          },
          { title: 'DONE', cell: ({ disposition }) => disposition },
          { title: 'AUTHOR', cell: ({ headerFrom }) => headerFrom, least: 10 },
        ],
        context,
      )

export function formatSummary({ days }: ReportSummaryView, context: Context): readonly string[] {
  const rows = days.flatMap(({ day, kinds }) => kinds.map((one) => ({ day, ...one })))
  if (rows.length === 0) return [`No reports tell of the last ${days.length} days.`]
  const { colours } = context
  return formatTable(
    rows,
    [
      { title: 'DAY', cell: ({ day }) => day },
      { title: 'KIND', cell: ({ kind }) => kind },
      { title: 'REPORTS', cell: ({ reportCount }) => count(reportCount), right: true },
      { title: 'GOOD', cell: ({ successCount }) => count(successCount), right: true },
      {
        title: 'FAILED',
        cell: ({ failureCount }) => count(failureCount),
        right: true,
        colour: ({ failureCount }) => (failureCount > 0 ? colours.red : colours.dim),
      },
    ],
    context,
  )
}

export function formatSent(items: readonly SentReportItem[], context: Context): readonly string[] {
  const { colours } = context
  const now = context.now()
  const paint = { waiting: colours.yellow, sent: colours.green, partly: colours.yellow, failed: colours.red }
  return items.flatMap(({ day, kind, domain, state, note, nextTryAt, destinations }) => [
    `${day}  ${kind}  ${colours.bold(plain(domain))}  ${paint[state](state)}${
      nextTryAt === undefined ? '' : `, next try ${relativeTime(nextTryAt, now)}`
    }${note === undefined ? '' : `: ${plain(note)}`}`,
    ...destinations.map(
      (one) =>
        `    ${plain(one.uri)}  ${one.state}${one.said === undefined ? '' : `: ${plain(one.said)}`}${
          one.messageId === undefined ? '' : colours.dim(`  (${plain(one.messageId)})`)
        }`,
    ),
  ])
}
