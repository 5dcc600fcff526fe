// Owns the page of reports between mail systems: what others say about mail in our name, as charts by day and as a list,
// and what became of those that we send. One report in full is report-detail.tsx's.

import type { JSX } from 'preact'
import type {
  DmarcSourcesView,
  ReceivedReportItem,
  ReceivedReportList,
  ReportKind,
  ReportSummaryView,
} from '../../../src/http/api-types.ts'
import { ApiError, get } from '../api/client.ts'
import { type Resource, useResource } from '../api/resource.ts'
import { Chart } from '../dashboard/chart.tsx'
import '../dashboard/dashboard.css'
import { formatFull } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href, place } from '../router.ts'
import { Badge, Empty, Failure, Segmented, Skeleton } from '../ui/parts.tsx'
import { DmarcSources } from './dmarc-sources.tsx'
import { ReportDetail } from './report-detail.tsx'
import { type Filter, type Range, ranges, readFilter, setFilter } from './report-filter.ts'
import { ListState, More, usePages } from './report-list.tsx'
import { KindBadge, period, reportKinds, Tally } from './report-parts.tsx'
import { Sent } from './sent-reports.tsx'
import './reports.css'

export function ReportsPage(): JSX.Element {
  const [, id] = place.value.path
  return id === undefined ? <Reports /> : <ReportDetail key={id} id={id} />
}

function Reports(): JSX.Element {
  const t = text().reports
  const filter = readFilter()
  const { side, kind, domain, days } = filter
  const summary = useResource(`summary ${kind} ${domain} ${days}`, (signal) =>
    get<ReportSummaryView>('/v1/reports/summary', { kind, domain, days }, signal),
  )
  const isAbsent = summary.error instanceof ApiError && summary.error.status === 404
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <h1>{t.title}</h1>
            <p>{t.intro}</p>
          </div>
          {!isAbsent && (
            <Segmented
              label={t.side}
              current={side}
              onChange={(next) => setFilter({ side: next })}
              items={(['received', 'sent'] as const).map((one) => ({ id: one, label: t.sides[one] }))}
            />
          )}
        </header>
        {isAbsent ? (
          <Empty icon="report" title={t.absent}>
            <p>{t.absentBody}</p>
          </Empty>
        ) : (
          <>
            <Filters filter={filter} domains={summary.data?.domains ?? []} />
            {side === 'received' && <Days found={summary} kind={kind} />}
            {side === 'received' && (kind ?? 'dmarc-aggregate') === 'dmarc-aggregate' && (
              <Sources domain={domain} days={days} />
            )}
            {side === 'received' ? (
              <Received key={`${kind} ${domain}`} filter={filter} />
            ) : (
              <Sent key={`${kind} ${domain}`} filter={filter} />
            )}
          </>
        )}
      </div>
    </div>
  )
}

