// Owns what the pages of reports share: what a kind is called, how much went well, and a table that scrolls by itself.

import type { ComponentChildren, JSX } from 'preact'
import type { ReportKind } from '../../../src/http/api-types.ts'
import { formatDay, formatNumber } from '../i18n/format.ts'
import { text } from '../i18n/text.ts'
import { Icon } from '../ui/icon.tsx'
import { Badge } from '../ui/parts.tsx'

export const reportKinds: readonly ReportKind[] = ['dmarc-aggregate', 'dmarc-failure', 'tls-rpt']

export function KindBadge(props: { readonly kind: ReportKind }): JSX.Element {
  return (
    <Badge tone={props.kind === 'tls-rpt' ? 'accent' : 'plain'}>{text().reports.kinds[props.kind]}</Badge>
  )
}

/** '20 Nov 2026', or '18 Nov 2026 – 20 Nov 2026'. An end at midnight is of the day before. */
export function period(startAt: number, endAt: number): string {
  const first = formatDay(startAt)
  const last = formatDay(Math.max(startAt, endAt - 1))
  return first === last ? first : `${first} – ${last}`
}

/** Icon and word besides the colour. */
export function Tally(props: { readonly good: number; readonly bad: number }): JSX.Element {
  const { good, bad } = props
  const t = text().reports
  const total = good + bad
  return (
    <div class="tally">
      <span class={`tally-part ${good > 0 ? 'ok' : 'faint'}`}>
        <Icon name="check" size={14} />
        <span class="num">{formatNumber(good)}</span> {t.passed}
      </span>
      <span class={`tally-part ${bad > 0 ? 'bad' : 'faint'}`}>
        <Icon name="close" size={14} />
        <span class="num">{formatNumber(bad)}</span> {t.failed}
      </span>
      {total > 0 && (
        <span class="tally-bar" aria-hidden="true">
          <span class="yes" style={{ width: `${(good / total) * 100}%` }} />
          <span class="no" style={{ width: `${(bad / total) * 100}%` }} />
        </span>
      )}
    </div>
  )
}

export function DataTable(props: {
  readonly title: string
  readonly note?: string | undefined
  readonly head: readonly string[]
  /** Indices of columns of numbers. */
  readonly right?: readonly number[]
  readonly rows: readonly (readonly ComponentChildren[])[]
}): JSX.Element {
  const { title, note, head, right = [], rows } = props
  return (
    <section class="card">
      <header>
        <div class="grow">
          <h2>{title}</h2>
          {note !== undefined && <p class="small muted">{note}</p>}
        </div>
      </header>
      <section class="table-wrap" tabindex={0} aria-label={title}>
        <table class="table report-table">
          <thead>
            <tr>
              {head.map((one, at) => (
                <th key={one} class={right.includes(at) ? 'right' : ''}>
                  {one}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((cells, row) => (
              <tr key={row}>
                {cells.map((cell, at) => (
                  <td key={head[at]} class={right.includes(at) ? 'right num' : ''}>
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  )
}
