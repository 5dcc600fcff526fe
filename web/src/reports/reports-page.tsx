// Owns the page of reports between mail systems: what others say about mail in our name, as charts by day and as a list,
// and what became of those that we send. One report in full is report-detail.tsx's.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type {
  DmarcSourcesView,
  ReceivedReportItem,
  ReceivedReportList,
  ReportKind,
  ReportSummaryView,
  SentReportItem,
  SentReportList,
} from '../../../src/http/api-types.ts'
import { ApiError, api, get } from '../api/client.ts'
import { type Resource, useResource } from '../api/resource.ts'
import { Chart } from '../dashboard/chart.tsx'
import '../dashboard/dashboard.css'
import { formatDay, formatFull, formatRelative } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { go, href, place } from '../router.ts'
import { Icon, type IconName } from '../ui/icon.tsx'
import { toast, toastError } from '../ui/overlay.tsx'
import { Badge, Empty, Failure, Segmented, Skeleton, type Tone } from '../ui/parts.tsx'
import { DmarcSources } from './dmarc-sources.tsx'
import { ReportDetail } from './report-detail.tsx'
import { KindBadge, period, reportKinds, Tally } from './report-parts.tsx'
import './reports.css'

const pageSize = 50
const ranges = ['7', '30', '90'] as const
type Range = (typeof ranges)[number]

export function ReportsPage(): JSX.Element {
  const [, id] = place.value.path
  return id === undefined ? <Reports /> : <ReportDetail key={id} id={id} />
}

interface Filter {
  readonly side: 'received' | 'sent'
  readonly kind: ReportKind | undefined
  readonly domain: string
  readonly days: Range
}

function readFilter(): Filter {
  const { query } = place.value
  return {
    side: query.get('side') === 'sent' ? 'sent' : 'received',
    kind: reportKinds.find((kind) => kind === query.get('kind')),
    domain: query.get('domain') ?? '',
    days: ranges.find((days) => days === query.get('days')) ?? '30',
  }
}

function setFilter(change: Partial<Filter>): void {
  const { side, kind, domain, days } = { ...readFilter(), ...change }
  const query = {
    side: side === 'sent' ? side : '',
    kind: kind ?? '',
    domain,
    days: days === '30' ? '' : days,
  }
  go(href(['reports'], query), { replace: true })
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

/** The first page and those that were asked for behind it. */
function usePages<T>(
  path: string,
  { kind, domain }: Filter,
): Resource<{ readonly items: readonly T[]; readonly cursor?: string }> & { readonly more: () => void } {
  const [rest, setRest] = useState<{ readonly items: readonly T[]; readonly cursor?: string }>()
  const ask = (cursor?: string, signal?: AbortSignal) =>
    get<{ readonly items: readonly T[]; readonly cursor?: string }>(
      path,
      { kind, domain, limit: pageSize, cursor },
      signal,
    )
  const first = useResource(path, (signal) => {
    setRest(undefined)
    return ask(undefined, signal)
  })
  const last = rest ?? first.data
  const data = first.data && {
    items: [...first.data.items, ...(rest?.items ?? [])],
    ...(last?.cursor !== undefined && { cursor: last.cursor }),
  }
  const more = async (): Promise<void> => {
    try {
      const next = await ask(last?.cursor)
      setRest({ ...next, items: [...(rest?.items ?? []), ...next.items] })
    } catch (error) {
      toastError(error)
    }
  }
  return { ...first, data, more: () => void more() }
}

function ListState(props: {
  readonly found: Resource<{ readonly items: readonly unknown[] }>
  readonly empty: string
}): JSX.Element | null {
  const { found, empty } = props
  if (found.data === undefined)
    return found.error === undefined ? (
      <div class="body">
        <Skeleton lines={4} height={24} />
      </div>
    ) : (
      <Failure error={found.error} retry={found.reload} />
    )
  return found.data.items.length === 0 ? <p class="empty-line">{empty}</p> : null
}

function More(props: { readonly cursor: string | undefined; readonly more: () => void }): JSX.Element | null {
  if (props.cursor === undefined) return null
  return (
    <div class="report-more">
      <button type="button" class="btn" onClick={props.more}>
        {text().reports.older}
      </button>
    </div>
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

const sentLooks: Readonly<Record<SentReportItem['state'], readonly [Tone, IconName]>> = {
  waiting: ['accent', 'play'],
  sent: ['ok', 'check'],
  partly: ['warn', 'warning'],
  failed: ['bad', 'fault'],
}
const destinationTones: Readonly<Record<SentReportItem['destinations'][number]['state'], Tone>> = {
  waiting: 'plain',
  queued: 'accent',
  sent: 'ok',
  failed: 'bad',
  refused: 'warn',
}

function Sent(props: { readonly filter: Filter }): JSX.Element {
  const t = text().reports
  const found = usePages<SentReportItem>('/v1/reports/sent', props.filter)
  const items: SentReportList['items'] = found.data?.items ?? []
  const sendNow = async (): Promise<void> => {
    try {
      const { count } = await api<{ readonly count: number }>('POST', '/v1/reports/sent/now', { body: {} })
      toast(t.tried(count))
    } catch (error) {
      toastError(error)
    }
    found.reload()
  }
  return (
    <section class="card">
      <header>
        <h2>{t.sent}</h2>
        <button type="button" class="btn small" onClick={() => void sendNow()}>
          <Icon name="send" size={16} />
          {t.sendNow}
        </button>
      </header>
      <ListState found={found} empty={t.noneSent} />
      {items.length > 0 && (
        <section class="table-wrap" tabindex={0} aria-label={t.sent}>
          <table class="table report-table">
            <thead>
              <tr>
                <th>{t.day}</th>
                <th>{t.kind}</th>
                <th>{t.about}</th>
                <th>{t.state}</th>
                <th>{t.to}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => {
                const [tone, icon] = sentLooks[item.state]
                return (
                  <tr key={item.id}>
                    <td class="nowrap">{formatDay(Date.parse(`${item.day}T12:00:00Z`))}</td>
                    <td>
                      <KindBadge kind={item.kind} />
                    </td>
                    <td class="strong wrap-any">{item.domain}</td>
                    <td>
                      <Badge tone={tone} icon={icon}>
                        {t.sentStates[item.state]}
                      </Badge>
                      <p class="small faint wrap-any">
                        {[
                          item.attemptCount > 0 ? t.attempts(item.attemptCount) : '',
                          item.nextTryAt === undefined
                            ? ''
                            : `${t.nextTry} ${formatRelative(item.nextTryAt, Date.now())}`,
                          item.note ?? '',
                        ]
                          .filter(Boolean)
                          .join(' · ')}
                      </p>
                    </td>
                    <td>
                      {item.destinations.map((one) => (
                        <Destination key={one.uri} destination={one} />
                      ))}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </section>
      )}
      <More cursor={found.data?.cursor} more={found.more} />
    </section>
  )
}

function Destination(props: { readonly destination: SentReportItem['destinations'][number] }): JSX.Element {
  const { uri, state, said, messageId } = props.destination
  const t = text().reports
  return (
    <div class="report-destination">
      <div class="row wrap">
        <code class="wrap-any">{uri}</code>
        <Badge tone={destinationTones[state]}>{t.destinationStates[state]}</Badge>
        {messageId !== undefined && (
          <a class="small" href={href(['mail', messageId], { view: 'delivery' })}>
            {t.itsMail}
          </a>
        )}
      </div>
      {said !== undefined && said !== '' && <p class="small muted wrap-any">{said}</p>}
    </div>
  )
}