function Filters(props: { readonly filter: Filter; readonly domains: readonly string[] }): JSX.Element {
  const { side, kind, domain, days } = props.filter
  const t = text().reports
  const domains = props.domains.includes(domain) || domain === '' ? props.domains : [domain, ...props.domains]
  return (
    <div class="row wrap report-filters">
      <select
        class="select"
        aria-label={t.kind}
        value={kind ?? ''}
        onChange={(event) =>
          setFilter({ kind: reportKinds.find((one) => one === event.currentTarget.value) })
        }
      >
        <option value="">{t.allKinds}</option>
        {reportKinds.map((one) => (
          <option key={one} value={one}>
            {t.kinds[one]}
          </option>
        ))}
      </select>
      {side === 'received' ? (
        <select
          class="select"
          aria-label={t.domain}
          value={domain}
          onChange={(event) => setFilter({ domain: event.currentTarget.value })}
        >
          <option value="">{t.allDomains}</option>
          {domains.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      ) : (
        <input
          class="input report-domain"
          type="search"
          aria-label={t.domain}
          placeholder={t.allDomains}
          value={domain}
          onChange={(event) => setFilter({ domain: event.currentTarget.value.trim() })}
        />
      )}
      {side === 'received' && (
        <Segmented
          label={t.range}
          current={days}
          onChange={(next) => setFilter({ days: next })}
          items={ranges.map((one) => ({ id: one, label: t.days(Number(one)) }))}
        />
      )}
    </div>
  )
}

/** TLS is counted in sessions, DMARC in messages: a chart each. */
function Days(props: {
  readonly found: Resource<ReportSummaryView>
  readonly kind: ReportKind | undefined
}): JSX.Element | null {
  const { found, kind: only } = props
  const t = text().reports
  if (found.data === undefined) {
    return found.error === undefined ? (
      <Skeleton lines={6} height={28} />
    ) : (
      <Failure error={found.error} retry={found.reload} />
    )
  }
  const { days } = found.data
  const at = days.map(({ day }) => Date.parse(`${day}T12:00:00Z`))
  const of = (kinds: readonly ReportKind[], what: 'successCount' | 'failureCount'): readonly number[] =>
    days.map((one) =>
      one.kinds.filter(({ kind }) => kinds.includes(kind)).reduce((sum, counts) => sum + counts[what], 0),
    )
  const charts: readonly (readonly [title: string, unit: string, kinds: readonly ReportKind[]])[] = [
    [t.dmarcChart, t.messages, ['dmarc-aggregate']],
    [t.tlsChart, t.sessions, ['tls-rpt']],
  ]
  const shown = charts.filter(([, , kinds]) => only === undefined || kinds.includes(only))
  if (shown.length === 0) return null
  return (
    <div class="charts">
      {shown.map(([title, unit, kinds]) => {
        const good = of(kinds, 'successCount')
        const bad = of(kinds, 'failureCount')
        const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0)
        return (
          <section class="card" key={title}>
            <header>
              <div class="grow">
                <h2>{title}</h2>
                <span class="small faint">{unit}</span>
              </div>
              <Tally good={sum(good)} bad={sum(bad)} />
            </header>
            <Chart
              at={at}
              label={`${title}, ${unit}`}
              empty={t.noneChart}
              byDay
              series={[
                { name: t.passed, color: 'ok', values: good, filled: true },
                { name: t.failed, color: 'bad', values: bad },
              ]}
            />
          </section>
        )
      })}
    </div>
  )
}

const sourcesShown = 20

function Sources(props: { readonly domain: string; readonly days: Range }): JSX.Element | null {
  const { domain, days } = props
  const found = useResource(`sources ${domain} ${days}`, (signal) =>
    get<DmarcSourcesView>('/v1/reports/dmarc', { domain, days, limit: sourcesShown }, signal),
  )
  const view = found.data
  if (view === undefined || view.sources.length === 0) return null
  const t = text().reports
  const rest = view.sourceCount - view.sources.length
  return (
    <DmarcSources
      sources={view.sources.map((source) => ({ ...source }))}
      note={`${t.sourcesBody}${rest > 0 ? ` ${t.moreSources(rest)}` : ''}`}
    />
  )
}

function Received(props: { readonly filter: Filter }): JSX.Element {
  const t = text().reports
  const found = usePages<ReceivedReportItem>('/v1/reports/received', props.filter)
  const items: ReceivedReportList['items'] = found.data?.items ?? []
  return (
    <section class="card">
      <header>
        <h2>{t.received}</h2>
      </header>
      <ListState found={found} empty={t.noneReceived} />
      {items.length > 0 && (
        <section class="table-wrap" tabindex={0} aria-label={t.received}>
          <table class="table report-table">
            <thead>
              <tr>
                <th>{t.reporter}</th>
                <th>{t.kind}</th>
                <th>{t.domain}</th>
                <th>{t.period}</th>
                <th>{t.result}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => (
                <tr key={item.id}>
                  <td class="strong">
                    <a href={href(['reports', item.id])} class="wrap-any">
                      {item.organization || item.from || t.unknown}
                    </a>
                  </td>
                  <td>
                    <KindBadge kind={item.kind} />
                  </td>
                  <td class="wrap-any">
                    {item.domains.slice(0, 3).join(', ')}
                    {item.domainCount > 3 && (
                      <span class="faint"> {t.moreDomains(item.domainCount - 3)}</span>
                    )}
                  </td>
                  <td class="nowrap" title={formatFull(item.receivedAt)}>
                    {period(item.startAt, item.endAt)}
                  </td>
                  <td>
                    {item.state === 'unreadable' ? (
                      <Badge tone="warn" icon="warning">
                        {t.unreadable}
                      </Badge>
                    ) : (
                      <Tally good={item.successCount} bad={item.failureCount} />
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      <More cursor={found.data?.cursor} more={found.more} />
    </section>
  )
}
