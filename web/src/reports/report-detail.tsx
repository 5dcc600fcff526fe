// Owns one report in full: who says it and whether a signature vouches for that, how much went well, and what it tells by
// its kind. All of it is foreign text.

import type { ComponentChildren, JSX } from 'preact'
import type { ReceivedReportView } from '../../../src/http/api-types.ts'
import { get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatFull, formatNumber } from '../i18n/format.ts'
import { text as words } from '../i18n/text.ts'
import { href } from '../router.ts'
import { Icon } from '../ui/icon.tsx'
import { Badge, Failure, Skeleton } from '../ui/parts.tsx'
import { DmarcSources } from './dmarc-sources.tsx'
import { DataTable, KindBadge, period, Tally } from './report-parts.tsx'
import { count, record, records, text, texts } from './report-words.ts'
import './reports.css'

export function ReportDetail(props: { readonly id: string }): JSX.Element {
  const t = words().reports
  const found = useResource(`report ${props.id}`, (signal) =>
    get<ReceivedReportView>(`/v1/reports/received/${encodeURIComponent(props.id)}`, undefined, signal),
  )
  const report = found.data
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <a class="small report-back" href={href(['reports'])}>
              <Icon name="back" size={16} />
              {t.title}
            </a>
            <h1 class="wrap-any">{report === undefined ? t.one : report.organization || t.unknown}</h1>
            {report !== undefined && <p>{period(report.startAt, report.endAt)}</p>}
          </div>
          {report !== undefined && <KindBadge kind={report.kind} />}
        </header>
        {report === undefined && found.error !== undefined && (
          <Failure error={found.error} retry={found.reload} />
        )}
        {report === undefined && found.error === undefined && <Skeleton lines={8} height={24} />}
        {report !== undefined && (
          <>
            <Head report={report} />
            {report.kind === 'tls-rpt' && <TlsReport report={report} />}
            {report.kind === 'dmarc-aggregate' && <DmarcReport report={report} />}
            {report.kind === 'dmarc-failure' && <FailureReport report={report} />}
          </>
        )}
      </div>
    </div>
  )
}

function Head(props: { readonly report: ReceivedReportView }): JSX.Element {
  const { report } = props
  const t = words().reports
  const rows: readonly (readonly [string, ComponentChildren])[] = [
    [t.result, report.state === 'read' && <Tally good={report.successCount} bad={report.failureCount} />],
    [t.domain, report.domains.join(', ')],
    [t.contact, report.contact],
    [
      t.cameBy,
      `${report.source === 'mail' ? t.byMail : t.byHttps}${report.from === '' ? '' : `, ${report.from}`}`,
    ],
    [
      t.signedBy,
      report.source === 'mail' &&
        (report.signedBy.length > 0 ? (
          report.signedBy.join(', ')
        ) : (
          <Badge tone="warn" icon="warning">
            {t.unsigned}
          </Badge>
        )),
    ],
    [t.receivedAt, formatFull(report.receivedAt)],
    [t.reportId, report.reportId],
    [
      t.itsMail,
      report.messageId !== undefined && <a href={href(['mail', report.messageId])}>{t.openMail}</a>,
    ],
  ]
  return (
    <section class="card">
      {report.state === 'unreadable' && (
        <div class="note" role="status">
          <Icon name="warning" size={16} />
          <span class="grow">{t.unreadableBody}</span>
        </div>
      )}
      <div class="body stack">
        <dl class="facts">
          {rows
            .filter(([, value]) => value !== '' && value !== false)
            .map(([name, value]) => (
              <>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </>
            ))}
        </dl>
        {report.defects.length > 0 && (
          <div>
            <h3>{t.defects}</h3>
            <ul class="small muted">
              {report.defects.map((one, at) => (
                <li key={at} class="wrap-any">
                  {one}
                </li>
              ))}
            </ul>
          </div>
        )}
      </div>
    </section>
  )
}

const mono = (value: string): ComponentChildren =>
  value === '' ? <span class="faint">–</span> : <code class="wrap-any">{value}</code>

