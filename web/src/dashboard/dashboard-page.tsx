// Owns the dashboard: the figures that say whether all is well, then their course over time. Charts are a chunk of their
// own, loaded with this page.

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { StatsView } from '../../../src/http/api-types.ts'
import { CertificateTrouble } from '../admin/certificates.tsx'
import { get } from '../api/client.ts'
import { useResource } from '../api/resource.ts'
import { formatDuration, formatFull, formatNumber, formatRelative, formatSize } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { href } from '../router.ts'
import { may } from '../state.ts'
import { Badge, Failure, Segmented, Skeleton } from '../ui/parts.tsx'
import { Chart, type ChartSeries } from './chart.tsx'
import './dashboard.css'

const ranges = { '60': 'hour', '360': 'sixHours', '1440': 'day' } as const
type Range = keyof typeof ranges
const refreshMs = 10_000
const lateMs = 60_000

export function DashboardPage(): JSX.Element {
  const t = text().dashboard
  const [range, setRange] = useState<Range>('60')
  const found = useResource(
    `stats ${range}`,
    (signal) => get<StatsView>('/v1/stats', { minutes: range }, signal),
    { everyMs: refreshMs },
  )
  const stats = found.data
  return (
    <div class="page">
      <div class="inner">
        <header class="page-head">
          <div>
            <h1>{t.title}</h1>
            {stats !== undefined && <p>{t.modes[stats.mode] ?? stats.mode}</p>}
          </div>
          <Segmented
            label={t.range}
            current={range}
            onChange={setRange}
            items={(Object.keys(ranges) as Range[]).map((id) => ({ id, label: t[ranges[id]] }))}
          />
        </header>
        {may('admin') && <CertificateTrouble />}
        {stats === undefined && found.error !== undefined && (
          <Failure error={found.error} retry={found.reload} />
        )}
        {stats === undefined && found.error === undefined && <Skeleton lines={10} height={32} />}
        {stats !== undefined && (
          <>
            <Figures stats={stats} />
            <Charts stats={stats} />
            <Listeners stats={stats} />
          </>
        )}
      </div>
    </div>
  )
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

function Figures(props: { readonly stats: StatsView }): JSX.Element {
  const { stats } = props
  const t = text().dashboard
  const { queue, series, now } = stats
  const lateness = queue.oldestDueAt === undefined ? 0 : Math.max(0, now - queue.oldestDueAt)
  return (
    <dl class="figures">
      <Figure
        name={t.oldestDue}
        value={lateness === 0 ? t.nothingDue : formatDuration(lateness)}
        tone={lateness > lateMs ? 'bad' : lateness > 0 ? 'plain' : 'ok'}
        words={lateness === 0}
      />
      <Figure
        name={t.waiting}
        value={formatNumber(queue.waiting)}
        note={[queue.active > 0 ? t.active(queue.active) : '', queue.held > 0 ? t.held(queue.held) : '']
          .filter(Boolean)
          .join(', ')}
        to={href(['queue'])}
      />
      <Figure name={t.accepted} value={formatNumber(sum(series.accepted))} />
      <Figure name={t.delivered} value={formatNumber(sum(series.delivered))} />
      <Figure
        name={t.failed}
        value={formatNumber(sum(series.failed))}
        tone={sum(series.failed) > 0 ? 'bad' : 'plain'}
      />
      <Figure name={t.memory} value={formatSize(stats.memoryRssBytes)} />
      {stats.diskFreeBytes !== undefined && <Figure name={t.disk} value={formatSize(stats.diskFreeBytes)} />}
      <Figure
        name={t.uptime}
        value={formatRelative(stats.startedAt, now)}
        note={`${stats.hostname} · ${stats.version}`}
        title={formatFull(stats.startedAt)}
        words
      />
    </dl>
  )
}

function Figure(props: {
  readonly name: string
  readonly value: string
  readonly note?: string
  readonly tone?: 'plain' | 'ok' | 'bad'
  readonly to?: string
  readonly title?: string
  readonly words?: boolean
}): JSX.Element {
  const { name, value, note, tone = 'plain', to, title, words } = props
  return (
    <div class="card figure" title={title}>
      <dt>{to === undefined ? name : <a href={to}>{name}</a>}</dt>
      <dd class={`value num ${tone} ${words === true ? 'words' : ''}`}>{value}</dd>
      {note !== undefined && note !== '' && <dd class="small faint">{note}</dd>}
    </div>
  )
}

function Charts(props: { readonly stats: StatsView }): JSX.Element {
  const { stats } = props
  const t = text().dashboard
  const { series, stepMs } = stats
  const perMinute = (values: readonly number[]): readonly number[] =>
    values.map((one) => (one * 60_000) / stepMs)
  const seconds = (values: readonly (number | null)[]): readonly (number | null)[] =>
    values.map((one) => (one === null ? null : one / 1000))
  const charts: readonly {
    readonly title: string
    readonly unit: string
    readonly series: readonly ChartSeries[]
  }[] = [
    {
      title: t.throughput,
      unit: t.throughputUnit,
      series: [
        { name: t.accepted, color: 'accent', values: perMinute(series.accepted), filled: true },
        { name: t.refused, color: 'bad', values: perMinute(series.refused) },
      ],
    },
    {
      title: t.results,
      unit: t.resultsUnit,
      series: [
        { name: t.delivered, color: 'ok', values: perMinute(series.delivered), filled: true },
        { name: t.deferred, color: 'star', values: perMinute(series.deferred) },
        { name: t.failed, color: 'bad', values: perMinute(series.failed) },
      ],
    },
    {
      title: t.latency,
      unit: t.latencyUnit,
      series: [
        { name: t.median, color: 'accent', values: seconds(series.latencyP50) },
        { name: t.p95, color: 'star', values: seconds(series.latencyP95) },
      ],
    },
    {
      title: t.connections,
      unit: t.connectionsUnit,
      series: [{ name: t.connections, color: 'accent', values: series.connections, filled: true }],
    },
  ]
  return (
    <div class="charts">
      {charts.map((chart) => (
        <section class="card" key={chart.title}>
          <header>
            <h2>{chart.title}</h2>
            <span class="small faint">{chart.unit}</span>
          </header>
          <Chart
            at={stats.at}
            series={chart.series}
            label={`${chart.title}, ${chart.unit}`}
            empty={t.noData}
          />
        </section>
      ))}
    </div>
  )
}

function Listeners(props: { readonly stats: StatsView }): JSX.Element {
  const t = text().dashboard
  return (
    <section class="card">
      <header>
        <h2>{t.listeners}</h2>
      </header>
      <section class="table-wrap" tabindex={0} aria-label={t.listeners}>
        <table class="table">
          <thead>
            <tr>
              <th>{t.name}</th>
              <th>{t.address}</th>
              <th>{t.encryption}</th>
              <th class="right">{t.open}</th>
            </tr>
          </thead>
          <tbody>
            {props.stats.listeners.map((one) => (
              <tr key={`${one.name}${one.port}`}>
                <td>
                  <Badge>{one.name}</Badge>
                </td>
                <td>
                  <code>
                    {one.address.includes(':') ? `[${one.address}]` : one.address}:{one.port}
                  </code>
                </td>
                <td>{one.tls}</td>
                <td class="right num">{formatNumber(one.connectionCount)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  )
}