function TlsReport(props: { readonly report: ReceivedReportView }): JSX.Element {
  const { head, rows, rowCount } = props.report
  const t = words().reports
  return (
    <>
      {rows.length > 0 && (
        <DataTable
          title={t.failures}
          note={rowCount > rows.length ? t.firstOf(rows.length, rowCount) : undefined}
          head={[t.whatFailed, t.sessions, t.receiver, t.sender, t.detail]}
          right={[1]}
          rows={rows.map((row) => {
            const result = text(row.resultType)
            return [
              <>
                <strong>{t.tlsResults[result] ?? result}</strong>
                <div class="small faint mono">{result}</div>
              </>,
              formatNumber(count(row.failedSessionCount)),
              <>
                {mono(text(row.receivingMxHostname) || text(row.receivingMxHelo))}
                <div class="small faint mono">{text(row.receivingIp)}</div>
              </>,
              mono(text(row.sendingMtaIp)),
              <span class="wrap-any" key="more">
                {[text(row.failureReasonCode), text(row.additionalInformation)].filter(Boolean).join(' · ') ||
                  '–'}
              </span>,
            ]
          })}
        />
      )}
      <DataTable
        title={t.policies}
        head={[t.policy, t.domain, t.passed, t.failed, t.hosts]}
        right={[2, 3]}
        rows={records(head.policies).map((policy) => [
          t.policyTypes[text(policy.type)] ?? text(policy.type),
          mono(text(policy.domain)),
          formatNumber(count(policy.successCount)),
          formatNumber(count(policy.failureCount)),
          mono(texts(policy.mxHosts).join(', ')),
        ])}
      />
    </>
  )
}

/** The word of a check, in the reader's language where it has one. */
const result = (word: string): string => words().verdicts.words[word] ?? word

function Passed(props: { readonly yes: boolean; readonly word?: string }): JSX.Element {
  const t = words().reports
  return (
    <Badge tone={props.yes ? 'ok' : 'bad'} icon={props.yes ? 'check' : 'close'}>
      {props.word ?? (props.yes ? t.pass : t.fail)}
    </Badge>
  )
}

function DmarcReport(props: { readonly report: ReceivedReportView }): JSX.Element {
  const { head, rows, rowCount } = props.report
  const t = words().reports
  const policy = record(head.policy)
  const sources = records(head.sources)
  const published = (['p', 'sp', 'np', 'adkim', 'aspf', 'fo', 'pct'] as const)
    .filter((key) => text(policy[key]) !== '')
    .map((key) => `${key}=${text(policy[key])}`)
  return (
    <>
      {published.length > 0 && (
        <section class="card">
          <header>
            <h2>{t.published}</h2>
          </header>
          <div class="body row wrap">
            <code class="strong wrap-any">_dmarc.{text(policy.domain)}</code>
            {published.map((one) => (
              <Badge key={one}>{one}</Badge>
            ))}
          </div>
        </section>
      )}
      {sources.length > 0 && <DmarcSources sources={sources} />}
      {rows.length > 0 && (
        <DataTable
          title={t.records}
          note={rowCount > rows.length ? t.firstOf(rows.length, rowCount) : undefined}
          head={[t.source, t.messages, t.result, 'DKIM', 'SPF', t.done, t.author]}
          right={[1]}
          rows={rows.map((row) => {
            const yes = row.dkimAligned === 'pass' || row.spfAligned === 'pass'
            const auth = (list: unknown): ComponentChildren =>
              records(list).map((one, at) => (
                <div key={at} class="wrap-any">
                  {text(one.domain)} {result(text(one.result))}
                </div>
              ))
            return [
              mono(text(row.sourceIp)),
              formatNumber(count(row.count)),
              <Passed key="result" yes={yes} />,
              auth(row.dkim),
              auth(row.spf),
              t.dispositions[text(row.disposition)] ?? text(row.disposition),
              <span key="from" class="wrap-any">
                {text(row.headerFrom)}
              </span>,
            ]
          })}
        />
      )}
    </>
  )
}

/** Of a failure report what it has as words, and the header of the message. */
function FailureReport(props: { readonly report: ReceivedReportView }): JSX.Element {
  const { head, rows } = props.report
  const t = words().reports
  const facts = Object.entries(head).flatMap(([key, value]) => {
    const shown = Array.isArray(value)
      ? texts(value).join(', ')
      : key === 'arrivedAt'
        ? formatFull(count(value))
        : text(value)
    return shown === '' ? [] : [[key, shown] as const]
  })
  return (
    <>
      <section class="card">
        <header>
          <h2>{t.facts}</h2>
        </header>
        <div class="body">
          <dl class="facts">
            {facts.map(([key, value]) => (
              <>
                <dt>{t.failureFacts[key] ?? key}</dt>
                <dd>{value}</dd>
              </>
            ))}
          </dl>
        </div>
      </section>
      {rows.length > 0 && (
        <DataTable
          title={t.header}
          head={[t.field, t.value]}
          rows={rows.map((row) => [
            mono(text(row.name)),
            <span key="value" class="wrap-any">
              {text(row.value)}
            </span>,
          ])}
        />
      )}
    </>
  )
}
